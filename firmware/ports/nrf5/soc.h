/* Nordic nRF51 and nRF52: what ports/cortex_m needs to know of them, and what differs between the two.
 * Sources: nRF51 Series Reference Manual 3.0.1 ("RM"), nRF52840 Product Specification 1.7 ("PS").
 *
 * Of a board's defines: uart_tx, uart_rx and trigger, each port * 32 + pin. */
#ifndef HB_NRF5_SOC_H
#define HB_NRF5_SOC_H

#include "hb_config.h"

#define HB_SOC_UART_IRQ                                                                                      \
    2 /* RM 4.4 and PS, "Instantiation": the peripheral's ID, 0x40002000 / 0x1000 & 31                       \
       */

#if __ARM_ARCH >= 7
#define HB_SOC_INTERRUPTS 48 /* PS, "Instantiation": the highest is SPIM3's, 47 */
#define HB_SOC_DWT
#define HB_NRF5_CLOCK_HZ 64000000 /* PS, "CPU": the core has no other */
#else
#define HB_SOC_INTERRUPTS 32       /* all that a Cortex-M0 has; the highest in use is SWI5's, 25 (RM 4.4) */
#define HB_NRF5_CLOCK_HZ  16000000 /* RM 13, CLOCK: the core has no other */

#ifndef __ASSEMBLER__
#include <stdint.h>
typedef uint32_t hb_instant;
void hb_nrf5_start_timer(void);
#endif
#endif

#if HB_CLOCK_HZ != HB_NRF5_CLOCK_HZ
#error "clock_hz: this SoC runs at 16 MHz (nRF51) or 64 MHz (nRF52), and at nothing else"
#endif

#endif
