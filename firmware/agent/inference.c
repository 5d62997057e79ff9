/* Runs the model on one sample: reloads its input, times it, and checks that its output does not change. */
#include "inference.h"

#include <string.h>

#include "hb_config.h"
#include "hb_model.h"
#include "hb_port.h"
#include "profile.h"
#include "stack.h"

/* For models that have nothing to say. */
__attribute__((weak)) const char *hb_model_message(void) {
    return "";
}

/* For ports whose clock nobody stops. */
__attribute__((weak)) bool hb_port_clock_held(void) {
    return true;
}

static bool usable;
static const char *misfit = "";
static uint32_t invocations;

static uint32_t tensors_bytes(uint32_t count, hb_tensor (*tensor)(uint32_t)) {
    uint32_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        total += tensor(i).bytes;
    }
    return total;
}

void hb_inference_init(void) {
    if (hb_model_init() != 0) {
        return;
    }
    /* A model whose tensors are not as large as the image was told would write beyond the agent's buffers. */
    if (tensors_bytes(hb_model_input_count(), hb_model_input) != (uint32_t)HB_INPUT_BYTES) {
        misfit = "its hb_model_input() has another size than the model's inputs";
    } else if (tensors_bytes(hb_model_output_count(), hb_model_output) != (uint32_t)HB_OUTPUT_BYTES) {
        misfit = "its hb_model_output() has another size than the model's outputs";
    } else {
        usable = true;
    }
}

const char *hb_inference_message(void) {
    return misfit[0] != 0 ? misfit : hb_model_message();
}

static void load_input(const uint8_t *input) {
    uint32_t count = hb_model_input_count();
    for (uint32_t i = 0; i < count; i++) {
        hb_tensor tensor = hb_model_input(i);
        memcpy(tensor.data, input, tensor.bytes);
        input += tensor.bytes;
    }
}

static void store_output(uint8_t *output) {
    uint32_t count = hb_model_output_count();
    for (uint32_t i = 0; i < count; i++) {
        hb_tensor tensor = hb_model_output(i);
        memcpy(output, tensor.data, tensor.bytes);
        output += tensor.bytes;
    }
}

/* Overwrites the outputs, each repeat with another pattern: a model that writes nothing must not pass with
 * what an earlier inference left there. Before the input is loaded, because an output may share its memory.
 */
static void spoil_output(uint32_t repeat) {
    uint32_t count = hb_model_output_count();
    for (uint32_t i = 0; i < count; i++) {
        hb_tensor tensor = hb_model_output(i);
        memset(tensor.data, (int)(0xA5u ^ repeat), tensor.bytes);
    }
}

/* One timed inference; returns how it ended. */
static uint8_t run_once(const hb_job *job, uint32_t repeat, uint64_t times[3]) {
    spoil_output(repeat + invocations);
    hb_port_start();
    load_input(job->input);
    times[0] = hb_port_stop();

    hb_port_trigger(1);
    hb_profile_start();
    int failed = hb_model_invoke();
    times[1] = hb_profile_stop();
    hb_port_trigger(0);
    invocations++;

    hb_port_start();
    store_output(job->output);
    times[2] = hb_port_stop();
    return !hb_stack_is_intact() ? HB_STATUS_STACK_OVERFLOW : failed ? HB_STATUS_INVOKE_FAILED : HB_STATUS_OK;
}

/* All repeats. The first that goes wrong is the last that is run; the times of those not run stay zero. */
static uint8_t run_repeats(const hb_job *job) {
    hb_result *result = job->result;
    for (uint32_t i = 0; i < job->repeats && hb_session_wants(job); i++) {
        uint8_t status = run_once(job, i, result->times[i]);
        if (status != HB_STATUS_OK) {
            return status;
        }
        uint32_t crc = hb_crc32(0, job->output, HB_OUTPUT_BYTES);
        if (i > 0 && crc != result->output_crc) {
            return HB_STATUS_UNSTABLE_OUTPUT;
        }
        result->output_crc = crc;
    }
    return HB_STATUS_OK;
}

void hb_inference_run(const hb_job *job) {
    hb_result *result = job->result;
    memset(result, 0, sizeof *result);
    memset(job->output, 0, HB_OUTPUT_BYTES);
    result->sample = job->sample;
    result->repeats = job->repeats;
    result->invocation = invocations;
    result->status = HB_STATUS_INIT_FAILED;
    if (usable) {
        uint32_t received = hb_link_received();
        hb_stack_paint(job->measure);
        result->status = run_repeats(job);
        result->stack_bytes = job->measure ? hb_stack_used() : 0;
        /* Last, so that an interrupt's registers on this stack are never taken for the model's. */
        result->disturbed = hb_link_received() - received + (hb_port_clock_held() ? 0u : 1u);
    }
    result->output_crc = hb_crc32(0, job->output, HB_OUTPUT_BYTES);
    /* Over what was kept, after the runs: the host compares it with what it sent. */
    result->input_crc = hb_crc32(0, job->input, HB_INPUT_BYTES);
}
