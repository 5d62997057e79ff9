/* What the plug-in tells the host: records in a file that both hold open. hilbench/targets/count_records.py
 * reads it.
 *
 * All numbers are little-endian. The file begins with 8 bytes "HBCOUNT1", the number of bytes of records that
 * follow as u64, and the CRC-32 of these 16 bytes as u32. A record is its kind, its number (from 0) and the
 * bytes of its payload, as u32 each, the payload, and the CRC-32 of all of that. */
#ifndef HB_COUNT_RECORDS_H
#define HB_COUNT_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum record_kind {
    RECORD_BLOCK = 1, /* u32 id, u32 address, u32 instructions, its code */
    RECORD_WINDOW, /* u64 instructions, u64 of each tally, then of each block u32 id, u64 executed, u64 left
                    */
    RECORD_CALIBRATES, /* nothing: the windows that follow are an empty one and one of 1000 instructions */
    RECORD_FULL,       /* nothing: the file has reached its limit, and this is its end */
    RECORD_LOST,       /* text: why counts are not to be trusted from here on */
};

/* Writes to `fd`, never more than `limit_bytes`. */
void records_open(int fd, uint64_t limit_bytes);

void record_begin(enum record_kind kind);
void record_u32(uint32_t value);
void record_u64(uint64_t value);
void record_bytes(const void *bytes, size_t count);
void record_end(void);

/* Puts the records since the last time into the file, all or none of them. */
void records_commit(void);

#endif
