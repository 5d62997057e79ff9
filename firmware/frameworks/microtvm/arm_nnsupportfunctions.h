/* Stands in for CMSIS-NN's header of this name: TVM's own kernels for Cortex-M (0.9 to 0.13) take nothing
 * from it but these instructions of the DSP extension. */
#ifndef HB_MICROTVM_ARM_NNSUPPORTFUNCTIONS_H
#define HB_MICROTVM_ARM_NNSUPPORTFUNCTIONS_H

#include <arm_acle.h>
#include <stdint.h>
#include <string.h>

#define __STATIC_FORCEINLINE __attribute__((always_inline)) static inline

#define __SEL(first, second) __sel((uint8x4_t)(first), (uint8x4_t)(second))
#define __SMLAD(first, second, sum)                                                                          \
    ((uint32_t)__smlad((int16x2_t)(first), (int16x2_t)(second), (int32_t)(sum)))
#define __SSUB8(first, second) ((uint32_t)__ssub8((int8x4_t)(first), (int8x4_t)(second)))
#define __SXTB16(value)        ((uint32_t)__sxtb16((int8x4_t)(value)))

__STATIC_FORCEINLINE uint32_t __ROR(uint32_t value, uint32_t bits) {
    return value >> bits | value << (32u - bits); /* TVM rotates by 8 and 16 */
}

/* Widens four int8 to int16: the first two into `low`, the others into `high`. Returns what comes after them.
 */
__STATIC_FORCEINLINE const int8_t *read_and_pad(const int8_t *source, int32_t *low, int32_t *high) {
    uint32_t bytes;
    memcpy(&bytes, source, sizeof bytes);
    uint32_t even = __SXTB16(bytes), odd = __SXTB16(__ROR(bytes, 8));
    *low = (int32_t)((even & 0xffffu) | odd << 16);
    *high = (int32_t)(even >> 16 | (odd & 0xffff0000u));
    return source + sizeof bytes;
}

#endif
