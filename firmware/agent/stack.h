/* The model's stack: painted before a run, looked at after it. Thread mode only. */
#ifndef HB_STACK_H
#define HB_STACK_H

#include <stdbool.h>
#include <stdint.h>

/* Paints the end of the stack, and with `all` everything below the caller. */
void hb_stack_paint(bool all);

/* Bytes below the caller of hb_stack_paint(true) that have been written to since. */
uint32_t hb_stack_used(void);

/* Whether the end of the stack is as it was painted: if not, the stack has overflowed or is about to. */
bool hb_stack_is_intact(void);

#endif
