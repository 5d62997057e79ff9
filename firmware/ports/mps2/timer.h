/* Time by the FPGAIO counter, to the instruction. */
#ifndef HB_MPS2_TIMER_H
#define HB_MPS2_TIMER_H

#include <stdint.h>

/* A run of reads of the counter, HB_PORT_TICK_INSTRUCTIONS + 1 instructions apart: the first and last value,
 * and how many steps lie between them; 0 steps if no tick boundary was found. */
typedef struct {
    uint32_t first;
    uint32_t last;
    uint32_t steps;
} hb_vernier;

/* Reads `counter` until a read falls on the first instruction of a tick. Interrupts must be locked. */
void hb_vernier_read(volatile uint32_t *counter, hb_vernier *vernier);

/* Measures the cost of an empty window. */
void hb_timer_init(void);

/* Marks for a counter in the emulator: they do nothing. What lies between a mark and the vernier's read
 * beside it takes the same number of instructions each time, so that it is part of the cost of an empty
 * window. */
void hb_window_opens(void);
void hb_window_closes(void);
void hb_window_calibrates(void);

#endif
