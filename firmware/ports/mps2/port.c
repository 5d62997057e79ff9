/* The serial line, interrupts, sleep and reset of the MPS2 and MPS3 machines. */
#include "hb_port.h"

#include "registers.h"
#include "timer.h"

#define BAUD 115200u

void hb_port_uart_interrupt(void);

void hb_port_init(void) {
    uint32_t divider = (uint32_t)HB_CLOCK_HZ / BAUD;
    SCB_SHPR3 |= SHPR3_PENDSV_LOWEST;
    UART_BAUDDIV = divider < UART_SLOWEST_BAUDDIV ? UART_SLOWEST_BAUDDIV : divider;
    UART_CTRL = UART_CTRL_TX_ENABLE;
    hb_timer_init(); /* can send a fault now */
    UART_CTRL = UART_CTRL_TX_ENABLE | UART_CTRL_RX_ENABLE;
    /* QEMU 7.2 does not look at its input again after RX is enabled until DATA is read once. */
    (void)UART_DATA;
    UART_CTRL = UART_CTRL_TX_ENABLE | UART_CTRL_RX_ENABLE | UART_CTRL_RX_INT;
    NVIC_ISER(HB_PORT_UART_RX_IRQ) = 1u << (HB_PORT_UART_RX_IRQ % 32);
    /* A byte that came between RX and its interrupt being enabled has raised none, and would block the line:
     * raise it. */
    NVIC_ISPR(HB_PORT_UART_RX_IRQ) = 1u << (HB_PORT_UART_RX_IRQ % 32);
}

void hb_port_uart_interrupt(void) {
    /* Cleared before the data is read: cleared after, the interrupt of a byte that comes in between would be
     * lost. */
    UART_INTSTATUS = UART_INTSTATUS_RX;
    while ((UART_STATE & UART_STATE_RX_FULL) != 0) {
        hb_agent_receive((uint8_t)UART_DATA);
    }
}

void hb_port_write(const uint8_t *bytes, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        while ((UART_STATE & UART_STATE_TX_FULL) != 0) {
        }
        UART_DATA = bytes[i];
    }
}

void hb_port_pend_service(void) {
    SCB_ICSR = ICSR_PENDSVSET;
    __asm volatile("dsb\n isb" ::: "memory");
}

uint32_t hb_port_lock(void) {
    uint32_t state;
    __asm volatile("mrs %0, primask\n cpsid i" : "=r"(state)::"memory");
    return state;
}

void hb_port_unlock(uint32_t state) {
    __asm volatile("msr primask, %0\n isb" ::"r"(state) : "memory");
}

void hb_port_sleep(void) {
    __asm volatile("dsb\n wfi" ::: "memory");
}

void hb_port_trigger(int on) {
    (void)on;
}

_Noreturn void hb_port_reset(void) {
    while ((UART_STATE & UART_STATE_TX_FULL) != 0) {
    }
    __asm volatile("dsb" ::: "memory");
    SCB_AIRCR = AIRCR_SYSRESETREQ;
    for (;;) {
    }
}
