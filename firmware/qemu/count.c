/* A plug-in of QEMU that counts, between two marks in the firmware, how often each block of code ran, and
 * what it asked of memory. It decodes nothing and knows nothing of time: the host does, from what this tells
 * it.
 *
 * Arguments, all numbers:
 *   fd, limit                  where records go (records.h), and how many bytes of them at most
 *   calibrates, opens, closes  addresses of three functions of the firmware that mark what their names say
 *   code, code_end, data, data_end        the regions of memory
 *   memory                     1 to count loads and stores by region
 *   fetch_size, fetch_line, fetch_ways    a cache for instructions in region `code`
 *   read_size, read_line, read_ways       one for data in region `code`, and from `cached` up to `cached_end`
 *   trial                      1 to only say that QEMU can load this, and be refused
 *
 * One processor, one thread: all of this runs in the one that emulates it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "cache.h"
#include "plugin_api.h"
#include "records.h"

#define NEWEST_API  4 /* of QEMU 10.0 */
#define COPYING_API 3 /* from here on qemu_plugin_insn_data() copies */

#define WORD_BYTES   4u
#define LONGEST_READ 16u /* an instruction, and what QEMU may have read behind it */

EXPORT int qemu_plugin_version = HB_PLUGIN_API;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);

enum region { IN_CODE, IN_DATA, ELSEWHERE, REGIONS };
enum miss { FETCH_JUMP, FETCH_SEQUENTIAL, READ_CODE, READ_DATA, WRITE_DATA, WRITE_BACK, MISSES };

/* What an instruction has asked of memory in this window. It loads or it stores, and always as much at a
 * time. */
struct access {
    uint64_t count[REGIONS];
    uint32_t bytes; /* of one access; 0 before the first */
    bool writes;
    struct access *next;
};
static uint64_t data_bytes, code_bytes; /* of the regions */
static struct access *accesses;         /* of all instructions that have had one */

static uint64_t misses[MISSES];

static struct {
    uint64_t fd, limit, calibrates, opens, closes, code, code_end, data, data_end, memory;
    uint64_t fetch_size, fetch_line, fetch_ways, read_size, read_line, read_ways, cached, cached_end, trial;
} set;

#define ARGUMENT(name) {#name, &set.name}
static const struct {
    const char *name;
    uint64_t *value;
} arguments[] = {
    ARGUMENT(fd),         ARGUMENT(limit),      ARGUMENT(calibrates), ARGUMENT(opens),
    ARGUMENT(closes),     ARGUMENT(code),       ARGUMENT(code_end),   ARGUMENT(data),
    ARGUMENT(data_end),   ARGUMENT(fetch_size), ARGUMENT(fetch_line), ARGUMENT(fetch_ways),
    ARGUMENT(read_size),  ARGUMENT(read_line),  ARGUMENT(read_ways),  ARGUMENT(cached),
    ARGUMENT(cached_end), ARGUMENT(trial),      ARGUMENT(memory),
};

static bool insn_data_copies;
static struct block nothing = {.follower = NO_FOLLOWER};
static struct block *previous = &nothing; /* what ran last */
static bool window_open;
static bool lost;
static struct cache fetch_cache, read_cache;
static uint32_t last_line; /* the line that was fetched last */

static void lose(const char *why) {
    if (!lost) {
        lost = true;
        record_begin(RECORD_LOST);
        record_bytes(why, strlen(why));
        record_end();
        records_commit();
    }
}

/* ---- blocks */

/* `block` has begun to run. */
static inline void ran(struct block *block) {
    if (previous->follower != block->address) {
        /* QEMU cuts a block in two where its budget of instructions ends, or a device is accessed; which
         * block that is may depend on when the host wrote to it. Counted is what would have run. */
        struct block *whole = previous->is_beginning ? block_joined(previous, block) : NULL;
        if (whole != NULL) {
            previous->executed--;
            whole->executed++;
            previous = whole;
            return;
        }
        previous->left += previous->end != block->address;
    }
    block->executed++;
    previous = block;
}

static void on_block(unsigned int vcpu, void *block) {
    (void)vcpu;
    ran(block);
}

static void on_block_fetched(unsigned int vcpu, void *data) {
    struct block *block = data;
    (void)vcpu;
    for (uint32_t line = block->first_line; line <= block->last_line; line++) {
        if (line != last_line) {
            if (cache_touch(&fetch_cache, line, false) != CACHE_HIT) {
                misses[line == last_line + 1u ? FETCH_SEQUENTIAL : FETCH_JUMP]++;
            }
            last_line = line;
        }
    }
    ran(block);
}

/* An access by an instruction that is translated alone. If its block has not just begun, this is an access to
 * a device from the middle of the previous block: QEMU began that, found that it cannot know the time of the
 * access, and now does the access by itself. Then the rest of that block follows as a block. */
