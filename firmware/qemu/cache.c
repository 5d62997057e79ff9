#include "cache.h"

#include <stdlib.h>
#include <string.h>

#define EMPTY UINT32_MAX

bool cache_make(struct cache *cache, uint32_t size_bytes, uint32_t line_bytes, uint32_t ways) {
    /* With a line of 4 bytes or more, twice its number still fits, and is never EMPTY. */
    if (line_bytes < 4u || ways == 0u || size_bytes == 0u ||
        size_bytes % ((uint64_t)line_bytes * ways) != 0u) {
        return false;
    }
    uint32_t count = size_bytes / line_bytes;
    cache->line_bytes = line_bytes;
    cache->ways = ways;
    cache->sets = count / ways;
    cache->lines = malloc(count * sizeof *cache->lines);
    if (cache->lines == NULL) {
        return false;
    }
    memset(cache->lines, 0xff, count * sizeof *cache->lines);
    return true;
}

enum cache_result cache_touch(struct cache *cache, uint32_t line, bool writes) {
    uint32_t *set = cache->lines + (size_t)(line % cache->sets) * cache->ways;
    uint32_t there = set[0];
    /* All lines up to the one that is looked for, or else the oldest, move one place back. */
    for (uint32_t way = 1; way < cache->ways && there >> 1 != line; way++) {
        uint32_t next = set[way];
        set[way] = there;
        there = next;
    }
    bool hit = there >> 1 == line;
    set[0] = (line << 1) | (hit ? there & 1u : 0u) | (writes ? 1u : 0u);
    if (hit) {
        return CACHE_HIT;
    }
    return there != EMPTY && (there & 1u) != 0u ? CACHE_MISS_WRITES_BACK : CACHE_MISS;
}
