/* The time of an inference, and in images that are built for a profile (HB_PROFILE operators) of its parts.
 */
#ifndef HB_PROFILE_H
#define HB_PROFILE_H

#include <stdint.h>

/* As hb_port_start() and hb_port_stop(), around one inference. */
void hb_profile_start(void);
uint64_t hb_profile_stop(void);

/* The parts of the last inference: `count` bytes of little-endian u64, one an operator, then one for the
 * rest; none in other images. */
const uint8_t *hb_profile_bytes(uint32_t *count);

#endif
