/* Runs the model on one sample: reloads its input, times it, and checks that its output does not change. */
#ifndef HB_INFERENCE_H
#define HB_INFERENCE_H

#include "session.h"

/* Prepares the model. Called once, before the first hb_inference_run(). */
void hb_inference_init(void);

/* Runs one sample and fills its result and output. Stops early when the host no longer wants it. */
void hb_inference_run(const hb_job *job);

/* Why the model cannot be run or failed, in words; empty if it has nothing to say. */
const char *hb_inference_message(void);

#endif
