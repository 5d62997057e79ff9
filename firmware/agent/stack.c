/* The model's stack: painted before a run, looked at after it. */
#include "stack.h"

#include "hb_port.h"

/* No likely value: not a small number, an address of code or data, a float or eight equal nibbles. */
#define PAINT     0xC5A3965Bu
#define END_WORDS 4u

static uint32_t *painted_top;

__attribute__((noinline)) void hb_stack_paint(bool all) {
    volatile uint32_t *end = hb_port_stack_bottom + END_WORDS;
    if (all) {
        /* Whatever this function has on the stack itself lies at or above its frame address. */
        painted_top = __builtin_frame_address(0);
        end = painted_top;
    }
    for (volatile uint32_t *word = hb_port_stack_bottom; word < end; word++) {
        *word = PAINT;
    }
}

uint32_t hb_stack_used(void) {
    const volatile uint32_t *word = hb_port_stack_bottom;
    while (word < painted_top && *word == PAINT) {
        word++;
    }
    return (uint32_t)((uintptr_t)painted_top - (uintptr_t)word);
}

bool hb_stack_is_intact(void) {
    for (uint32_t i = 0; i < END_WORDS; i++) {
        if (*(volatile uint32_t *)&hb_port_stack_bottom[i] != PAINT) {
            return false;
        }
    }
    return true;
}
