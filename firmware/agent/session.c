/* A session with the host: which samples are here, which are done, and the answer to every frame. */
#include "session.h"

#include <string.h>

#include "hb_config.h"
#include "hb_model.h"
#include "hb_port.h"
#include "inference.h"
#include "profile.h"

#define INPUT_BYTES  ((uint32_t)HB_INPUT_BYTES)
#define OUTPUT_BYTES ((uint32_t)HB_OUTPUT_BYTES)
#define FRAGMENTS    ((INPUT_BYTES + HB_CHUNK_BYTES - 1u) / HB_CHUNK_BYTES)
#define BITMAP_WORDS ((FRAGMENTS + 31u) / 32u)

extern const uint8_t hb_manifest_start[], hb_manifest_end[];

/* The fragments of one sample's input that are here. */
typedef struct {
    uint32_t count;
    uint32_t bitmap[BITMAP_WORDS];
} fragments;

/* Samples are numbered mod 2^16; `released` <= `announced` <= `done` <= `released` + HB_SLOTS. */
static struct {
    uint16_t id;
    uint32_t count;
    uint32_t nonce;
    uint8_t repeats;
    bool measure;
    bool busy;
    uint8_t last_sequence;
    uint16_t done;
    uint16_t announced;
    uint16_t released;
    fragments here[HB_SLOTS];
} session;

/* Aligned, so that copies in and out are as fast as they can be and always equally fast; inputs to lines of a
 * data cache (32 bytes: Cortex-M7 TRM, DDI 0489F, 5.7.1), because a debugger may write them. */
#define SLOT_BYTES ((INPUT_BYTES + 31u) / 32u * 32u)
static _Alignas(32) uint8_t inputs[HB_SLOTS][SLOT_BYTES];
static _Alignas(16) uint8_t outputs[HB_SLOTS][(OUTPUT_BYTES + 15u) / 16u * 16u];
static hb_result results[HB_SLOTS];

/* For ports without a data cache. */
__attribute__((weak)) void hb_port_forget(void *memory, uint32_t bytes) {
    (void)memory;
    (void)bytes;
}

/* For ports that know no way into a boot loader. */
__attribute__((weak)) _Noreturn void hb_port_boot_loader(void) {
    hb_port_reset();
}

static uint16_t distance(uint32_t from, uint32_t to) {
    return (uint16_t)(to - from);
}

