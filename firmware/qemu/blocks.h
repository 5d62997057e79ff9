/* The blocks of code that QEMU has translated, and how often each ran. */
#ifndef HB_COUNT_BLOCKS_H
#define HB_COUNT_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#define BLOCK_MAX_BYTES 4096u /* QEMU translates at most 512 instructions at once */

/* A straight run of instructions. Translated again at the same address from the same bytes, it is the same
 * block. */
struct access;

struct block {
    /* What changes when it runs, and what is read then, first: in one line of the computer's cache. */
    uint64_t executed;
    uint64_t left; /* how often something else followed than what lies behind it */
    uint32_t address;
    uint32_t follower;              /* the address behind it; NO_FOLLOWER where more is to be looked at */
    uint32_t first_line, last_line; /* of the instruction cache, where one is simulated */

    uint32_t end;
    uint32_t id;
    uint32_t instructions;
    bool is_beginning;       /* of a longer block: QEMU cut this one short */
    bool told;               /* to the host */
    struct access *accesses; /* one an instruction, where they are counted */
    struct block *same_hash;
    struct block *next;
    uint8_t code[];
};

#define NO_FOLLOWER 1u /* no instruction is at an odd address */

/* Returns how long the instruction is that begins at `code`: 2 or 4 bytes. */
uint32_t instruction_bytes(const uint8_t *code);

/* Returns the block with this address and code, made now if it is new. */
struct block *block_of(uint32_t address, const uint8_t *code, uint32_t bytes);

/* Returns the longer block that `first` and then `second` are, or NULL. */
struct block *block_joined(const struct block *first, const struct block *second);

/* All blocks, newest first, linked by `next`. */
struct block *blocks_all(void);

#endif
