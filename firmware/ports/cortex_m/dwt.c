/* The clock of SoCs whose core counts its cycles: DWT_CYCCNT, 32 bits, so that a window may hold 2^32 - 1
 * cycles (67 s at 64 MHz, 9 s at 480 MHz). Emulators read 0 there. */
#include "hb_port.h"
#include "hb_soc.h"

#ifdef HB_SOC_DWT

#include "cortex_m.h"

/* Whether a window has been closed that the counter did not count to its end. */
static bool stopped;

/* No branch: it takes as long where the counter is off. */
static bool is_on(void) {
    return (DEMCR / DEMCR_TRCENA & DWT_CTRL / DWT_CTRL_CYCCNTENA & 1u) != 0;
}

/* A debugger that goes clears TRCENA, which stops the counter, and may do so at any time. */
void hb_soc_read_clock(hb_instant *now) {
    now->found_on = is_on();
    DEMCR |= DEMCR_TRCENA;
    DWT_LAR = DWT_LAR_KEY;
    DWT_CTRL |= DWT_CTRL_CYCCNTENA;
    now->left_on = is_on();
    now->cycles = DWT_CYCCNT;
}

int64_t hb_soc_elapsed(const hb_instant *begin, const hb_instant *end) {
    stopped = stopped || (begin->left_on && !end->found_on);
    return end->cycles - begin->cycles;
}

bool hb_port_clock_held(void) {
    bool held = !stopped;
    stopped = false;
    return held;
}

void hb_soc_check_clock(uint64_t thousand) {
    (void)thousand;
}

#endif
