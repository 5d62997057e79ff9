/* Reads where there is no memory; nothing handles the fault, so the core locks up. */
#include "bare.h"

void run(void) {
    (void)REG(0xdead0000u);
}
