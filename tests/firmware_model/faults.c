/* A model that faults in the way that the first byte of its input names. */
#include "model.h"

__attribute__((noinline)) static void null_write(void) {
    __asm volatile(".global fault_null_write\n"
                   "movs r0, #0\n"
                   "fault_null_write: str r0, [r0, #16]" ::
                       : "r0", "memory");
}

__attribute__((noinline)) static void undefined_instruction(void) {
    __asm volatile(".global fault_undefined\n"
                   "fault_undefined: udf #7");
}

__attribute__((noinline)) static void bad_read(void) {
    __asm volatile(".global fault_bad_read\n"
                   "ldr r0, =0xf0000000\n"
                   "fault_bad_read: ldr r0, [r0]" ::
                       : "r0", "memory");
}

/* A frame on each call, used after the next call returns: no tail call, no end. */
__attribute__((noinline)) static uint32_t overflow(uint32_t depth) {
    volatile uint32_t frame[8] = {depth};
    return overflow(depth + 1u) + frame[depth % 8u];
}

int hb_model_invoke(void) {
    switch (model_input[0]) {
    case 1:
        null_write();
        break;
    case 2:
        undefined_instruction();
        break;
    case 3:
        bad_read();
        break;
    case 4:
        model_output[0] = (uint8_t)overflow(0);
        break;
    default:
        model_answer();
    }
    return 0;
}
