/* Marks for a counter in the emulator, which finds them by name (hilbench/targets/counting.py): empty functions that the
 * timer calls, with interrupts locked, where a window opens and closes, and before it calibrates itself with an empty
 * window and one of 1000 instructions. In assembly, because a compiler may make one function of two that are alike. */
    .syntax unified
    .thumb
    .text

    .macro mark name
    .global \name
    .type \name, %function
    .thumb_func
\name:
    bx lr
    .size \name, . - \name
    .endm

    mark hb_window_opens
    mark hb_window_closes
    mark hb_window_calibrates

/* The call, 998 times nothing, and the return. Not inline in C: compilers for Armv6-M count on short assembly. */
    .global hb_thousand_instructions
    .type hb_thousand_instructions, %function
    .thumb_func
hb_thousand_instructions:
    .rept 998
    nop
    .endr
    bx lr
    .size hb_thousand_instructions, . - hb_thousand_instructions