static void on_lone_access(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *data) {
    const struct block *alone = data;
    (void)vcpu, (void)info, (void)address;
    if (previous == alone) {
        return;
    }
    if (alone->address < previous->address || alone->end > previous->end) {
        if (window_open) {
            lose("an access to a device from outside of the code that ran");
        }
        return;
    }
    if (alone->end != previous->end) {
        struct block *done = block_of(previous->address, previous->code, alone->end - previous->address);
        previous->executed--;
        done->executed++;
        previous = done;
    }
}

/* ---- windows */

static void on_calibrates(unsigned int vcpu, void *block) {
    window_open = false;
    record_begin(RECORD_CALIBRATES);
    record_end();
    records_commit();
    on_block(vcpu, block);
}

static void on_opens(unsigned int vcpu, void *data) {
    struct block *mark = data;
    (void)vcpu;
    for (struct block *block = blocks_all(); block != NULL; block = block->next) {
        block->executed = 0;
        block->left = 0;
    }
    for (struct access *access = accesses; access != NULL; access = access->next) {
        memset(access->count, 0, sizeof access->count);
    }
    memset(misses, 0, sizeof misses);
    window_open = true;
    mark->executed = 1;
    previous = mark;
}

static void tell_block(struct block *block) {
    block->told = true;
    record_begin(RECORD_BLOCK);
    record_u32(block->id);
    record_u32(block->address);
    record_u32(block->instructions);
    record_bytes(block->code, block->end - block->address);
    record_end();
}

/* Counted are words: some versions of QEMU load two at once where others load one after the other. */
static void tell_words(bool writes) {
    uint64_t words[REGIONS] = {0};
    for (const struct access *access = accesses; access != NULL; access = access->next) {
        uint32_t each = access->bytes <= WORD_BYTES ? 1u : access->bytes / WORD_BYTES;
        for (int region = 0; region < REGIONS && access->writes == writes; region++) {
            words[region] += access->count[region] * each;
        }
    }
    for (int region = 0; region < REGIONS; region++) {
        record_u64(words[region]);
    }
}

static void tell_window(void) {
    uint64_t instructions = 0;
    for (struct block *block = blocks_all(); block != NULL; block = block->next) {
        instructions += block->executed * block->instructions;
        if (block->executed != 0 && !block->told) {
            tell_block(block);
        }
    }
    record_begin(RECORD_WINDOW);
    record_u64(instructions);
    tell_words(false);
    tell_words(true);
    for (int miss = 0; miss < MISSES; miss++) {
        record_u64(misses[miss]);
    }
    for (struct block *block = blocks_all(); block != NULL; block = block->next) {
        if (block->executed != 0) {
            record_u32(block->id);
            record_u64(block->executed);
            record_u64(block->left);
        }
    }
    record_end();
    records_commit();
}

static void on_closes(unsigned int vcpu, void *data) {
    struct block *mark = data;
    (void)vcpu;
    ran(mark);
    if (window_open) {
        mark->executed--; /* it is not of the window */
        tell_window();
    }
    window_open = false;
}

/* ---- memory */

static bool in_data(uint64_t address) {
    return address - set.data < data_bytes; /* unsigned: what lies before is far behind */
}

static bool in_code(uint64_t address) {
    return address - set.code < code_bytes;
}

static void learn(struct access *access, qemu_plugin_meminfo_t info) {
    access->bytes = 1u << qemu_plugin_mem_size_shift(info);
    access->writes = qemu_plugin_mem_is_store(info);
    access->next = accesses;
    accesses = access;
}

static void on_access(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *data) {
    struct access *access = data;
    (void)vcpu;
    if (access->bytes == 0) {
        learn(access, info);
    }
    access->count[in_data(address) ? IN_DATA : in_code(address) ? IN_CODE : ELSEWHERE]++;
}

static void on_access_cached(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *data) {
    const struct access *access = data;
    on_access(vcpu, info, address, data);
    bool of_code = in_code(address);
    if (of_code ? access->writes : address < set.cached || address >= set.cached_end) {
        return;
    }
    uint32_t first = (uint32_t)address;
    uint32_t last = first + access->bytes - 1u;
    for (uint32_t line = first / read_cache.line_bytes; line <= last / read_cache.line_bytes; line++) {
        enum cache_result result = cache_touch(&read_cache, line, access->writes);
        if (result != CACHE_HIT) {
            misses[of_code ? READ_CODE : access->writes ? WRITE_DATA : READ_DATA]++;
            misses[WRITE_BACK] += result == CACHE_MISS_WRITES_BACK;
        }
    }
}

/* ---- translation */

