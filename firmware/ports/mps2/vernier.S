/* A vernier on the FPGAIO counter.
 *
 * QEMU with -icount shift=0 takes one instruction for one nanosecond, and the counter ticks every N instructions. Reads
 * that are N + 1 instructions apart see it advance by 1, but by 2 where a read has come to the first instruction of a
 * tick. That read's time is then known to the instruction, and so is that of every read before it. */
#include "hb_config.h"

#define N     HB_PORT_TICK_INSTRUCTIONS
#define LIMIT (N + 2)

    .syntax unified
    .thumb
    .text
    .global hb_vernier_read
    .type hb_vernier_read, %function
    .thumb_func
hb_vernier_read:
    movs r3, #0
    push {r4}
    ldr r2, [r0]                /* from this read to the next: N + 1 instructions */
    str r2, [r1, #0]
    .rept 5
    nop
    .endr
again:
    .rept N - 7
    nop
    .endr
    adds r3, r3, #1
    ldr r4, [r0]                /* from this read to the next: N + 1 instructions */
    subs r12, r4, r2
    mov r2, r4
    cmp r12, #2
    beq found
    cmp r3, #LIMIT
    bne again
    movs r3, #0
found:
    str r2, [r1, #4]
    str r3, [r1, #8]
    pop {r4}
    bx lr
    .size hb_vernier_read, . - hb_vernier_read
