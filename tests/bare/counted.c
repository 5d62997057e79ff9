/* Windows around code of which it is known how often each instruction runs, and what it asks of memory. The
 * marks are those of a port (firmware/ports/cortex_m/marks.S). Windows come in the order of run(). */
#include "bare.h"

#define SYST_CSR    REG(0xe000e010u)
#define SYST_RVR    REG(0xe000e014u)
#define SYST_CVR    REG(0xe000e018u)
#define SYST_ENABLE 5u /* by the processor's clock */
#define SYST_TICK   2u /* with its interrupt */

__asm(".macro mark name\n"
      ".global \\name\n"
      ".type \\name, %function\n"
      ".thumb_func\n"
      "\\name: bx lr\n"
      ".endm\n"
      "mark hb_window_opens\n"
      "mark hb_window_closes\n"
      "mark hb_window_calibrates\n");

/* A function whose window holds the instructions of `body` and nothing else. */
#define WINDOW(name, body)                                                                                   \
    __attribute__((naked, noinline)) static void name(void) {                                                \
        __asm volatile("push {r4, lr}\n"                                                                     \
                       "movw r0, #:lower16:cells\n"                                                          \
                       "movt r0, #:upper16:cells\n"                                                          \
                       "movw r1, #:lower16:constants\n"                                                      \
                       "movt r1, #:upper16:constants\n"                                                      \
                       "movw r2, #0x4000\n" /* the UART's registers */                                       \
                       "lsls r2, r2, #16\n"                                                                  \
                       "movw r3, #0x4000\n"                                                                  \
                       "orrs r2, r2, r3\n"                                                                   \
                       "bl hb_window_opens\n" body "\nbl hb_window_closes\n"                                 \
                       "pop {r4, pc}");                                                                      \
    }

volatile uint32_t cells[1024];
const uint32_t constants[1024] = {1};
uint8_t order[256];

WINDOW(empty, "")
WINDOW(nops, ".rept 1000\n nop\n .endr")
WINDOW(counts_down, "movs r0, #10\n"
                    "1: subs r0, r0, #1\n"
                    "bne 1b")
WINDOW(branches, "movs r0, #0\n"
                 "cmp r0, #0\n"
                 "bne 1f\n" /* not taken */
                 "nop\n"
                 "1: cmp r0, #0\n"
                 "beq 2f\n" /* taken */
                 "nop\n"
                 "2: b 3f\n" /* taken, to what follows */
                 "3: nop")
WINDOW(accesses, "ldr r3, [r1]\n"      /* code: 1 load */
                 "ldrd r3, r4, [r1]\n" /* code: 2 loads */
                 "ldm r1, {r3, r4}\n"  /* code: 2 loads */
                 "str r3, [r0]\n"      /* data: 1 store */
                 "strb r3, [r0, #1]\n" /* data: 1 store */
                 "push {r1, r2, r3}\n" /* data: 3 stores */
                 "pop {r1, r2, r3}\n"  /* data: 3 loads */
                 "ldr r3, [r0, #2]\n"  /* data: 1 load, not aligned */
                 "cmp r0, r0\n"
                 "it ne\n"
                 "ldrne r3, [r0]\n"  /* does not happen */
                 "ldr r3, [r2, #4]") /* elsewhere: 1 load */
WINDOW(devices, "movs r3, #3\n"
                "1: nop\n"
                "ldr r4, [r2, #4]\n"
                "nop\n"
                "nop\n"
                "ldr r4, [r2, #8]\n"
                "str r4, [r2, #8]\n"
                "nop\n"
                "subs r3, r3, #1\n"
                "bne 1b")
WINDOW(takes_long, "movw r0, #50000\n"
                   "1: nop\n"
                   "nop\n"
                   "nop\n"
                   "subs r0, r0, #1\n"
                   "beq 2f\n"
                   "nop\n"
                   "b 1b\n"
                   "2: nop")

__attribute__((naked)) void on_systick(void) {
    __asm volatile("nop\n"
                   "bx lr");
}

/* Addresses by a linear congruential generator: its bits from 22 on say which word, bit 21 whether to write.
 */
static uint32_t touch(volatile uint32_t *words, uint32_t state, int writes) {
    for (int i = 0; i < 500; i++) {
        state = state * 1664525u + 1013904223u;
        if (writes && (state & (1u << 21)) != 0) {
            words[state >> 22] = state;
        } else {
            (void)words[state >> 22];
        }
    }
    return state;
}

void hb_window_opens(void);
void hb_window_closes(void);
void hb_window_calibrates(void);

static void reads_and_writes(void) {
    uint32_t state = touch((volatile uint32_t *)constants, 1, 0);
    state = touch(cells, state, 1);
    hb_window_opens();
    state = touch((volatile uint32_t *)constants, state, 0);
    touch(cells, state, 1);
    hb_window_closes();
}

/* Calls functions of 100 bytes, 128 apart, in the order of order[]: once outside of the window and once
 * inside. All of the caller is in one line of 64 bytes, and functions in two each. */
void fetches(void);
__asm(".balign 64\n"
      ".global fetches\n"
      ".type fetches, %function\n"
      ".thumb_func\n"
      "fetches:\n"
      "push {r4, r5, r6, r7, lr}\n"
      "movw r6, #:lower16:called\n"
      "movs r7, #2\n"
      "2: movw r4, #:lower16:order\n"
      "movt r4, #:upper16:order\n"
      "movs r5, #250\n"
      "1: ldrb r0, [r4], #1\n"
      "add r0, r6, r0, lsl #7\n"
      "adds r0, r0, #1\n"
      "blx r0\n"
      "subs r5, r5, #1\n"
      "bne 1b\n"
      "subs r7, r7, #1\n"
      "beq 3f\n"
      "bl hb_window_opens\n"
      "b 2b\n"
      "3: bl hb_window_closes\n"
      "pop {r4, r5, r6, r7, pc}\n"
      ".balign 128\n"
      ".global called\n"
      "called:\n"
      ".rept 16\n"
      ".balign 128\n"
      ".rept 49\n"
      "nop\n"
      ".endr\n"
      "bx lr\n"
      ".endr\n");

void run(void) {
    hb_window_calibrates();
    empty();
    nops();

    counts_down();
    branches();
    accesses();
    devices();
    takes_long();
    SYST_RVR = 700u;
    SYST_CVR = 0u;
    SYST_CSR = SYST_ENABLE;
    takes_long(); /* QEMU has to look at its timers in the middle */
    SYST_CSR = SYST_ENABLE | SYST_TICK;
    takes_long(); /* now each of them is an interrupt */
    SYST_CSR = 0u;
    reads_and_writes();
    uint32_t state = 1;
    for (uint32_t i = 0; i < sizeof order; i++) {
        state = state * 1664525u + 1013904223u;
        order[i] = (uint8_t)(state >> 28);
    }
    fetches();
    say("done\n");
}
