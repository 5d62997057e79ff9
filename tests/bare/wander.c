/* Never comes back from a loop that goes through several functions. */
#include "bare.h"

static volatile uint32_t count;

__attribute__((noinline)) static void one(void) {
    for (int i = 0; i < 1000; i++)
        count++;
}

__attribute__((noinline)) static void two(void) {
    for (int i = 0; i < 1000; i++)
        count--;
}

void run(void) {
    for (;;) {
        one();
        two();
    }
}
