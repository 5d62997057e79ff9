/* Sends back every byte, from the receive interrupt; sleeps otherwise. */
#include "bare.h"

void on_uart_receive(void) {
    UART_INTSTATUS = 2u;
    while (UART_STATE & UART_STATE_RX_FULL) {
        uint32_t byte = UART_DATA;
        while (UART_STATE & UART_STATE_TX_FULL)
            ;
        UART_DATA = byte;
    }
}

void run(void) {
    (void)UART_DATA; /* what came before the receiver was on would block the line */
    UART_CTRL = 3u | 8u;
    NVIC_ISER0 = 1u;
    NVIC_ISPR0 = 1u; /* in case a byte came between the two */
    say("ready\n");  /* what comes from here on is sent back */
    for (;;)
        __asm volatile("wfi");
}
