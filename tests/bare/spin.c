/* Never comes back from a loop. */
#include "bare.h"

static void wait_for_nothing(void) {
    static volatile uint32_t count;
    for (;;)
        count++;
}

void run(void) {
    wait_for_nothing();
}
