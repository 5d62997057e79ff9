/* A model that uses the memory of its input as a scratchpad, as planned memory does. */
#include "model.h"

int hb_model_invoke(void) {
    model_answer();
    for (uint32_t i = 0; i < sizeof model_input; i++) {
        model_input[i] = (uint8_t)(model_input[i] ^ 0xa5u);
    }
    return 0;
}
