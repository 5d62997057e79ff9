/* A simulated cache: sets of lines, of which the least recently used makes room. */
#ifndef HB_COUNT_CACHE_H
#define HB_COUNT_CACHE_H

#include <stdbool.h>
#include <stdint.h>

struct cache {
    uint32_t line_bytes;
    uint32_t ways;
    uint32_t sets;
    uint32_t
        *lines; /* by set, the most recently used first: twice the line's number, and 1 if it was written */
};

enum cache_result { CACHE_HIT, CACHE_MISS, CACHE_MISS_WRITES_BACK };

/* Makes an empty cache; false when the numbers make none. */
bool cache_make(struct cache *cache, uint32_t size_bytes, uint32_t line_bytes, uint32_t ways);

/* Reads or writes in line number `line` (an address over line_bytes); a line that was not there is filled. */
enum cache_result cache_touch(struct cache *cache, uint32_t line, bool writes);

#endif
