/* Says hello over the UART, sends back what it gets, and counts in `turns`. It sets no clocks: for QEMU. */
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define TICK 16000u

#if defined NRF51 /* nRF51 Series Reference Manual v3.0.1, 29 */
static void uart_open(void) {
    REGISTER(0x40002500u) = 4; /* ENABLE */
    REGISTER(0x40002000u) = 1; /* STARTRX */
    REGISTER(0x40002008u) = 1; /* STARTTX */
}
static int uart_has(void) {
    return REGISTER(0x40002108u) != 0;
} /* RXDRDY */
static uint8_t uart_get(void) {
    REGISTER(0x40002108u) = 0;
    return (uint8_t)REGISTER(0x40002518u);
}
static void uart_put(uint8_t byte) {
    REGISTER(0x4000211cu) = 0; /* TXDRDY */
    REGISTER(0x4000251cu) = byte;
    while (!REGISTER(0x4000211cu)) {
    }
}
#elif defined MPS2 /* the CMSDK UART of QEMU's mps2 machines: Arm DDI 0479D, 4.3 */
static void uart_open(void) {
    REGISTER(0x40004010u) = 16; /* BAUDDIV */
    REGISTER(0x40004008u) = 3;  /* CTRL: transmit, receive */
}
static int uart_has(void) {
    return (REGISTER(0x40004004u) & 2u) != 0;
}
static uint8_t uart_get(void) {
    return (uint8_t)REGISTER(0x40004000u);
}
static void uart_put(uint8_t byte) {
    while (REGISTER(0x40004004u) & 1u) {
    }
    REGISTER(0x40004000u) = byte;
}
#else              /* STM32F405's USART1: RM0090 rev 19, 30.6 */
static void uart_open(void) {
    REGISTER(0x4001100cu) = 0x200cu;
}
static int uart_has(void) {
    return (REGISTER(0x40011000u) & 0x20u) != 0;
}
static uint8_t uart_get(void) {
    return (uint8_t)REGISTER(0x40011004u);
}
static void uart_put(uint8_t byte) {
    while (!(REGISTER(0x40011000u) & 0x80u)) {
    }
    REGISTER(0x40011004u) = byte;
}
#endif

extern uint32_t stack_top;
volatile uint32_t turns; /* of its loop, one a tick */
const uint8_t filler[FILLER_BYTES] = {FILLER};

void turn(void) {
    turns++;
}

void reset(void) {
    turns = 0;
    uart_open();
    for (const char *text = "hello\n"; *text; text++) {
        uart_put((uint8_t)*text);
    }
    REGISTER(0xe000e014u) = TICK; /* SYST_RVR: Armv6-M ARM DDI 0419E, B3.3 */
    REGISTER(0xe000e018u) = 0;
    REGISTER(0xe000e010u) = 7;
    for (;;) {
        __asm volatile("wfi"); /* an emulated chip that spins would take a whole CPU of the host */
        turn();
        while (uart_has()) {
            uint8_t byte = uart_get();
            if (byte == '!') {
                __asm volatile("udf #0");
            }
            if (byte == '?') {
                REGISTER(0xe000ed0cu) = 0x05fa0004; /* AIRCR: SYSRESETREQ */
            }
            uart_put(byte);
        }
    }
}

static void tick(void) {
}

void hard_fault(void) {
    uart_put('F');
    for (;;) {
        if (uart_has() && uart_get() == '!') {
            __asm volatile("udf #0"); /* locks the core up */
        }
    }
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    [0] = &stack_top, [1] = reset, [2] = hard_fault, [3] = hard_fault, [15] = tick};
