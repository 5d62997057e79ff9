/* The clock of SoCs whose core counts its cycles: DWT_CYCCNT, 32 bits, so that a window may hold 2^32 - 1
 * cycles (67 s at 64 MHz, 9 s at 480 MHz). Emulators read 0 there. */
#include "hb_soc.h"

#ifdef HB_SOC_DWT

#include "cortex_m.h"

/* Before each measurement: a debugger that goes clears TRCENA, which stops the counter. */
void hb_soc_read_clock(hb_instant *now) {
    DEMCR |= DEMCR_TRCENA;
    DWT_LAR = DWT_LAR_KEY;
    DWT_CTRL |= DWT_CTRL_CYCCNTENA;
    *now = DWT_CYCCNT;
}

int64_t hb_soc_elapsed(const hb_instant *begin, const hb_instant *end) {
    return *end - *begin;
}

void hb_soc_check_clock(uint64_t thousand) {
    (void)thousand;
}

#endif
