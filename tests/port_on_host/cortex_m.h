/* ports/cortex_m/cortex_m.h for a computer: registers are words of a large empty memory, and assembly is
 * nothing. */
#include_next "cortex_m.h"

#include <stdint.h>

extern unsigned char *host_space;

#undef HB_REGISTER
#define HB_REGISTER(address) (*(volatile uint32_t *)(host_space + (uint32_t)(address)))

/* `__asm volatile("wfi" ::: "memory")` becomes `;`: what is not followed by a parenthesis stays as it is. */
#define __asm
#define volatile(...)
