/* A model that faults while the agent answers a frame, halfway through sending it. */
#include "model.h"

uint32_t hb_model_arena_used(void) {
    __asm volatile(".global fault_in_service\n"
                   "fault_in_service: udf #9");
    return 0;
}

int hb_model_invoke(void) {
    return 0;
}
