/* A model that measures windows around known numbers of instructions: the proof that the port's time is
 * exact.
 *
 * The output is, as u64 little-endian, the windows around 0, 1, 7, 41, 1000 and 12345 nops. The first four
 * bytes of the input are a number of turns of a loop to run before, so that windows begin at any phase. */
#include <string.h>

#include "hb_port.h"
#include "model.h"

/* The last asm keeps the call of hb_port_stop() from becoming a jump, which costs another number of
 * instructions. */
#define WINDOW(count)                                                                                        \
    __attribute__((noinline)) static uint64_t window_##count(void) {                                         \
        hb_port_start();                                                                                     \
        __asm volatile(".rept " #count "\n nop\n .endr");                                                    \
        uint64_t window = hb_port_stop();                                                                    \
        __asm volatile("");                                                                                  \
        return window;                                                                                       \
    }

WINDOW(0)
WINDOW(1)
WINDOW(7)
WINDOW(41)
WINDOW(1000)
WINDOW(12345)

int hb_model_invoke(void) {
    uint32_t turns;
    memcpy(&turns, model_input, sizeof turns);
    for (volatile uint32_t turn = 0; turn < turns; turn++) {
    }
    const uint64_t windows[] = {window_0(),  window_1(),    window_7(),
                                window_41(), window_1000(), window_12345()};
    memcpy(model_output, windows, sizeof windows);
    return 0;
}
