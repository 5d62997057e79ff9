/* What a SoC with a Cortex-M core adds to this folder, in one of its own under ports/:
 *
 *   soc.h     for C and assembler, so only #define outside of `#ifndef __ASSEMBLER__`; includes hb_config.h
 *               HB_SOC_INTERRUPTS  how many interrupts the SoC has: the length of the vector table
 *               HB_SOC_UART_IRQ    the number of the UART's interrupt, from 0 on
 *               HB_SOC_VTOR        defined if an Armv6-M core has a VTOR (later ones have)
 *               HB_SOC_MPU         defined if an Armv6-M core has an MPU (later ones are asked)
 *             and, in C, the type hb_instant; or HB_SOC_DWT, and then the core's cycle counter is the clock
 *   soc.c     the functions below, and of hb_port.h hb_port_write(), hb_port_trigger() and
 *             hb_port_uart_interrupt()
 *   image.ld  only where the one in this folder does not fit
 *
 * All other files of both folders are compiled and assembled too. Of a board file come HB_CLOCK_HZ, HB_BAUD,
 * the memories, HB_STACK_BYTES, and each entry x of `port: defines:` as HB_PORT_X. Three of these are read
 * outside of the SoC's folder: ring_bytes and chunk_bytes (agent/link.h) and handler_stack_bytes (image.ld).
 * A pin, baud or clock that the SoC cannot have is for a _Static_assert.
 *
 * From reset on: interrupts off; hb_soc_start(); memory initialised and guarded; constructors; then on behalf
 * of hb_port_init() hb_soc_open_line(), the timer's calibration, and hb_soc_listen(). */
#ifndef HB_SOC_H
#define HB_SOC_H

#include <stdbool.h>
#include <stdint.h>

#include "soc.h"

#ifdef HB_SOC_DWT
/* `found_on`: nobody had stopped the counter before the reading; `left_on`: nor is it stopped after. An
 * emulator without a counter gives false for both. */
typedef struct {
    uint32_t cycles;
    bool found_on;
    bool left_on;
} hb_instant;
#endif

/* Clocks to full speed, flash accelerator and caches on, RAM powered: the first C after reset. No variable
 * has its value yet, and none may be written that is not on the stack. An emulator may lack all that is
 * touched here, so nothing is waited for without end: see hb_await(). Where an oscillator does not start, the
 * SoC stays on one that it has, for hb_soc_open_line() to tell. */
void hb_soc_start(void);

/* UART and pins on, nothing received yet; from now on hb_port_write() works, and the trigger pin is low.
 * Ends in clock_does_not_start() where the SoC has its clocks and they are not as hb_soc_start() was to make
 * them, with the line at its baud as near as the clock that there is lets it. */
void hb_soc_open_line(void);

/* The UART receives, and asks for its interrupt. That is enabled in the NVIC next, and raised once. */
void hb_soc_listen(void);

/* Waits until the last byte has left the pin: a reset comes next. */
void hb_soc_flush(void);

/* The handler of the interrupt HB_SOC_UART_IRQ: hands every byte to hb_agent_receive(). */
void hb_port_uart_interrupt(void);

/* The clock that windows are measured with. Interrupts are locked. `hb_soc_elapsed` is in the units of the
 * board's `counter`. With HB_SOC_DWT they are in dwt.c. */
void hb_soc_read_clock(hb_instant *now);
int64_t hb_soc_elapsed(const hb_instant *begin, const hb_instant *end);

/* Told once what the clock says of 1000 instructions `nop`. May trap where that proves it wrong. */
void hb_soc_check_clock(uint64_t thousand);

/* ---- for use by a SoC */

/* Waits until the bits in `mask` of a register are `value`. False, after about a million reads, if they never
 * are: on an emulator that does not have the register. */
bool hb_await(const volatile uint32_t *reg, uint32_t mask, uint32_t value);

/* The core runs on another clock than the board file's, so that no time would be right: an oscillator of the
 * board is missing, or the board file names the wrong one. Traps: the report of the fault shows this name. */
_Noreturn void clock_does_not_start(void);

#endif
