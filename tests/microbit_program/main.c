/* For a micro:bit: says hello over the UART, counts in `turns`, sends back what it gets, and dies in the way
 * it is told. */
#include <stdint.h>

/* nRF51 Series Reference Manual v3.0.1, 29: UART. */
#define UART(offset) (*(volatile uint32_t *)(0x40002000u + (offset)))
#define STARTRX      UART(0x000)
#define STARTTX      UART(0x008)
#define RXDRDY       UART(0x108)
#define TXDRDY       UART(0x11c)
#define ENABLE       UART(0x500)
#define RXD          UART(0x518)
#define TXD          UART(0x51c)

extern uint32_t stack_top;
volatile uint32_t turns;
static volatile int handler_faults;

static void put(uint8_t byte) {
    TXDRDY = 0;
    TXD = byte;
    while (TXDRDY == 0) {
    }
}

__attribute__((noinline)) void hang(void) {
    for (;;) {
        __asm volatile("nop");
    }
}

__attribute__((noinline)) void sleep_for_good(void) {
    for (;;) {
        __asm volatile("cpsid i\n wfi");
    }
}

__attribute__((noinline)) void fault(void) {
    __asm volatile("udf #0");
}

void reset(void) {
    turns = 0;
    handler_faults = 0;
    ENABLE = 4;
    STARTRX = 1;
    STARTTX = 1;
    for (const char *text = "hello\n"; *text != '\0'; text++) {
        put((uint8_t)*text);
    }
    for (;;) {
        turns = turns + 1;
        if (RXDRDY == 0) {
            continue;
        }
        RXDRDY = 0;
        uint8_t byte = (uint8_t)RXD;
        put(byte);
        switch (byte) {
        case 'h':
            hang();
            break;
        case 's':
            sleep_for_good();
            break;
        case 'l':
            handler_faults = 1;
            fault();
            break;
        case 'f':
            fault();
            break;
        default:
            break;
        }
    }
}

void hard_fault(void) {
    if (handler_faults) {
        __asm volatile("udf #1");
    }
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) static const void *const vectors[] = {&stack_top, reset,
                                                                                 hard_fault, hard_fault};
