/* A model that gives its input as its output, whose buffers a constructor has found to be zeroed. */
#include <string.h>

#include "model.h"

static int constructed = 1;

__attribute__((constructor)) static void construct(void) {
    constructed += 1 + model_input[0];
}

int hb_model_invoke(void) {
    memcpy(model_output, model_input, sizeof model_output);
    return constructed != 2;
}
