/* Any fault, in any mode: gathers what the processor knows about it and hands it to the agent. */
#include <stdbool.h>

#include "cortex_m.h"
#include "hb_config.h"
#include "hb_port.h"

/* DDI 0403E, B1.5.6 and B1.5.8: the basic frame of eight words, 18 more with the FPU's, one to align the
 * stack. */
#define FRAME_WORDS          8u
#define FLOAT_WORDS          18u
#define EXC_RETURN_BASIC     (1u << 4)
#define XPSR_ALIGNED         (1u << 9)
#define CFSR_STACKING_FAILED (1u << 4 | 1u << 12 | 1u << 20) /* MSTKERR, STKERR, Armv8-M: STKOF */

_Noreturn void hb_port_fault(uint32_t exc_return, const uint32_t *stacked);

/* Whether the registers could be saved: after a stack overflow there was no room for them. */
static bool is_saved(const hb_fault *fault, const uint32_t *stacked) {
    uintptr_t offset = (uintptr_t)stacked - (uintptr_t)HB_DATA_BASE;
    return (fault->cfsr & CFSR_STACKING_FAILED) == 0 && offset <= (uintptr_t)HB_DATA_SIZE - 4u * FRAME_WORDS;
}

_Noreturn void hb_port_fault(uint32_t exc_return, const uint32_t *stacked) {
    hb_fault fault = {
        .sp = (uint32_t)(uintptr_t)stacked,
        .exc_return = exc_return,
#if __ARM_ARCH >= 7
        .cfsr = SCB_CFSR,
        .hfsr = SCB_HFSR,
        .mmfar = SCB_MMFAR,
        .bfar = SCB_BFAR,
#endif
    };
    if (is_saved(&fault, stacked)) {
        uint32_t words = FRAME_WORDS;
        words += (exc_return & EXC_RETURN_BASIC) == 0 ? FLOAT_WORDS : 0u;
        words += (stacked[7] & XPSR_ALIGNED) != 0 ? 1u : 0u;
        fault.r0 = stacked[0];
        fault.r1 = stacked[1];
        fault.r2 = stacked[2];
        fault.r3 = stacked[3];
        fault.r12 = stacked[4];
        fault.lr = stacked[5];
        fault.pc = stacked[6];
        fault.xpsr = stacked[7];
        fault.sp += 4u * words;
    }
    hb_agent_fault(&fault);
}
