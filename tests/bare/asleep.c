/* Sleeps in the receive interrupt's handler: nothing of its own priority can wake it. */
#include "bare.h"

void on_uart_receive(void) {
    for (;;)
        __asm volatile("wfi");
}

void run(void) {
    NVIC_ISER0 = 1u;
    NVIC_ISPR0 = 1u;
    for (;;)
        ;
}