static uint32_t smaller(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static bool is_here(const fragments *slot, uint32_t fragment) {
    return (slot->bitmap[fragment / 32u] >> (fragment % 32u) & 1u) != 0;
}

/* ---- what is sent */

static void send_info(const hb_frame *hello) {
    static const uint8_t build_id[HB_BUILD_ID_BYTES] = HB_BUILD_ID_INIT;
    hb_link_begin(HB_FRAME_INFO, hello->session);
    hb_link_u32(hb_load_u32(hello->payload));
    hb_link_u8(HB_PROTOCOL_VERSION);
    hb_link_u8(HB_SLOTS);
    hb_link_u16(HB_CHUNK_BYTES);
    hb_link_bytes(build_id, sizeof build_id);
    hb_link_u32((uint32_t)(hb_manifest_end - hb_manifest_start));
    hb_link_u32(INPUT_BYTES);
    hb_link_u32(OUTPUT_BYTES);
    hb_link_u32(hb_model_arena_used());
    hb_link_u32((uint32_t)((uintptr_t)hb_port_stack_top - (uintptr_t)hb_port_stack_bottom));
    hb_link_u32((uint32_t)(uintptr_t)inputs);
    hb_link_u32(SLOT_BYTES);
    hb_link_end();
}

static void send_started(void) {
    hb_link_begin(HB_FRAME_STARTED, session.id);
    hb_link_u32(session.nonce);
    hb_link_end();
}

/* The fragments of `sample` without a gap, and a bitmap of the 32 from there on. */
static void put_fragments(uint32_t sample) {
    const fragments *slot = &session.here[sample % HB_SLOTS];
    uint32_t have = 0;
    uint32_t bitmap = 0;
    while (have < FRAGMENTS && is_here(slot, have)) {
        have++;
    }
    for (uint32_t i = 0; i < 32u && have + i < FRAGMENTS; i++) {
        bitmap |= (uint32_t)is_here(slot, have + i) << i;
    }
    hb_link_u16(have);
    hb_link_u32(bitmap);
}

static void send_ack(uint32_t flags) {
    hb_link_begin(HB_FRAME_ACK, session.id);
    hb_link_u8(session.last_sequence);
    hb_link_u8(flags | (session.busy ? HB_ACK_BUSY : 0u));
    hb_link_u16(session.done);
    put_fragments(session.done);
    put_fragments(session.done + 1u);
    hb_link_end();
}

static void send_result(uint32_t sample) {
    const hb_result *result = &results[sample % HB_SLOTS];
    hb_link_begin(HB_FRAME_RESULT, session.id);
    hb_link_u16(result->sample);
    hb_link_u8(result->status);
    hb_link_u8(result->repeats);
    hb_link_u32(result->invocation);
    hb_link_u32(result->input_crc);
    hb_link_u32(result->output_crc);
    hb_link_u32(result->stack_bytes);
    hb_link_u32(result->disturbed);
    for (uint32_t i = 0; i < result->repeats; i++) {
        hb_link_u64(result->times[i][0]);
        hb_link_u64(result->times[i][1]);
        hb_link_u64(result->times[i][2]);
    }
    hb_link_bytes(outputs[sample % HB_SLOTS], smaller(OUTPUT_BYTES, HB_CHUNK_BYTES));
    hb_link_end();
}

static void send_block(const hb_frame *read, const uint8_t *bytes, uint32_t count) {
    uint32_t offset = smaller(hb_load_u32(read->payload + 3), count);
    hb_link_begin(HB_FRAME_BLOCK, read->session);
    hb_link_bytes(read->payload, HB_READ_BYTES);
    hb_link_bytes(bytes + offset, smaller(count - offset, HB_CHUNK_BYTES));
    hb_link_end();
}

/* ---- what is received */

static void start(const hb_frame *frame) {
    uint32_t nonce = hb_load_u32(frame->payload);
    uint8_t repeats = frame->payload[4];
    if (frame->session == 0 || repeats == 0 || repeats > HB_MAX_REPEATS) {
        return;
    }
    if (frame->session != session.id || nonce != session.nonce) {
        /* A sample that runs now belongs to the old count: its result will be thrown away. */
        uint32_t count = session.count + 1u;
        bool busy = session.busy;
        memset(&session, 0, sizeof session);
        session.count = count;
        session.busy = busy;
        session.id = frame->session;
        session.nonce = nonce;
        session.repeats = repeats;
        session.measure = frame->payload[5] != 0;
    }
    session.last_sequence = frame->sequence;
    send_started();
}

static void release(uint32_t sample) {
    if (distance(session.released, sample) <= distance(session.released, session.done)) {
        session.released = (uint16_t)sample;
    }
}

static void keep_fragment(uint32_t sample, uint32_t fragment, const uint8_t *bytes, uint32_t count) {
    uint32_t offset = fragment * HB_CHUNK_BYTES;
    fragments *slot = &session.here[sample % HB_SLOTS];
    if (distance(session.done, sample) >= HB_SLOTS || fragment >= FRAGMENTS || is_here(slot, fragment) ||
        count != smaller(INPUT_BYTES - offset, HB_CHUNK_BYTES)) {
        return;
    }
    memcpy(inputs[sample % HB_SLOTS] + offset, bytes, count);
    slot->bitmap[fragment / 32u] |= 1u << (fragment % 32u);
    slot->count++;
}

static void data(const hb_frame *frame) {
    const uint8_t *fields = frame->payload;
    release(hb_load_u16(fields + 4));
    keep_fragment(hb_load_u16(fields), hb_load_u16(fields + 2), fields + HB_DATA_BYTES,
                  frame->bytes - HB_DATA_BYTES);
    send_ack(0);
}

/* A debugger has written a whole input: it counts only if all of it is here. */
static void placed(const hb_frame *frame) {
    uint32_t sample = hb_load_u16(frame->payload);
    uint8_t *input = inputs[sample % HB_SLOTS];
    fragments *slot = &session.here[sample % HB_SLOTS];
    release(hb_load_u16(frame->payload + 2));
    if (distance(session.done, sample) < HB_SLOTS && slot->count < FRAGMENTS) {
        hb_port_forget(input, SLOT_BYTES);
        if (hb_crc32(0, input, INPUT_BYTES) == hb_load_u32(frame->payload + 4)) {
            memset(slot->bitmap, 0xff, sizeof slot->bitmap);
            slot->count = FRAGMENTS;
        }
    }
    send_ack(0);
}

static void poll(const hb_frame *frame) {
    release(hb_load_u16(frame->payload));
    session.announced = session.released;
    send_ack(HB_ACK_POLLED);
}

static void read_output(const hb_frame *frame) {
    uint32_t sample = hb_load_u16(frame->payload + 1);
    bool kept = distance(session.released, sample) < distance(session.released, session.done);
    send_block(frame, outputs[sample % HB_SLOTS], kept ? OUTPUT_BYTES : 0);
}

static void read_message(const hb_frame *frame) {
    const char *message = hb_inference_message();
    send_block(frame, (const uint8_t *)message, (uint32_t)strlen(message));
}

static void read_profile(const hb_frame *frame) {
    uint32_t count;
    const uint8_t *bytes = hb_profile_bytes(&count);
    send_block(frame, bytes, count);
}

static void answer_in_session(const hb_frame *frame) {
    if (frame->type == HB_FRAME_DATA && frame->bytes >= HB_DATA_BYTES) {
        data(frame);
    } else if (frame->type == HB_FRAME_PLACED && frame->bytes == HB_PLACED_BYTES) {
        placed(frame);
    } else if (frame->type == HB_FRAME_POLL && frame->bytes == HB_POLL_BYTES) {
        poll(frame);
    } else if (frame->type == HB_FRAME_READ && frame->bytes == HB_READ_BYTES &&
               frame->payload[0] == HB_REGION_OUTPUT) {
        read_output(frame);
    } else if (frame->type == HB_FRAME_READ && frame->bytes == HB_READ_BYTES &&
               frame->payload[0] == HB_REGION_MESSAGE) {
        read_message(frame);
    } else if (frame->type == HB_FRAME_READ && frame->bytes == HB_READ_BYTES &&
               frame->payload[0] == HB_REGION_PROFILE) {
        read_profile(frame);
    }
}

static void reset(const hb_frame *frame) {
    uint32_t after = frame->bytes == 0 ? HB_AFTER_RESET_RUN : frame->payload[0];
    if (after == HB_AFTER_RESET_RUN) {
        hb_port_reset();
    } else if (after == HB_AFTER_RESET_BOOT_LOADER) {
        hb_port_boot_loader();
    }
}

void hb_session_answer(const hb_frame *frame) {
    bool ours = session.id != 0 && frame->session == session.id;
    if (ours) {
        session.last_sequence = frame->sequence;
    }
    if (frame->type == HB_FRAME_HELLO && frame->bytes == HB_HELLO_BYTES) {
        send_info(frame);
    } else if (frame->type == HB_FRAME_START && frame->bytes == HB_START_BYTES) {
        start(frame);
    } else if (frame->type == HB_FRAME_RESET && frame->bytes <= HB_RESET_BYTES) {
        reset(frame);
    } else if (frame->type == HB_FRAME_READ && frame->bytes == HB_READ_BYTES &&
               frame->payload[0] == HB_REGION_MANIFEST) {
        send_block(frame, hb_manifest_start, (uint32_t)(hb_manifest_end - hb_manifest_start));
    } else if (ours) {
        answer_in_session(frame);
    }
}

void hb_session_damaged(void) {
    if (session.id != 0) {
        send_ack(HB_ACK_NAK);
    }
}

void hb_session_announce(void) {
    while (session.announced != session.done) {
        send_result(session.announced);
        session.announced++;
    }
}

/* ---- the thread's side */

bool hb_session_next(hb_job *job) {
    uint32_t slot = session.done % HB_SLOTS;
    if (session.id == 0 || session.here[slot].count < FRAGMENTS ||
        distance(session.released, session.done) >= HB_SLOTS) {
        return false;
    }
    session.busy = true;
    job->session_count = session.count;
    job->sample = session.done;
    job->repeats = session.repeats;
    job->measure = session.measure;
    job->input = inputs[slot];
    job->output = outputs[slot];
    job->result = &results[slot];
    return true;
}

bool hb_session_wants(const hb_job *job) {
    return *(volatile uint32_t *)&session.count == job->session_count;
}

void hb_session_finish(const hb_job *job) {
    uint32_t locked = hb_port_lock();
    session.busy = false;
    if (hb_session_wants(job)) {
        memset(&session.here[job->sample % HB_SLOTS], 0, sizeof session.here[0]);
        session.done++;
    }
    hb_port_unlock(locked);
    hb_port_pend_service();
}

uint16_t hb_session_id(void) {
    return session.id;
}
