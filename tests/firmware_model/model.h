/* What the test models share: input and output memory as large as the image was told. */
#ifndef TEST_MODEL_H
#define TEST_MODEL_H

#include <stdint.h>

#include "hb_config.h"
#include "hb_model.h"

extern uint8_t model_input[HB_INPUT_BYTES];
extern uint8_t model_output[HB_OUTPUT_BYTES];

/* The output that belongs to an input: a chain of 32-bit congruential numbers, begun by a checksum of the
 * input. */
void model_answer(void);

#endif
