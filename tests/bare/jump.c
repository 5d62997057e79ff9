/* Jumps to where there is no memory; nothing handles the fault. */
#include "bare.h"

void run(void) {
    ((void (*)(void))0x90000001u)();
}
