/* Windows of time, by the clock that a SoC reads. */
#ifndef HB_TIMER_H
#define HB_TIMER_H

/* Measures the cost of an empty window, then shows the SoC what its clock says of 1000 instructions. */
void hb_timer_init(void);

/* Marks for a counter in the emulator: they do nothing. What lies between a mark and the reading of the clock
 * beside it takes the same number of instructions each time, so that it is part of the cost of an empty
 * window. */
void hb_window_opens(void);
void hb_window_closes(void);
void hb_window_calibrates(void);

/* Takes 1000 instructions, the call among them. */
void hb_thousand_instructions(void);

#endif
