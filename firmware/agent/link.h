/* Frames over the serial line: a ring of received bytes, COBS, CRC-32, and the fields of a payload.
 *
 * Bytes come in from the UART interrupt; everything else here is called at PendSV priority only (or by a
 * fault, after which nothing else runs), so a frame is never sent into the middle of another one. */
#ifndef HB_LINK_H
#define HB_LINK_H

#include <stdint.h>

#include "hb_config.h"
#include "hb_protocol.h"

/* A board with little RAM takes smaller chunks; INFO tells the host. */
#ifdef HB_PORT_CHUNK_BYTES
_Static_assert(HB_PORT_CHUNK_BYTES <= HB_CHUNK_BYTES, "the protocol knows no larger chunks");
#undef HB_CHUNK_BYTES
#define HB_CHUNK_BYTES ((uint32_t)HB_PORT_CHUNK_BYTES)
#endif

/* A good frame; `payload` is valid until the next hb_link_receive(). */
typedef struct {
    uint8_t type;
    uint16_t session;
    uint8_t sequence;
    const uint8_t *payload;
    uint32_t bytes;
} hb_frame;

typedef enum { HB_LINK_IDLE, HB_LINK_FRAME, HB_LINK_DAMAGED } hb_link_event;

/* One byte from the UART interrupt. Dropped when the ring is full: the frame is then damaged, and sent again.
 */
void hb_link_push(uint8_t byte);

/* Bytes received since reset, mod 2^32. */
uint32_t hb_link_received(void);

/* Reads on to the end of the next frame; HB_LINK_IDLE when the ring is empty first. */
hb_link_event hb_link_receive(hb_frame *frame);

/* Sends one frame: begin, any number of fields, end. */
void hb_link_begin(uint8_t type, uint16_t session);
void hb_link_bytes(const void *bytes, uint32_t count);
void hb_link_u8(uint32_t value);
void hb_link_u16(uint32_t value);
void hb_link_u32(uint32_t value);
void hb_link_u64(uint64_t value);
void hb_link_end(void);

/* Ends a frame that was under way, if any, without completing it: the host sees a damaged frame. */
void hb_link_abandon(void);

/* Little-endian fields of a received payload. */
uint32_t hb_load_u16(const uint8_t *bytes);
uint32_t hb_load_u32(const uint8_t *bytes);

/* CRC-32 as zlib computes it. Start with 0; the result so far can be continued. */
uint32_t hb_crc32(uint32_t crc, const void *bytes, uint32_t count);

#endif
