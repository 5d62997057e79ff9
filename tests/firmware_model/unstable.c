/* A model whose third answer differs in one bit. */
#include "model.h"

int hb_model_invoke(void) {
    static uint32_t calls;
    model_answer();
    if (++calls % 3 == 0) {
        model_output[sizeof model_output - 1] ^= 1u;
    }
    return 0;
}
