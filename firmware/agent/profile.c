/* What each operator took, in images that are built for a profile. */
#include "profile.h"

#ifdef HB_PROFILE

#include "hb_model.h"
#include "hb_port.h"

/* One entry an operator, and one for the runtime between them. */
static uint64_t taken[HB_PROFILE + 1u];
static uint64_t whole;

void hb_profile_operator(uint32_t index) {
    uint64_t since = hb_port_stop();
    whole += since;
    taken[index < HB_PROFILE ? index : HB_PROFILE] += since;
    hb_port_start();
}

void hb_profile_start(void) {
    for (uint32_t i = 0; i <= HB_PROFILE; i++) {
        taken[i] = 0;
    }
    whole = 0;
    hb_port_start();
}

uint64_t hb_profile_stop(void) {
    uint64_t since = hb_port_stop();
    taken[HB_PROFILE] += since;
    return whole + since;
}

const uint8_t *hb_profile_bytes(uint32_t *count) {
    *count = sizeof taken;
    return (const uint8_t *)taken;
}

#else

#include "hb_port.h"

void hb_profile_start(void) {
    hb_port_start();
}

uint64_t hb_profile_stop(void) {
    return hb_port_stop();
}

const uint8_t *hb_profile_bytes(uint32_t *count) {
    *count = 0;
    return (const uint8_t *)"";
}

#endif
