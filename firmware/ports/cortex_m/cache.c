/* Armv7-M Architecture Reference Manual (DDI 0403E), B2.2.7 and B3.2.6 to B3.2.8; Cortex-M7 TRM (DDI 0489F),
 * "L1 caches". Images of other cores do not call this, and the linker leaves it out. */
#include "cache.h"

#include "cortex_m.h"
#include "hb_port.h"

#define SCB_CCR     HB_REGISTER(0xe000ed14)
#define SCB_CCSIDR  HB_REGISTER(0xe000ed80)
#define SCB_CSSELR  HB_REGISTER(0xe000ed84)
#define SCB_ICIALLU HB_REGISTER(0xe000ef50)
#define SCB_DCIMVAC HB_REGISTER(0xe000ef5c)
#define SCB_DCISW   HB_REGISTER(0xe000ef60)

#define CCR_DC          (1u << 16)
#define CCR_IC          (1u << 17)
#define CSSELR_L1_DATA  0u
#define CCSIDR_SETS(id) ((id) >> 13 & 0x7fffu) /* less one, as the ways */
#define CCSIDR_WAYS(id) ((id) >> 3 & 0x3ffu)
#define LINE_BYTES      32u
#define DCISW_SET       5u  /* of lines of 32 bytes */
#define DCISW_WAY       30u /* four ways */

static void barrier(void) {
    __asm volatile("dsb\n isb" ::: "memory");
}

static void empty_data_cache(void) {
    SCB_CSSELR = CSSELR_L1_DATA;
    barrier();
    uint32_t shape = SCB_CCSIDR;
    for (uint32_t set = 0; set <= CCSIDR_SETS(shape); set++) {
        for (uint32_t way = 0; way <= CCSIDR_WAYS(shape); way++) {
            SCB_DCISW = way << DCISW_WAY | set << DCISW_SET;
        }
    }
    barrier();
}

void hb_caches_on(void) {
    if ((SCB_CCR & CCR_IC) == 0) {
        barrier();
        SCB_ICIALLU = 0;
        barrier();
        SCB_CCR |= CCR_IC;
        barrier();
    }
    if ((SCB_CCR & CCR_DC) == 0) {
        empty_data_cache();
        SCB_CCR |= CCR_DC;
        barrier();
    }
}

void hb_port_forget(void *memory, uint32_t bytes) {
    uint32_t begin = (uint32_t)(uintptr_t)memory;
    barrier();
    for (uint32_t offset = 0; offset < bytes; offset += LINE_BYTES) {
        SCB_DCIMVAC = begin + offset;
    }
    barrier();
}
