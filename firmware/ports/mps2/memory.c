/* From reset to the agent: the vector table, initialised memory, what may not be written, constructors. */
#include <stdint.h>

#include "hb_port.h"
#include "registers.h"

/* What is forbidden below the stack and at address 0: more than one call of any function moves the stack by.
 */
#define GUARD_BYTES (64u * 1024u)

/* Written by image.ld. */
typedef struct {
    uint32_t *to;
    const uint32_t *from;
    const uint32_t *end;
} copied;
extern const copied hb_copied_begin[], hb_copied_end[];
extern uint32_t hb_zeroed_begin[], hb_zeroed_end[];
typedef void (*constructor)(void);
extern const constructor hb_constructors_begin[], hb_constructors_end[];
extern const uint32_t hb_vectors[];

_Noreturn void hb_port_main(void);

/* Makes a range read-only; `bytes` is a power of two, and `base` a multiple of it. */
static void protect(uint32_t region, uint32_t base, uint32_t bytes) {
    const uint32_t enable = 1u;
    MPU_RNR = region;
#if __ARM_ARCH >= 8
    const uint32_t read_only = 2u << 1;
    MPU_RBAR = base | read_only;
    MPU_RLAR = (base + bytes - 32u) | enable;
#else
    const uint32_t read_only = 6u << 24;
    const uint32_t normal = 1u << 17;
    const uint32_t log2_bytes = 31u - (uint32_t)__builtin_clz(bytes);
    MPU_RBAR = base;
    MPU_RASR = read_only | normal | (log2_bytes - 1u) << 1 | enable;
#endif
}

/* What is a fault, or harmless, on a board with flash must be a fault here too. These machines keep code in
 * RAM, have memory at address 0, and ignore writes just below the data memory, where the stack would overflow
 * to. */
static void protect_memory(void) {
    const uint32_t enable_over_default_map = 1u | 1u << 2;
#if __ARM_ARCH >= 8
    MPU_MAIR0 = 0xff; /* normal memory, write-back */
#endif
    protect(0, HB_CODE_BASE, HB_CODE_SIZE);
    protect(1, (uint32_t)HB_DATA_BASE - GUARD_BYTES, GUARD_BYTES);
    if ((uint32_t)HB_CODE_BASE >= GUARD_BYTES) {
        protect(2, 0, GUARD_BYTES);
    }
    MPU_CTRL = enable_over_default_map;
    __asm volatile("dsb\n isb" ::: "memory");
}

static void initialise_memory(void) {
    for (const copied *block = hb_copied_begin; block < hb_copied_end; block++) {
        const uint32_t *from = block->from;
        for (uint32_t *to = block->to; to < block->end;) {
            *to++ = *from++;
        }
    }
    for (uint32_t *word = hb_zeroed_begin; word < hb_zeroed_end;) {
        *word++ = 0;
    }
}

_Noreturn void hb_port_main(void) {
    SCB_VTOR = (uint32_t)(uintptr_t)hb_vectors;
    initialise_memory();
    protect_memory();
    for (const constructor *construct = hb_constructors_begin; construct < hb_constructors_end; construct++) {
        (*construct)();
    }
    hb_agent_main();
}
