/* Softmax of int8 rows in fixed point: the arithmetic of TFLite's reference_ops::Softmax and gemmlowp's
 * fixedpoint.h. */
#include "hb_tvm.h"

/* Fraction bits of a sum of exponentials are 31 - 12: softmax.h, kAccumulationIntegerBits. */
#define ACCUMULATION_INTEGER_BITS 12

/* a * b / 2**31, rounded to nearest. */
static int32_t high_multiply(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

/* x / 2**bits, rounded half away from zero; 0 < bits < 32. */
static int32_t rounding_shift(int32_t x, int bits) {
    const int32_t mask = (int32_t)((UINT32_C(1) << bits) - 1);
    return (x >> bits) + ((x & mask) > (mask >> 1) + (x < 0));
}

/* x * 4, at most the largest int32 in size. */
static int32_t saturating_quadruple(int32_t x) {
    if (x > INT32_MAX / 4) {
        return INT32_MAX;
    }
    return x < INT32_MIN / 4 ? INT32_MIN : x * 4;
}

/* 1 / (1 + x) with 31 fraction bits for x in [0, 1) with 31 fraction bits: one_over_one_plus_x_for_x_in_0_1.
 * Newton's method on half the denominator; 48/17 and -32/17 with 29 fraction bits start it. */
static int32_t one_over_one_plus(int32_t x) {
    const int32_t half_denominator = (int32_t)(((int64_t)x + INT32_MAX + 1) >> 1);
    int32_t estimate = 1515870810 + high_multiply(half_denominator, -1010580540);
    for (int i = 0; i < 3; ++i) {
        const int32_t error = (1 << 29) - high_multiply(half_denominator, estimate);
        estimate += saturating_quadruple(high_multiply(estimate, error));
    }
    return estimate > INT32_MAX / 2 ? INT32_MAX : estimate < INT32_MIN / 2 ? INT32_MIN : estimate * 2;
}

static void softmax_row(const int8_t *restrict x, const int32_t *restrict exponentials, int8_t *restrict out,
                        uint32_t depth) {
    int32_t largest = INT8_MIN;
    for (uint32_t i = 0; i < depth; ++i) {
        largest = x[i] > largest ? x[i] : largest;
    }
    int32_t sum = 0;
    for (uint32_t i = 0; i < depth; ++i) {
        sum += rounding_shift(exponentials[largest - x[i]], ACCUMULATION_INTEGER_BITS);
    }
    const int headroom = __builtin_clz((uint32_t)sum);
    const int32_t scale = one_over_one_plus((int32_t)(((uint32_t)sum << headroom) - (UINT32_C(1) << 31)));
    const int bits = ACCUMULATION_INTEGER_BITS - headroom + 31 - 8;
    for (uint32_t i = 0; i < depth; ++i) {
        const int32_t value =
            rounding_shift(high_multiply(scale, exponentials[largest - x[i]]), bits) + INT8_MIN;
        out[i] = (int8_t)(value > INT8_MAX ? INT8_MAX : value);
    }
}

void hb_softmax_s8(const int8_t *restrict x, const int32_t *restrict exponentials, int8_t *restrict out,
                   uint32_t rows, uint32_t depth) {
    for (uint32_t row = 0; row < rows; ++row) {
        softmax_row(x + row * depth, exponentials, out + row * depth, depth);
    }
}
