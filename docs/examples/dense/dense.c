/* A fully connected int8 layer by hand, rounded as TensorFlow Lite Micro does it: an example of code to bring
 * along. */
#include "hb_model.h"
#include "weights.h"

static int8_t input[INPUTS], output[OUTPUTS];
static const int8_t weights[OUTPUTS][INPUTS] = WEIGHTS;
static const int32_t biases[OUTPUTS] = BIASES;

int hb_model_init(void) {
    return 0;
}

uint32_t hb_model_input_count(void) {
    return 1;
}

uint32_t hb_model_output_count(void) {
    return 1;
}

hb_tensor hb_model_input(uint32_t index) {
    (void)index;
    return (hb_tensor){input, sizeof input};
}

hb_tensor hb_model_output(uint32_t index) {
    (void)index;
    return (hb_tensor){output, sizeof output};
}

/* The scales make 1/16 of a sum: half of it, rounded up, and then 1 / 2^ROUND_SHIFT, rounded away from zero.
 */
static int32_t scaled(int32_t sum) {
    int32_t half = (sum + 1) >> 1;
    int32_t mask = (1 << ROUND_SHIFT) - 1;
    return (half >> ROUND_SHIFT) + ((half & mask) > (mask >> 1) + (half < 0));
}

int hb_model_invoke(void) {
    for (int row = 0; row < OUTPUTS; row++) {
        int32_t sum = biases[row];
        for (int column = 0; column < INPUTS; column++) {
            sum += weights[row][column] * (input[column] - INPUT_ZERO);
        }
        int32_t value = scaled(sum) + OUTPUT_ZERO;
        output[row] = (int8_t)(value < -128 ? -128 : value > 127 ? 127 : value);
    }
    return 0;
}

uint32_t hb_model_arena_used(void) {
    return sizeof input + sizeof output;
}
