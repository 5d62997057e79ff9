/* The fully connected layer of dense.tflite: one row of weights an output, one bias an output. */
#define INPUTS      8
#define OUTPUTS     4
#define INPUT_ZERO  3
#define OUTPUT_ZERO -5
#define WEIGHTS                                                                                              \
    {{1, -2, 3, 0, -1, 2, -3, 1},                                                                            \
     {2, 2, -1, -1, 0, 3, 1, -2},                                                                            \
     {-3, 1, 0, 2, -2, 1, 1, 3},                                                                             \
     {0, -1, 2, -3, 3, 0, -2, 1}}
#define BIASES {10, -37, 64, 5}
