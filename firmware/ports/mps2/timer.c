/* Time by the FPGAIO counter, to the instruction. It wraps after 2^32 ticks: a window may hold 170 thousand
 * million instructions, hours of QEMU. */
#include "cortex_m.h"
#include "hb_soc.h"

/* Arm DAI 0386 (AN386), 4.4.2: a free-running counter of 32 bits. */
#define FPGAIO_COUNTER HB_REGISTER(HB_PORT_FPGAIO_BASE + 0x18)

#define TICK ((int64_t)HB_PORT_TICK_INSTRUCTIONS)

/* Reads `counter` until a read falls on the first instruction of a tick. Interrupts must be locked. */
void hb_vernier_read(volatile uint32_t *counter, hb_instant *vernier);

void hb_soc_read_clock(hb_instant *now) {
    hb_vernier_read(&FPGAIO_COUNTER, now);
}

int64_t hb_soc_elapsed(const hb_instant *begin, const hb_instant *end) {
    /* Without a tick boundary, the first read lies somewhere in its tick. */
    uint32_t ticks = (end->steps == 0 ? end->first : end->last) - begin->last;
    return TICK * ticks - (TICK + 1) * end->steps;
}

/* A wrong tick in the board file, or a clock that is not the instruction count (QEMU without -icount), must
 * never become a number. The report of the fault shows this name. */
static __attribute__((noinline, noreturn)) void clock_does_not_count_instructions(void) {
    __builtin_trap();
}

void hb_soc_check_clock(uint64_t thousand) {
    if (thousand != 1000u) {
        clock_does_not_count_instructions();
    }
}
