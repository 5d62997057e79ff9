/* A model in whose second inference somebody stops the clock, as a port would tell it. */
#include "hb_port.h"
#include "model.h"

static uint32_t calls;
static bool stopped;

int hb_model_invoke(void) {
    stopped = ++calls == 2;
    model_answer();
    return 0;
}

bool hb_port_clock_held(void) {
    bool held = !stopped;
    stopped = false;
    return held;
}
