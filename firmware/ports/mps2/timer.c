/* Time by the FPGAIO counter, to the instruction. It wraps after 2^32 ticks: a window may hold 170 thousand
 * million instructions, hours of QEMU. */
#include "timer.h"

#include "hb_port.h"
#include "registers.h"

#define TICK ((int64_t)HB_PORT_TICK_INSTRUCTIONS)

static hb_vernier begin;
static int64_t empty_window;

__attribute__((noinline)) void hb_port_start(void) {
    uint32_t locked = hb_port_lock();
    hb_vernier_read(&FPGAIO_COUNTER, &begin);
    hb_window_opens();
    hb_port_unlock(locked);
}

__attribute__((noinline)) uint64_t hb_port_stop(void) {
    hb_vernier end;
    uint32_t locked = hb_port_lock();
    hb_window_closes();
    hb_vernier_read(&FPGAIO_COUNTER, &end);
    hb_port_unlock(locked);
    /* Without a tick boundary, the first read lies somewhere in its tick. */
    uint32_t ticks = (end.steps == 0 ? end.first : end.last) - begin.last;
    int64_t window = TICK * ticks - (TICK + 1) * end.steps - empty_window;
    return window > 0 ? (uint64_t)window : 0;
}

/* A wrong tick in the board file, or a clock that is not the instruction count (QEMU without -icount), must
 * never become a number. The report of the fault shows this name. */
static __attribute__((noinline, noreturn)) void clock_does_not_count_instructions(void) {
    __builtin_trap();
}

void hb_timer_init(void) {
    hb_window_calibrates();
    empty_window = 0;
    hb_port_start();
    empty_window = (int64_t)hb_port_stop();
    hb_port_start();
    __asm volatile(".rept 1000\n nop\n .endr" ::: "memory");
    if (hb_port_stop() != 1000u) {
        clock_does_not_count_instructions();
    }
}
