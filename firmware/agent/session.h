/* A session with the host: which samples are here, which are done, and the answer to every frame.
 *
 * Frames are answered at PendSV priority; the thread that runs the model takes samples from here and puts
 * results back. */
#ifndef HB_SESSION_H
#define HB_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "hb_protocol.h"
#include "link.h"

/* What came of one sample. `times` are input copy, inference and output copy of each repeat. */
typedef struct {
    uint16_t sample;
    uint8_t status;
    uint8_t repeats;
    uint32_t invocation;
    uint32_t input_crc;
    uint32_t output_crc;
    uint32_t stack_bytes;
    uint32_t disturbed;
    uint64_t times[HB_MAX_REPEATS][3];
} hb_result;

/* One sample to run: its input, and where its output and its result go. */
typedef struct {
    uint32_t session_count;
    uint16_t sample;
    uint8_t repeats;
    bool measure;
    const uint8_t *input;
    uint8_t *output;
    hb_result *result;
} hb_job;

/* Called from PendSV. */
void hb_session_answer(const hb_frame *frame);
void hb_session_damaged(void);
void hb_session_announce(void);

/* Called from the thread: the next sample to run, if there is one (with interrupts locked); whether the host
 * still wants it; and that its result is there. */
bool hb_session_next(hb_job *job);
bool hb_session_wants(const hb_job *job);
void hb_session_finish(const hb_job *job);

/* The session that runs, 0 before the first. */
uint16_t hb_session_id(void);

#endif
