/* Provokes the fault that the first byte asks for and sends its registers: 14 words, as in a FAULT frame. */
#include "bare.h"

#define CFSR  REG(0xe000ed28u)
#define HFSR  REG(0xe000ed2cu)
#define MMFAR REG(0xe000ed34u)
#define BFAR  REG(0xe000ed38u)
#define CCR   REG(0xe000ed14u)

__attribute__((used)) static void send_fault(const uint32_t *frame, uint32_t exc_return) {
    uint32_t words[14];
    for (int i = 0; i < 8; i++)
        words[i] = frame[i];
    words[8] = (uint32_t)frame;
    words[9] = exc_return;
    words[10] = CFSR;
    words[11] = HFSR;
    words[12] = MMFAR;
    words[13] = BFAR;
    for (uint32_t i = 0; i < sizeof words; i++) {
        while (UART_STATE & UART_STATE_TX_FULL)
            ;
        UART_DATA = ((const uint8_t *)words)[i];
    }
    for (;;)
        ;
}

__attribute__((naked)) void on_hard_fault(void) {
    __asm volatile("mrs r0, msp\n mov r1, lr\n b send_fault");
}

__attribute__((noinline)) static void undefined_instruction(void) {
    __asm volatile("udf #0");
}

__attribute__((noinline)) static void read_nowhere(void) {
    (void)REG(0xdead0000u);
}

__attribute__((noinline)) static uint32_t divide(uint32_t a, uint32_t b) {
    uint32_t quotient;
    __asm volatile("udiv %0, %1, %2" : "=r"(quotient) : "r"(a), "r"(b));
    return quotient;
}

__attribute__((noinline)) static void unaligned(void) {
    __asm volatile("ldrd r2, r3, [%0]" : : "r"(0x20000001u) : "r2", "r3");
}

__attribute__((noinline)) static void without_fpu(void) {
    __asm volatile(".fpu fpv4-sp-d16\n vmov.f32 s0, s1");
}

__attribute__((noinline)) static void not_thumb(void) {
    ((void (*)(void))0x100u)();
}

__attribute__((noinline)) static void fetch_nowhere(void) {
    ((void (*)(void))0x90000001u)();
}

__attribute__((noinline)) static void fetch_from_device(void) {
    ((void (*)(void))0xa0000001u)();
}

void run(void) {
    CCR |= 1u << 4; /* DIV_0_TRP */
    (void)UART_DATA;
    say("ready\n");
    while (!(UART_STATE & UART_STATE_RX_FULL))
        ;
    switch (UART_DATA) {
    case 'u':
        undefined_instruction();
        break;
    case 'b':
        read_nowhere();
        break;
    case 'd':
        (void)divide(1, 0);
        break;
    case 'a':
        unaligned();
        break;
    case 'f':
        without_fpu();
        break;
    case 't':
        not_thumb();
        break;
    case 'n':
        fetch_nowhere();
        break;
    case 'x':
        fetch_from_device();
        break;
    }
    say("no fault\n");
}
