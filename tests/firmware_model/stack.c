/* A model that uses as many bytes of stack as the first two bytes of its input say, rounded down to 8. */
#include "model.h"

int hb_model_invoke(void) {
    uint32_t bytes = ((uint32_t)model_input[0] | (uint32_t)model_input[1] << 8) & ~7u;
    /* Writes the lowest word of `bytes` bytes of stack. */
    __asm volatile("mov r2, sp\n sub r3, r2, %0\n mov sp, r3\n str r2, [sp]\n mov sp, r2" ::"r"(bytes)
                   : "r2", "r3", "memory");
    model_answer();
    return 0;
}
