/* The RP2040's clock. Its cores count no cycles, so this joins two counters: SysTick goes down once a cycle,
 * but wraps every 2^24 (0.13 s); the timer goes up once a microsecond and never wraps. Both come of one
 * crystal: the timer tells how often SysTick has wrapped, and a window is exact to the cycle however long it
 * is. */
#include "cortex_m.h"
#include "hb_soc.h"

/* DS 4.7.6: the tick that the timer counts is the reference clock, 12 MHz, by CYCLES. */
#define WATCHDOG_TICK        HB_REGISTER(0x4005802c)
#define WATCHDOG_TICK_ENABLE (1u << 9)
#define WATCHDOG_TICK_1_US   12u

/* DS 4.6.5. The timer stands still while a debugger has halted one of the cores, but for DBGPAUSE 0: the
 * other one may stay halted. */
#define TIMER_TIMERAWH HB_REGISTER(0x40054024)
#define TIMER_TIMERAWL HB_REGISTER(0x40054028)
#define TIMER_DBGPAUSE HB_REGISTER(0x4005402c)

#define SYSTICK_WRAPS 0x1000000u
#define CYCLES_A_US   (HB_CLOCK_HZ / 1000000u)
_Static_assert(HB_CLOCK_HZ % 1000000u == 0, "a microsecond is a whole number of cycles");

void hb_rp2040_start_timers(void) {
    WATCHDOG_TICK = WATCHDOG_TICK_ENABLE | WATCHDOG_TICK_1_US;
    TIMER_DBGPAUSE = 0;
    SYST_RVR = SYSTICK_WRAPS - 1u;
    SYST_CVR = 0;
    SYST_CSR = SYST_CSR_ENABLE | SYST_CSR_CORE_CLOCK;
}

void hb_soc_read_clock(hb_instant *now) {
    uint32_t high = TIMER_TIMERAWH;
    uint32_t low = TIMER_TIMERAWL;
    uint32_t after = TIMER_TIMERAWH;
    now->systick = SYST_CVR;
    /* Where the high word has moved, the low one is near 0 or near its end: before the move it was. */
    now->us = (uint64_t)(low > UINT32_MAX / 2u ? high : after) << 32 | low;
}

int64_t hb_soc_elapsed(const hb_instant *begin, const hb_instant *end) {
    int64_t cycles = (int64_t)((begin->systick - end->systick) % SYSTICK_WRAPS);
    int64_t about = (int64_t)((end->us - begin->us) * CYCLES_A_US);
    int64_t wraps = (about - cycles + (int64_t)(SYSTICK_WRAPS / 2u)) / (int64_t)SYSTICK_WRAPS;
    return cycles + wraps * (int64_t)SYSTICK_WRAPS;
}

void hb_soc_check_clock(uint64_t thousand) {
    (void)thousand;
}
