/* Frames over the serial line: a ring of received bytes, COBS, CRC-32, and the fields of a payload. */
#include "link.h"

#include <stdbool.h>

#include "hb_config.h"
#include "hb_port.h"
#include "hb_protocol.h"

/* Room for the host's whole window while a frame is being sent. A power of two. */
#ifdef HB_PORT_RING_BYTES
#define HB_RING_BYTES ((uint32_t)HB_PORT_RING_BYTES)
#else
#define HB_RING_BYTES 8192u
#endif

#define LONGEST_PAYLOAD (HB_DATA_BYTES + HB_CHUNK_BYTES)
#define LONGEST_BODY    (HB_HEADER_BYTES + LONGEST_PAYLOAD + HB_CRC_BYTES)
#define LONGEST_FRAME   (LONGEST_BODY + LONGEST_BODY / 254u + 2u)
#define WINDOW_FRAMES   8u /* of hilbench/link/window.py */

/* COBS, Cheshire and Baker 1999: a group is its length and up to 254 bytes that are not zero. */
#define LONGEST_GROUP 255u

_Static_assert((HB_RING_BYTES & (HB_RING_BYTES - 1u)) == 0, "the ring's size must be a power of two");
_Static_assert(HB_RING_BYTES >= WINDOW_FRAMES * LONGEST_FRAME, "the ring must hold the host's whole window");

/* The interrupt moves `head`, PendSV moves `tail`; both count bytes and wrap at 2^32. */
static volatile uint8_t ring[HB_RING_BYTES];
static volatile uint32_t ring_head, ring_tail;
static volatile uint32_t received;

/* The frame coming in: `left` bytes of a COBS group are to come, after which a zero is due. */
static struct {
    uint8_t body[LONGEST_BODY];
    uint32_t count;
    uint32_t left;
    bool zero_due;
    bool begun;
    bool too_long;
} rx;

/* The frame going out: its CRC so far, and a COBS group whose length is not known yet. */
static struct {
    uint32_t crc;
    uint32_t used;
    bool after_full_group;
    uint8_t group[LONGEST_GROUP];
    uint8_t sequence;
} tx;

uint32_t hb_crc32(uint32_t crc, const void *bytes, uint32_t count) {
    /* The remainders of 0 to 15 times x^28 by the polynomial 0xEDB88320: four bits at a time, in 64 bytes of
     * table. */
    static const uint32_t table[16] = {0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu,
                                       0x76dc4190u, 0x6b6b51f4u, 0x4db26158u, 0x5005713cu,
                                       0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu,
                                       0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu};
    const uint8_t *byte = bytes;
    crc = ~crc;
    for (uint32_t i = 0; i < count; i++) {
        crc ^= byte[i];
        crc = table[crc & 15u] ^ (crc >> 4);
        crc = table[crc & 15u] ^ (crc >> 4);
    }
    return ~crc;
}

uint32_t hb_load_u16(const uint8_t *bytes) {
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8;
}

uint32_t hb_load_u32(const uint8_t *bytes) {
    return hb_load_u16(bytes) | hb_load_u16(bytes + 2) << 16;
}

/* ---- receiving */

void hb_link_push(uint8_t byte) {
    uint32_t head = ring_head;
    received++;
    if (head - ring_tail < HB_RING_BYTES) {
        ring[head % HB_RING_BYTES] = byte;
        ring_head = head + 1u;
    }
}

uint32_t hb_link_received(void) {
    return received;
}

static void append(uint8_t byte) {
    if (rx.count < LONGEST_BODY) {
        rx.body[rx.count++] = byte;
    } else {
        rx.too_long = true;
    }
}

static void decode(uint8_t byte) {
    rx.begun = true;
    if (rx.left > 0) {
        append(byte);
        rx.left--;
        return;
    }
    if (rx.zero_due) {
        append(0);
    }
    rx.left = byte - 1u;
    rx.zero_due = byte != LONGEST_GROUP;
}

static bool body_is_good(void) {
    if (rx.too_long || rx.left > 0 || rx.count < HB_HEADER_BYTES + HB_CRC_BYTES) {
        return false;
    }
    uint32_t end = rx.count - HB_CRC_BYTES;
    return hb_crc32(0, rx.body, end) == hb_load_u32(rx.body + end);
}

/* A zero byte has come: the frame is complete. Nothing between two zeros is no frame, and no damage either.
 */
static hb_link_event finish(hb_frame *frame) {
    hb_link_event event = !rx.begun ? HB_LINK_IDLE : body_is_good() ? HB_LINK_FRAME : HB_LINK_DAMAGED;
    frame->type = rx.body[0];
    frame->session = (uint16_t)hb_load_u16(rx.body + 1);
    frame->sequence = rx.body[3];
    frame->payload = rx.body + HB_HEADER_BYTES;
    frame->bytes = rx.count - (HB_HEADER_BYTES + HB_CRC_BYTES);
    rx.count = 0;
    rx.left = 0;
    rx.zero_due = false;
    rx.begun = false;
    rx.too_long = false;
    return event;
}

hb_link_event hb_link_receive(hb_frame *frame) {
    while (ring_tail != ring_head) {
        uint8_t byte = ring[ring_tail % HB_RING_BYTES];
        ring_tail++;
        if (byte != 0) {
            decode(byte);
            continue;
        }
        hb_link_event event = finish(frame);
        if (event != HB_LINK_IDLE) {
            return event;
        }
    }
    return HB_LINK_IDLE;
}

/* ---- sending */

static void send_group(void) {
    tx.group[0] = (uint8_t)tx.used;
    hb_port_write(tx.group, tx.used);
    tx.after_full_group = tx.used == LONGEST_GROUP;
    tx.used = 1;
}

static void encode(const uint8_t *bytes, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (bytes[i] != 0) {
            tx.group[tx.used++] = bytes[i];
        }
        if (bytes[i] == 0 || tx.used == LONGEST_GROUP) {
            send_group();
        }
    }
}

void hb_link_begin(uint8_t type, uint16_t session) {
    tx.crc = 0;
    tx.used = 1;
    tx.after_full_group = false;
    hb_link_u8(type);
    hb_link_u16(session);
    hb_link_u8(tx.sequence++);
}

void hb_link_bytes(const void *bytes, uint32_t count) {
    tx.crc = hb_crc32(tx.crc, bytes, count);
    encode(bytes, count);
}

void hb_link_u8(uint32_t value) {
    uint8_t byte = (uint8_t)value;
    hb_link_bytes(&byte, 1);
}

void hb_link_u16(uint32_t value) {
    hb_link_u8(value);
    hb_link_u8(value >> 8);
}

void hb_link_u32(uint32_t value) {
    hb_link_u16(value);
    hb_link_u16(value >> 16);
}

void hb_link_u64(uint64_t value) {
    hb_link_u32((uint32_t)value);
    hb_link_u32((uint32_t)(value >> 32));
}

void hb_link_end(void) {
    static const uint8_t zero = 0;
    hb_link_u32(tx.crc);
    /* The group of a frame's last bytes is sent even when empty, unless a full group already ends the frame.
     */
    if (tx.used > 1 || !tx.after_full_group) {
        send_group();
    }
    hb_port_write(&zero, 1);
}

void hb_link_abandon(void) {
    static const uint8_t zero = 0;
    hb_port_write(&zero, 1);
}
