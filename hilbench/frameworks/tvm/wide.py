"""Convolution of int16 activations with int8 weights: a PrimFunc for TVM.

TFLite Micro sums up in 64 bits and rounds once: reference/integer_ops/conv.h, depthwise_conv.h and fully_connected.h.
"""

from __future__ import annotations

from typing import Any

from tvm import s_tir, te

from hilbench.frameworks.tvm import kernel
from hilbench.frameworks.tvm.arithmetic import clamp, i64
from hilbench.frameworks.tvm.kernels import prim_func

Expr = Any
PrimFunc = Any


@prim_func.register
def _(what: kernel.WideConv2D) -> PrimFunc:
    n, height, width, depth = what.shape
    rows, columns = kernel.windows((height, width), what.window, what.stride, what.dilation)
    x = te.placeholder(what.shape, "int16", "x")
    shape = (*what.window, what.channels) if what.depthwise else (what.channels, *what.window, depth)
    weights = te.placeholder(shape, "int8", "weights")
    bias, multiplier, shift = (
        te.placeholder((what.channels,), dtype, name)
        for name, dtype in (("bias", "int64"), ("multiplier", "int32"), ("shift", "uint8"))
    )
    ky, kx = (te.reduce_axis((0, size), name) for size, name in zip(what.window, ("ky", "kx"), strict=True))
    kc = te.reduce_axis((0, depth), "kc")

    def product(b: Expr, y: Expr, xx: Expr, o: Expr) -> Expr:
        place = y * what.stride[0] + ky * what.dilation[0], xx * what.stride[1] + kx * what.dilation[1]
        pixel = x[b, *place, o // (what.channels // depth) if what.depthwise else kc].astype("int32")
        weight = weights[ky, kx, o] if what.depthwise else weights[o, ky, kx, kc]
        value = (pixel * weight.astype("int32")).astype("int64")
        return te.sum(value, axis=[ky, kx] if what.depthwise else [ky, kx, kc])

    sums = te.compute((n, rows, columns, what.channels), product, "sums")

    def output(*i: Expr) -> Expr:
        # MultiplyByQuantizedMultiplier of an int64, common.cc: the multiplier has 15 bits, and it rounds once.
        right = shift[i[3]].astype("int64")
        value = (sums(*i) + bias[i[3]]) * multiplier[i[3]].astype("int64") + (i64(1) << (right - i64(1)))
        return clamp((value >> right).astype("int32"), what.low, what.high, "int16")

    out = te.compute(sums.shape, output, "out")
    schedule = s_tir.Schedule(te.create_prim_func([x, weights, bias, multiplier, shift, out]))
    loops = schedule.get_loops(schedule.get_sblock("sums"))
    schedule.reverse_compute_at(schedule.get_sblock("out"), loops[3])
    schedule.decompose_reduction(schedule.get_sblock("sums"), loops[4])
    return schedule.mod["main"]
