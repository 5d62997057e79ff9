/* Raspberry Pi RP2040: what ports/cortex_m needs to know of it. Source, here and beside this file: RP2040
 * Datasheet
 * ("DS"). Of a board's defines: uart_tx, uart_rx and trigger, numbers of GPIOs. */
#ifndef HB_RP2040_SOC_H
#define HB_RP2040_SOC_H

#include "hb_config.h"

#define HB_SOC_INTERRUPTS 32 /* DS 2.3.2: 26 are wired */
#define HB_SOC_UART_IRQ   20 /* DS 2.3.2: UART0_IRQ */
#define HB_SOC_VTOR          /* DS 2.4.1: this Cortex-M0+ has a VTOR and an MPU */
#define HB_SOC_MPU

#ifndef __ASSEMBLER__
#include <stdint.h>

/* What SysTick counts down with the core, 24 bits, and what the timer counts up, in microseconds. */
typedef struct {
    uint32_t systick;
    uint64_t us;
} hb_instant;

void hb_rp2040_start_timers(void);
#endif

#endif
