/* What a SoC's folder needs of the rest of the firmware, on a computer: for tests/soc_on_host.py. */
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include "cache.h"
#include "hb_port.h"
#include "hb_soc.h"

#define SPACE_BYTES ((size_t)1 << 32)

unsigned char *host_space;
uint8_t host_received[64];
uint32_t host_received_count;

/* Told an address, a mask and a value that the port waits for. */
void (*host_awaits)(uint32_t address, uint32_t mask, uint32_t value);

bool host_caches_on;

bool host_begin(void);
bool host_boot_loader(void);

static jmp_buf reset;

_Noreturn void hb_port_reset(void) {
    longjmp(reset, 1);
}

/* True once the port has reset itself; false where it has no way of its own into a boot loader. */
__attribute__((weak)) _Noreturn void hb_port_boot_loader(void);

bool host_boot_loader(void) {
    if (&hb_port_boot_loader == NULL) {
        return false;
    }
    if (setjmp(reset) == 0) {
        hb_port_boot_loader();
    }
    return true;
}

bool host_begin(void) {
    void *space =
        mmap(NULL, SPACE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    host_space = space;
    return space != MAP_FAILED;
}

bool hb_await(const volatile uint32_t *reg, uint32_t mask, uint32_t value) {
    host_awaits((uint32_t)((uintptr_t)reg - (uintptr_t)host_space), mask, value);
    return (*reg & mask) == value;
}

_Noreturn void clock_does_not_start(void) {
    __builtin_trap();
}

void hb_agent_receive(uint8_t byte) {
    host_received[host_received_count++ % sizeof host_received] = byte;
}

void hb_caches_on(void) {
    host_caches_on = true;
}