static struct block *translated(const struct qemu_plugin_tb *tb, size_t instructions) {
    uint8_t code[BLOCK_MAX_BYTES + LONGEST_READ];
    uint32_t bytes = 0;
    for (size_t i = 0; i < instructions; i++) {
        const struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        size_t read = qemu_plugin_insn_size(insn);
        if (read > LONGEST_READ || bytes > BLOCK_MAX_BYTES) {
            lose("a block of more code than QEMU translates at once");
            return NULL;
        }
        const void *there = qemu_plugin_insn_data(insn, code + bytes, read);
        if (!insn_data_copies) {
            memcpy(code + bytes, there, read);
        }
        /* Near the end of a page, QEMU 7.2 counts what it has read ahead to the instruction too. */
        bytes += instruction_bytes(code + bytes);
    }
    struct block *block = block_of((uint32_t)qemu_plugin_tb_vaddr(tb), code, bytes);
    bool fetched = set.fetch_size != 0 && block->address >= set.code && block->end <= set.code_end;
    block->first_line = fetched ? block->address / fetch_cache.line_bytes : 1u;
    block->last_line = fetched ? (block->end - 1u) / fetch_cache.line_bytes : 0u;
    return block;
}

static qemu_plugin_vcpu_udata_cb_t callback_for(const struct block *block) {
    return block->address == set.opens        ? on_opens
           : block->address == set.closes     ? on_closes
           : block->address == set.calibrates ? on_calibrates
           : set.fetch_size != 0              ? on_block_fetched
                                              : on_block;
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
    size_t instructions = qemu_plugin_tb_n_insns(tb);
    struct block *block = translated(tb, instructions);
    (void)id;
    if (block == NULL) {
        return;
    }
    qemu_plugin_register_vcpu_tb_exec_cb(tb, callback_for(block), QEMU_PLUGIN_CB_NO_REGS, block);
    qemu_plugin_vcpu_mem_cb_t access = set.read_size != 0 ? on_access_cached
                                       : set.memory != 0  ? on_access
                                                          : NULL;
    if (access != NULL && block->accesses == NULL) {
        block->accesses = calloc(instructions, sizeof *block->accesses);
        if (block->accesses == NULL) {
            abort(); /* no memory is left on this computer */
        }
    }
    for (size_t i = 0; i < instructions && access != NULL; i++) {
        /* Loads alone (QEMU_PLUGIN_MEM_R) are never called back in QEMU 7.2. */
        qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(tb, i), access, QEMU_PLUGIN_CB_NO_REGS,
                                         QEMU_PLUGIN_MEM_RW, &block->accesses[i]);
    }
    if (instructions == 1) {
        qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(tb, 0), on_lone_access,
                                         QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, block);
    }
}

/* ---- start */

static bool take(const char *argument) {
    const char *equals = strchr(argument, '=');
    size_t length = equals == NULL ? 0 : (size_t)(equals - argument);
    for (size_t i = 0; i < sizeof arguments / sizeof *arguments && length != 0; i++) {
        if (strlen(arguments[i].name) == length && strncmp(arguments[i].name, argument, length) == 0) {
            char *end;
            *arguments[i].value = strtoull(equals + 1, &end, 0);
            return *end == 0 && end != equals + 1;
        }
    }
    return false;
}

static int refuse(const char *why, const char *what) {
    fprintf(stderr, "hb-count: %s%s\n", why, what);
    return 1;
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
    insn_data_copies = info->version.cur >= COPYING_API;
    if (info->version.cur > NEWEST_API || info->version.min > HB_PLUGIN_API) {
        fprintf(stderr, "hb-count: this QEMU has version %d of the API for plug-ins\n", info->version.cur);
        return 1;
    }
    if (!info->system_emulation || strcmp(info->target_name, "arm") != 0) {
        return refuse("not for emulators of ", info->target_name);
    }
    for (int i = 0; i < argc; i++) {
        if (!take(argv[i])) {
            return refuse("not an argument: ", argv[i]);
        }
    }
    if (set.trial != 0) {
        return refuse("ready", "");
    }
    if (info->system.smp_vcpus > 1) {
        return refuse("not for machines with several processors", "");
    }
    uint32_t fetch_line = (uint32_t)set.fetch_line, read_line = (uint32_t)set.read_line;
    if ((set.fetch_size != 0 &&
         !cache_make(&fetch_cache, (uint32_t)set.fetch_size, fetch_line, (uint32_t)set.fetch_ways)) ||
        (set.read_size != 0 &&
         !cache_make(&read_cache, (uint32_t)set.read_size, read_line, (uint32_t)set.read_ways))) {
        return refuse("not a cache", "");
    }
    data_bytes = set.data_end - set.data;
    code_bytes = set.code_end - set.code;
    records_open((int)set.fd, set.limit);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    return 0;
}
