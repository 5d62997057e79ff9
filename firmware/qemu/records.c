/* pwrite() is POSIX, not C. */
#define _POSIX_C_SOURCE 200809L

#include "records.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADER_BYTES      20u
#define EMPTY_BYTES       16u         /* a record with no payload: what is kept for RECORD_FULL */
#define CRC_POLYNOMIAL    0xedb88320u /* reflected, as zlib's */
#define PAYLOAD_LENGTH_AT 8u

static struct {
    int fd;
    bool ended; /* full, or it cannot be written */
    uint64_t limit;
    uint64_t committed; /* bytes of records in the file */
    uint32_t numbers;   /* records so far, those in the file and those that wait */
    uint32_t numbers_committed;
    uint8_t *waiting;
    size_t used, room, record;
    uint32_t crc_table[256];
} out;

static uint32_t crc32_of(const uint8_t *bytes, size_t count) {
    uint32_t crc = ~0u;
    for (size_t i = 0; i < count; i++) {
        crc = (crc >> 8) ^ out.crc_table[(crc ^ bytes[i]) & 0xffu];
    }
    return ~crc;
}

static void put(uint8_t *into, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        into[i] = (uint8_t)(value >> (8u * i));
    }
}

void records_open(int fd, uint64_t limit_bytes) {
    for (uint32_t i = 0; i < 256u; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (CRC_POLYNOMIAL & (0u - (crc & 1u)));
        }
        out.crc_table[i] = crc;
    }
    out.fd = fd;
    out.limit = limit_bytes;
    records_commit();
}

void record_bytes(const void *bytes, size_t count) {
    if (out.room - out.used < count) {
        out.room = 2u * (out.used + count);
        out.waiting = realloc(out.waiting, out.room);
        if (out.waiting == NULL) {
            abort(); /* no memory is left on this computer */
        }
    }
    memcpy(out.waiting + out.used, bytes, count);
    out.used += count;
}

void record_u32(uint32_t value) {
    uint8_t bytes[4];
    put(bytes, value, sizeof bytes);
    record_bytes(bytes, sizeof bytes);
}

void record_u64(uint64_t value) {
    uint8_t bytes[8];
    put(bytes, value, sizeof bytes);
    record_bytes(bytes, sizeof bytes);
}

void record_begin(enum record_kind kind) {
    out.record = out.used;
    record_u32(kind);
    record_u32(out.numbers++);
    record_u32(0);
}

void record_end(void) {
    uint8_t *record = out.waiting + out.record;
    put(record + PAYLOAD_LENGTH_AT, out.used - out.record - PAYLOAD_LENGTH_AT - 4u, 4);
    record_u32(crc32_of(record, out.used - out.record));
}

static bool write_at(const uint8_t *bytes, size_t count, uint64_t at) {
    while (count > 0) {
        ssize_t written = pwrite(out.fd, bytes, count, (off_t)at);
        if (written <= 0) {
            return false;
        }
        bytes += written;
        count -= (size_t)written;
        at += (uint64_t)written;
    }
    return true;
}

/* The header is written last: until then, the file is what it was. */
void records_commit(void) {
    if (out.ended) {
        out.used = 0;
        return;
    }
    if (HEADER_BYTES + out.committed + out.used + EMPTY_BYTES > out.limit) {
        out.ended = true;
        out.used = 0;
        out.numbers = out.numbers_committed;
        record_begin(RECORD_FULL);
        record_end();
    }
    uint8_t header[HEADER_BYTES];
    memcpy(header, "HBCOUNT1", 8);
    put(header + 8, out.committed + out.used, 8);
    put(header + 16, crc32_of(header, 16), 4);
    if (write_at(out.waiting, out.used, HEADER_BYTES + out.committed) && write_at(header, sizeof header, 0)) {
        out.committed += out.used;
        out.numbers_committed = out.numbers;
    } else {
        out.ended = true;
    }
    out.used = 0;
}
