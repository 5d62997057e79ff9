/* Tells the host of a processor fault, again and again, so that one lost frame hides nothing; then the board
 * begins anew, so that one far from any probe or hand can be used again. */
#include "hb_config.h"
#include "hb_port.h"
#include "hb_protocol.h"
#include "link.h"
#include "session.h"

/* Turns of an empty loop of about four cycles that last about 0.2 s. No timer or interrupt can be trusted
 * here. */
#define PAUSE_TURNS ((uint32_t)HB_CLOCK_HZ / 20u)

/* For about 5 s. */
#define REPORTS 25u

static void wait_a_little(void) {
    for (volatile uint32_t turn = 0; turn < PAUSE_TURNS; turn = turn + 1u) {
    }
}

_Noreturn void hb_agent_fault(const hb_fault *fault) {
    const uint32_t fields[] = {fault->r0,   fault->r1,   fault->r2,    fault->r3,  fault->r12,
                               fault->lr,   fault->pc,   fault->xpsr,  fault->sp,  fault->exc_return,
                               fault->cfsr, fault->hfsr, fault->mmfar, fault->bfar};
    _Static_assert(sizeof fields == HB_FAULT_BYTES, "the fields of the FAULT frame");
    /* The fault may have come in the middle of a frame. */
    hb_link_abandon();
    for (uint32_t report = 0; report < REPORTS; report++) {
        hb_link_begin(HB_FRAME_FAULT, hb_session_id());
        for (uint32_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
            hb_link_u32(fields[i]);
        }
        hb_link_end();
        wait_a_little();
    }
    hb_port_reset();
}
