/* What a model that TVM compiled needs beside its kernels: padding and softmax. */
#ifndef HB_TVM_H
#define HB_TVM_H

#include <stdint.h>

/* A block of up to four dimensions and the border around it, in elements. */
typedef struct {
    uint32_t shape[4], before[4], after[4];
    int8_t value;
} hb_pad;

/* Copies `x` into the middle of `out`, and `pad->value` into all of the border. */
void hb_pad_s8(const hb_pad *pad, const int8_t *restrict x, int8_t *restrict out);

/* Softmax of each of `rows` rows of `depth` elements, as TFLite Micro computes it; output scale 1/256, zero
 * point -128. `exponentials[d]` is exp(-d * scale * beta) with 31 fraction bits, or 0 where TFLite drops the
 * term. */
void hb_softmax_s8(const int8_t *restrict x, const int32_t *restrict exponentials, int8_t *restrict out,
                   uint32_t rows, uint32_t depth);

#endif
