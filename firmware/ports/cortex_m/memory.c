/* From reset to the agent: the vector table, initialised memory, what may not be written, constructors. */
#include "cortex_m.h"
#include "hb_config.h"
#include "hb_port.h"
#include "hb_soc.h"

/* What is forbidden below the stack and at address 0: more than one call of any function moves the stack by.
 */
#define GUARD_BYTES (64u * 1024u)

/* A Cortex-M0 has no VTOR: it finds its vectors at address 0 only. */
#if __ARM_ARCH >= 7 || defined(HB_SOC_VTOR)
#define VECTORS_MOVE
#else
_Static_assert(HB_CODE_BASE == 0, "this core finds its vectors at address 0 only");
#endif

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

/* What a boot loader, or a program that a debugger has ended, left on. */
static void silence_interrupts(void) {
    SYST_CSR = 0;
    for (uint32_t number = 0; number < HB_SOC_INTERRUPTS; number += 4u) {
        NVIC_IPR(number) = 0;
    }
    for (uint32_t number = 0; number < HB_SOC_INTERRUPTS; number += 32u) {
        NVIC_ICER(number) = UINT32_MAX;
        NVIC_ICPR(number) = UINT32_MAX;
    }
    SCB_ICSR = ICSR_PENDSVCLR | ICSR_PENDSTCLR;
}

#if __ARM_ARCH >= 7 || defined(HB_SOC_MPU)
/* Makes a range read-only, and what lies beside it in the same power of two, if the MPU can only do that. */
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
    uint32_t log2_bytes = 8; /* the least of an Armv6-M MPU */
    while ((base ^ (base + bytes - 1u)) >> log2_bytes != 0) {
        log2_bytes++;
    }
    MPU_RBAR = base >> log2_bytes << log2_bytes;
    MPU_RASR = read_only | normal | (log2_bytes - 1u) << 1 | enable;
#endif
}

/* A write to flash or to address 0 must be a fault everywhere, and so must a stack that grows out of RAM:
 * some SoCs, and some machines of QEMU, have memory there, or ignore the write. */
static void protect_memory(void) {
    const uint32_t enable_over_default_map = 1u | 1u << 2;
    uint32_t regions = MPU_TYPE >> 8 & 0xffu;
    if (regions == 0) {
        return;
    }
    MPU_CTRL = 0;
    while (regions-- > 0) {
        MPU_RNR = regions; /* as a boot loader may have left it */
        MPU_RASR = 0;
    }
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
#else
static void protect_memory(void) {
}
#endif

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
    silence_interrupts();
#ifdef VECTORS_MOVE
    SCB_VTOR = (uint32_t)(uintptr_t)hb_vectors;
#endif
    hb_soc_start();
    initialise_memory();
    protect_memory();
    __asm volatile("cpsie i" ::: "memory");
    for (const constructor *construct = hb_constructors_begin; construct < hb_constructors_end; construct++) {
        (*construct)();
    }
    hb_agent_main();
}
