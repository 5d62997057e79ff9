#include "blocks.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 8192u

static struct block *buckets[BUCKETS];
static struct block *newest;
static uint32_t count;

static struct block **bucket_of(uint32_t address) {
    return &buckets[(address >> 1) % BUCKETS];
}

static uint32_t bytes_of(const struct block *block) {
    return block->end - block->address;
}

/* Thumb instructions of 32 bits begin with 0b11101, 0b11110 or 0b11111: Armv7-M ARM DDI 0403E, A5.1. */
uint32_t instruction_bytes(const uint8_t *code) {
    return code[1] >= 0xe8u ? 4u : 2u;
}

static uint32_t instructions_in(const uint8_t *code, uint32_t bytes) {
    uint32_t instructions = 0;
    for (uint32_t at = 0; at < bytes; instructions++) {
        at += instruction_bytes(code + at);
    }
    return instructions;
}

static void mark_beginning(struct block *one, const struct block *other) {
    if (bytes_of(one) < bytes_of(other) && memcmp(one->code, other->code, bytes_of(one)) == 0) {
        one->is_beginning = true;
        one->follower = NO_FOLLOWER;
    }
}

struct block *block_of(uint32_t address, const uint8_t *code, uint32_t bytes) {
    struct block **bucket = bucket_of(address);
    for (struct block *block = *bucket; block != NULL; block = block->same_hash) {
        if (block->address == address && bytes_of(block) == bytes && memcmp(block->code, code, bytes) == 0) {
            return block;
        }
    }
    struct block *block = calloc(1, offsetof(struct block, code) + bytes);
    if (block == NULL) {
        abort(); /* no memory is left on this computer */
    }
    block->address = address;
    block->end = address + bytes;
    block->follower = block->end;
    block->id = count++;
    block->instructions = instructions_in(code, bytes);
    memcpy(block->code, code, bytes);
    for (struct block *other = *bucket; other != NULL; other = other->same_hash) {
        if (other->address == address) {
            mark_beginning(block, other);
            mark_beginning(other, block);
        }
    }
    block->same_hash = *bucket;
    *bucket = block;
    block->next = newest;
    newest = block;
    return block;
}

struct block *block_joined(const struct block *first, const struct block *second) {
    if (!first->is_beginning || first->end != second->address) {
        return NULL;
    }
    uint32_t bytes = bytes_of(first);
    for (struct block *whole = *bucket_of(first->address); whole != NULL; whole = whole->same_hash) {
        if (whole->address == first->address && whole->end == second->end &&
            memcmp(whole->code, first->code, bytes) == 0 &&
            memcmp(whole->code + bytes, second->code, bytes_of(second)) == 0) {
            return whole;
        }
    }
    return NULL;
}

struct block *blocks_all(void) {
    return newest;
}
