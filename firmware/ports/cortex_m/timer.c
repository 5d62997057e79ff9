/* Windows of time, by the clock that a SoC reads. One that stands still, as an emulator's, gives zeros. */
#include "timer.h"

#include "hb_port.h"
#include "hb_soc.h"

static hb_instant begin;
static int64_t empty_window;

__attribute__((noinline)) void hb_port_start(void) {
    uint32_t locked = hb_port_lock();
    hb_soc_read_clock(&begin);
    hb_window_opens();
    hb_port_unlock(locked);
}

__attribute__((noinline)) uint64_t hb_port_stop(void) {
    hb_instant end;
    uint32_t locked = hb_port_lock();
    hb_window_closes();
    hb_soc_read_clock(&end);
    hb_port_unlock(locked);
    int64_t window = hb_soc_elapsed(&begin, &end) - empty_window;
    return window > 0 ? (uint64_t)window : 0;
}

void hb_timer_init(void) {
    uint64_t thousand;
    do { /* again where a debugger that has just flashed the board goes in between: once */
        hb_window_calibrates();
        empty_window = 0;
        hb_port_start();
        empty_window = (int64_t)hb_port_stop();
        hb_port_start();
        hb_thousand_instructions();
        thousand = hb_port_stop();
    } while (!hb_port_clock_held());
    hb_soc_check_clock(thousand);
}
