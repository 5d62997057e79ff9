/* Puts known numbers of bytes into the parts of an image. */
#include "bare.h"

#define PLACE(name) __attribute__((section(name), used))

PLACE(".manifest") static const char manifest[] = "{\"manifest\":1}";
PLACE("model") static const uint8_t weights[1000] = {1};
PLACE("runtime") static const uint8_t kernels[200] = {1};
PLACE("model_data") static uint8_t state[48] = {1};
PLACE("runtime_data") static uint8_t runtime_state[16] = {1};
PLACE("agent_data") static uint8_t agent_state[8] = {1};
PLACE(".bss.model") static uint8_t arena[2000];
PLACE(".bss.runtime") static uint8_t runtime_zero[100];
PLACE(".bss.agent") static uint8_t buffers[512];
PLACE("surprise") static const uint8_t unexpected[24] = {1};

void run(void) {
}
