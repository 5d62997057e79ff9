/* Resets itself once a byte has come. */
#include "bare.h"

void run(void) {
    (void)UART_DATA;
    say("ready\n");
    while (!(UART_STATE & UART_STATE_RX_FULL))
        ;
    AIRCR = 0x05fa0004u; /* SYSRESETREQ */
    for (;;)
        ;
}
