/* MPS2 and MPS3 machines: what ports/cortex_m needs to know of them. */
#ifndef HB_MPS2_SOC_H
#define HB_MPS2_SOC_H

#include "hb_config.h"

/* The UART's is the only interrupt that is ever enabled. */
#define HB_SOC_UART_IRQ   HB_PORT_UART_RX_IRQ
#define HB_SOC_INTERRUPTS (HB_SOC_UART_IRQ + 1)

#ifndef __ASSEMBLER__
#include <stdint.h>

/* A run of reads of a counter, HB_PORT_TICK_INSTRUCTIONS + 1 instructions apart: the first and last value,
 * and how many steps lie between them; 0 steps if no tick boundary was found. */
typedef struct {
    uint32_t first;
    uint32_t last;
    uint32_t steps;
} hb_instant;
#endif

#endif
