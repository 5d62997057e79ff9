/* What the agent asks of every Cortex-M: interrupts, sleep, reset, and the order in which a SoC's parts
 * start.
 */
#include "hb_port.h"

#include "cortex_m.h"
#include "hb_soc.h"
#include "timer.h"

#define AWAIT_TURNS 1000000u

void hb_port_init(void) {
    SCB_SHPR3 |= SHPR3_PENDSV_LOWEST;
    hb_soc_open_line();
    hb_timer_init(); /* can send a fault now */
    hb_soc_listen();
    NVIC_ISER(HB_SOC_UART_IRQ) = 1u << (HB_SOC_UART_IRQ % 32);
    /* A byte that came before the UART was told to ask for its interrupt may have raised none, and would
     * block the line: raise it. */
    NVIC_ISPR(HB_SOC_UART_IRQ) = 1u << (HB_SOC_UART_IRQ % 32);
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

_Noreturn void hb_port_reset(void) {
    hb_soc_flush();
    __asm volatile("dsb" ::: "memory");
    SCB_AIRCR = AIRCR_SYSRESETREQ;
    for (;;) {
    }
}

_Noreturn void clock_does_not_start(void) {
    __builtin_trap();
}

bool hb_await(const volatile uint32_t *reg, uint32_t mask, uint32_t value) {
    for (uint32_t turn = 0; turn < AWAIT_TURNS; turn++) {
        if ((*reg & mask) == value) {
            return true;
        }
    }
    return false;
}
