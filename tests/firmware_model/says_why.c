/* A model that fails at its third inference and says why. */
#include "model.h"

static uint32_t calls;

int hb_model_invoke(void) {
    calls++;
    model_answer();
    return calls == 3u;
}

const char *hb_model_message(void) {
    return calls >= 3u ? "Tensor 7 has\r\nthe wrong type\r\n" : "not failed yet";
}
