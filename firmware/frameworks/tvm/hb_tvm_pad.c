/* Padding of int8 tensors. */
#include <string.h>

#include "hb_tvm.h"

/* Writes `count` times the border's value at `out`; returns what is behind it. */
static int8_t *fill(int8_t *out, int8_t value, uint32_t count) {
    memset(out, value, count);
    return out + count;
}

void hb_pad_s8(const hb_pad *pad, const int8_t *restrict x, int8_t *restrict out) {
    const uint32_t *shape = pad->shape, *before = pad->before, *after = pad->after;
    const uint32_t pixel = before[3] + shape[3] + after[3];
    const uint32_t row = pixel * (before[2] + shape[2] + after[2]);
    const uint32_t plane = row * (before[1] + shape[1] + after[1]);
    const int8_t value = pad->value;
    /* Without a border inside pixels, a row is one run. */
    const uint32_t runs = pixel == shape[3] ? 1 : shape[2];
    const uint32_t run = pixel == shape[3] ? shape[2] * shape[3] : shape[3];

    out = fill(out, value, before[0] * plane);
    for (uint32_t n = 0; n < shape[0]; ++n) {
        out = fill(out, value, before[1] * row);
        for (uint32_t y = 0; y < shape[1]; ++y) {
            out = fill(out, value, before[2] * pixel);
            for (uint32_t i = 0; i < runs; ++i) {
                out = fill(out, value, before[3]);
                memcpy(out, x, run);
                out = fill(out + run, value, after[3]);
                x += run;
            }
            out = fill(out, value, after[2] * pixel);
        }
        out = fill(out, value, after[1] * row);
    }
    fill(out, value, after[0] * plane);
}
