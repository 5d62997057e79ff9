/* The agent: what runs when. The UART interrupt fills the ring, PendSV answers frames, the thread runs the
 * model. */
#include "hb_port.h"
#include "inference.h"
#include "link.h"
#include "session.h"

/* Frames that come before the model is ready wait in the ring. */
static volatile bool ready;

void hb_agent_receive(uint8_t byte) {
    hb_link_push(byte);
    hb_port_pend_service();
}

void hb_agent_service(void) {
    if (!ready) {
        return;
    }
    hb_frame frame;
    hb_link_event event;
    hb_session_announce();
    while ((event = hb_link_receive(&frame)) != HB_LINK_IDLE) {
        if (event == HB_LINK_FRAME) {
            hb_session_answer(&frame);
        } else {
            hb_session_damaged();
        }
        hb_session_announce();
    }
}

static bool wait_for_sample(hb_job *job) {
    uint32_t locked = hb_port_lock();
    bool found = hb_session_next(job);
    if (!found) {
        hb_port_sleep();
    }
    hb_port_unlock(locked);
    return found;
}

_Noreturn void hb_agent_main(void) {
    hb_port_init();
    hb_inference_init();
    ready = true;
    hb_port_pend_service();
    for (;;) {
        hb_job job;
        if (wait_for_sample(&job)) {
            hb_inference_run(&job);
            hb_session_finish(&job);
        }
    }
}
