/* Runs an undefined instruction; nothing handles the fault, so the core locks up. */
#include "bare.h"

static void broken(void) {
    __asm volatile("udf #0");
}

void run(void) {
    broken();
}
