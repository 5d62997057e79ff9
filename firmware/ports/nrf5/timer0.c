/* The nRF51's clock: TIMER0, which ticks once a cycle of the core. 32 bits: a window may hold 2^32 - 1
 * cycles, 268 s. nRF51 Series Reference Manual 3.0.1, 17. */
#include "hb_soc.h"

#ifndef HB_SOC_DWT

#include "cortex_m.h"

#define TIMER0_START     HB_REGISTER(0x40008000)
#define TIMER0_STOP      HB_REGISTER(0x40008004)
#define TIMER0_CAPTURE0  HB_REGISTER(0x40008040)
#define TIMER0_MODE      HB_REGISTER(0x40008504)
#define TIMER0_BITMODE   HB_REGISTER(0x40008508)
#define TIMER0_PRESCALER HB_REGISTER(0x40008510)
#define TIMER0_CC0       HB_REGISTER(0x40008540)

#define MODE_TIMER       0u
#define BITMODE_32       3u
#define PRESCALER_16_MHZ 0u

void hb_nrf5_start_timer(void) {
    TIMER0_STOP = 1; /* its mode may only change then */
    TIMER0_MODE = MODE_TIMER;
    TIMER0_BITMODE = BITMODE_32;
    TIMER0_PRESCALER = PRESCALER_16_MHZ;
    TIMER0_START = 1;
}

void hb_soc_read_clock(hb_instant *now) {
    TIMER0_CAPTURE0 = 1;
    *now = TIMER0_CC0;
}

int64_t hb_soc_elapsed(const hb_instant *begin, const hb_instant *end) {
    return *end - *begin;
}

void hb_soc_check_clock(uint64_t thousand) {
    (void)thousand;
}

#endif
