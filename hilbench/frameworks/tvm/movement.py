"""Kernels that only move values: slices and transpositions, concatenation, resizing. PrimFuncs for TVM."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from tvm import s_tir, te, tirx

from hilbench.frameworks.tvm import kernel
from hilbench.frameworks.tvm.kernels import prim_func

Expr = Any
PrimFunc = Any


@prim_func.register
def _(what: kernel.Move) -> PrimFunc:
    x = te.placeholder((what.size,), what.dtype, "x")

    def output(*index: Expr) -> Expr:
        place = tirx.const(what.start, "int32")
        for i, stride in zip(index, what.strides, strict=True):
            place = place + i * stride
        return x[place]

    return s_tir.Schedule(te.create_prim_func([x, te.compute(what.shape, output, "out")])).mod["main"]


@prim_func.register
def _(what: kernel.Join) -> PrimFunc:
    ends = list(accumulate(what.runs))
    inputs = [te.placeholder((what.rows, run), what.dtype, f"x{i}") for i, run in enumerate(what.runs)]

    def output(row: Expr, i: Expr) -> Expr:
        value = inputs[-1][row, i - (ends[-1] - what.runs[-1])]
        for x, end, run in reversed(list(zip(inputs[:-1], ends[:-1], what.runs[:-1], strict=True))):
            value = tirx.if_then_else(tirx.likely(i < end), x[row, i - (end - run)], value)
        return value

    return s_tir.Schedule(te.create_prim_func([*inputs, te.compute((what.rows, ends[-1]), output, "out")])).mod["main"]


@prim_func.register
def _(what: kernel.Resize) -> PrimFunc:
    n, _, _, depth = what.shape
    x = te.placeholder(what.shape, what.dtype, "x")
    rows, columns = (te.placeholder((what.output[i],), "int32", name) for i, name in enumerate(("rows", "columns")))
    out = te.compute((n, *what.output, depth), lambda b, y, xx, c: x[b, rows[y], columns[xx], c], "out")
    return s_tir.Schedule(te.create_prim_func([x, rows, columns, out])).mod["main"]
