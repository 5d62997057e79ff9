/* The instructions of Arm's DSP extension that TVM's kernels name, one inline function each. Without the
 * extension the same arithmetic in C: so kernels also run on the computer that tests them. A word is four
 * int8 or, after sign extension, two int16: `low` in bits 0-15 and `high` in bits 16-31. */
#ifndef HB_TVM_DSP_H
#define HB_TVM_DSP_H

#include <stdint.h>
#include <string.h>

/* Four int8 at any address: LDR. */
static inline int32_t hb_load4(const int8_t *bytes) {
    int32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

/* `value` * 2**`bits`, modulo 2**32. */
static inline int32_t hb_lsl(int32_t value, int32_t bits) {
    return (int32_t)((uint32_t)value << bits);
}

/* The low halves of both: PKHBT. */
static inline int32_t hb_pkhbt(int32_t low, int32_t high) {
    return (int32_t)((uint32_t)(uint16_t)low | (uint32_t)high << 16);
}

#ifdef __ARM_FEATURE_DSP
#include <arm_acle.h>

typedef int64_t hb_two_words __attribute__((may_alias, aligned(4)));

/* Two neighbouring words at once. GCC takes LDRD for two loads only by luck. */
static inline void hb_load_pair(int32_t *first, int32_t *second, const int32_t *words) {
    __asm("ldrd %0, %1, %2" : "=r"(*first), "=r"(*second) : "Uv"(*(const hb_two_words *)words));
}

/* Bytes 0 and 2 as int16. */
static inline int32_t hb_sxtb16(int32_t word) {
    return __sxtb16(word);
}

/* Bytes 1 and 3 as int16. */
static inline int32_t hb_sxtb16_ror8(int32_t word) {
    int32_t result;
    __asm("sxtb16 %0, %1, ror #8" : "=r"(result) : "r"(word));
    return result;
}

/* Swaps the bytes of each half. */
static inline int32_t hb_rev16(int32_t word) {
    int32_t result;
    __asm("rev16 %0, %1" : "=r"(result) : "r"(word));
    return result;
}

/* low(a) * low(b) + high(a) * high(b) + sum, modulo 2**32. */
static inline int32_t hb_smlad(int32_t a, int32_t b, int32_t sum) {
    return __smlad(a, b, sum);
}

/* low(a) * low(b) + high(a) * high(b). */
static inline int32_t hb_smuad(int32_t a, int32_t b) {
    return __smuad(a, b);
}

/* One product of halves (b: low, t: high) + sum. */
static inline int32_t hb_smlabb(int32_t a, int32_t b, int32_t sum) {
    return __smlabb(a, b, sum);
}

static inline int32_t hb_smlabt(int32_t a, int32_t b, int32_t sum) {
    return __smlabt(a, b, sum);
}

static inline int32_t hb_smlatb(int32_t a, int32_t b, int32_t sum) {
    return __smlatb(a, b, sum);
}

/* a * b / 2**32, rounded to nearest, ties up. */
static inline int32_t hb_smmulr(int32_t a, int32_t b) {
    int32_t result;
    __asm("smmulr %0, %1, %2" : "=r"(result) : "r"(a), "r"(b));
    return result;
}

/* The nearest int8. */
static inline int32_t hb_ssat8(int32_t value) {
    return __ssat(value, 8);
}

#else

static inline void hb_load_pair(int32_t *first, int32_t *second, const int32_t *words) {
    *first = words[0];
    *second = words[1];
}

static inline int32_t hb_sxtb16(int32_t word) {
    return hb_pkhbt((int8_t)word, (int8_t)(word >> 16));
}

static inline int32_t hb_sxtb16_ror8(int32_t word) {
    return hb_pkhbt((int8_t)(word >> 8), (int8_t)(word >> 24));
}

static inline int32_t hb_rev16(int32_t word) {
    const uint32_t bits = (uint32_t)word;
    return (int32_t)((bits & 0x00ff00ffu) << 8 | (bits >> 8 & 0x00ff00ffu));
}

static inline int32_t hb_smlad(int32_t a, int32_t b, int32_t sum) {
    const int64_t low = (int64_t)(int16_t)a * (int16_t)b, high = (int64_t)(a >> 16) * (b >> 16);
    return (int32_t)(low + high + sum);
}

static inline int32_t hb_smuad(int32_t a, int32_t b) {
    return hb_smlad(a, b, 0);
}

static inline int32_t hb_smlabb(int32_t a, int32_t b, int32_t sum) {
    return (int16_t)a * (int16_t)b + sum;
}

static inline int32_t hb_smlabt(int32_t a, int32_t b, int32_t sum) {
    return (int16_t)a * (b >> 16) + sum;
}

static inline int32_t hb_smlatb(int32_t a, int32_t b, int32_t sum) {
    return (a >> 16) * (int16_t)b + sum;
}

static inline int32_t hb_smmulr(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + (INT64_C(1) << 31)) >> 32);
}

static inline int32_t hb_ssat8(int32_t value) {
    return value > INT8_MAX ? INT8_MAX : value < INT8_MIN ? INT8_MIN : value;
}

#endif

#endif
