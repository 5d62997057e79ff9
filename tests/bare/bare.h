/* What the bare test programs share: registers of mps2-an386 and its core, vectors, and a UART to talk
 * through. */
#ifndef BARE_H
#define BARE_H

#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))

/* CMSDK APB UART: Arm DDI 0479D, 4.3. */
#define UART_DATA          REG(0x40004000u)
#define UART_STATE         REG(0x40004004u)
#define UART_CTRL          REG(0x40004008u)
#define UART_INTSTATUS     REG(0x4000400cu)
#define UART_BAUDDIV       REG(0x40004010u)
#define UART_STATE_TX_FULL 1u
#define UART_STATE_RX_FULL 2u

/* Armv7-M ARM DDI 0403E, B3.2 and B3.4. */
#define NVIC_ISER0 REG(0xe000e100u)
#define NVIC_ISPR0 REG(0xe000e200u)
#define AIRCR      REG(0xe000ed0cu)

/* Each program's own. */
void reset(void);
void run(void);
void on_hard_fault(void);
void on_systick(void);
void on_uart_receive(void);

static inline void say(const char *text) {
    for (; *text; text++) {
        while (UART_STATE & UART_STATE_TX_FULL)
            ;
        UART_DATA = (uint8_t)*text;
    }
}

#endif
