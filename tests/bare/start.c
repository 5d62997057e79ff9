/* Reset, vectors and weak handlers of the bare test programs. */
#include "bare.h"

extern uint32_t stack_top[];

void reset(void) {
    UART_BAUDDIV = 16u;
    UART_CTRL = 3u; /* transmit and receive on */
    say("hello\n");
    run();
    for (;;)
        ;
}

__attribute__((weak)) void on_hard_fault(void) {
    __asm volatile("udf #1"); /* a fault in the fault handler: lock-up */
}

__attribute__((weak)) void on_systick(void) {
}

__attribute__((weak)) void on_uart_receive(void) {
}

/* 16 exceptions of the core, then interrupt 0: UART 0 receive. */
__attribute__((section(".vectors"), used)) static const void *const vectors[17] = {
    stack_top,
    (void *)reset,
    0,
    (void *)on_hard_fault,
    [15] = (void *)on_systick,
    [16] = (void *)on_uart_receive,
};
