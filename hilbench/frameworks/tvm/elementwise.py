"""Kernels that compute each output element from one element of each input, and reductions: PrimFuncs for TVM.

Integers alone, with the arithmetic of TFLite Micro's reference kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tvm import s_tir, te, tirx

from hilbench.frameworks.tvm import kernel
from hilbench.frameworks.tvm.arithmetic import clamp, i32, scale
from hilbench.frameworks.tvm.kernels import prim_func

Expr = Any
PrimFunc = Any


@prim_func.register
def _(what: kernel.Sum) -> PrimFunc:
    first, second = _operands(what.dtype, what.left.shape, what.right.shape)

    def side(operand: kernel.Operand, tensor: Any, index: Sequence[Expr]) -> Expr:
        value = _read(tensor, operand.shape, index).astype("int32") - i32(operand.zero_point)
        return scale(value * i32(1 << what.fraction_bits), operand.factor)

    def output(*index: Expr) -> Expr:
        left, right = side(what.left, first, index), side(what.right, second, index)
        total = left - right if what.subtract else left + right
        value = scale(total, what.output.factor) + i32(what.output.zero_point)
        return clamp(value, what.low, what.high, what.dtype)

    return _plain([first, second], te.compute(what.output.shape, output, "out"))


@prim_func.register
def _(what: kernel.Product) -> PrimFunc:
    first, second = _operands(what.dtype, what.left.shape, what.right.shape)

    def output(*index: Expr) -> Expr:
        left, right = (
            _read(tensor, operand.shape, index).astype("int32") - i32(operand.zero_point)
            for tensor, operand in ((first, what.left), (second, what.right))
        )
        value = scale(left * right, what.output.factor) + i32(what.output.zero_point)
        return clamp(value, what.low, what.high, what.dtype)

    return _plain([first, second], te.compute(what.output.shape, output, "out"))


@prim_func.register
def _(what: kernel.Extreme) -> PrimFunc:
    first, second = _operands(what.dtype, what.left, what.right)
    choose = tirx.max if what.largest else tirx.min

    def output(*index: Expr) -> Expr:
        return choose(_read(first, what.left, index), _read(second, what.right, index))

    return _plain([first, second], te.compute(what.output, output, "out"))


@prim_func.register
def _(what: kernel.Lookup) -> PrimFunc:
    x, table = te.placeholder((what.size,), "int8", "x"), te.placeholder((256,), what.dtype, "table")
    out = te.compute((what.size,), lambda i: table[x[i].astype("int32") + i32(128)], "out")
    return _plain([x, table], out)


@prim_func.register
def _(what: kernel.Rescale) -> PrimFunc:
    x = te.placeholder((what.size,), what.source, "x")

    def output(i: Expr) -> Expr:
        value = x[i].astype("int32") - i32(what.source_zero_point)
        scaled = scale(value, what.factor)
        if what.below != what.factor:
            scaled = tirx.if_then_else(value >= i32(0), scaled, scale(value, what.below))
        return clamp(scaled + i32(what.zero_point), what.low, what.high, what.dtype)

    return _plain([x], te.compute((what.size,), output, "out"))


@prim_func.register
def _(what: kernel.Reduce) -> PrimFunc:
    x = te.placeholder(what.shape, what.dtype, "x")
    axes = [te.reduce_axis((0, size), f"k{i}") for i, size in enumerate(what.shape) if what.reduced[i]]
    kept = tuple(size for size, reduced in zip(what.shape, what.reduced, strict=True) if not reduced) or (1,)

    def total(*index: Expr) -> Expr:
        outer, inner = iter(index), iter(axes)
        place = [next(inner) if reduced else next(outer) for reduced in what.reduced]
        return te.sum(x(*place).astype("int32"), axis=axes)

    sums = te.compute(kept, total, "sums")

    def output(*index: Expr) -> Expr:
        value = scale(sums(*index) - i32(what.offset), what.factor) + i32(what.zero_point)
        return clamp(value, what.low, what.high, what.dtype)

    schedule = s_tir.Schedule(te.create_prim_func([x, te.compute(kept, output, "out")]))
    loops = schedule.get_loops(schedule.get_sblock("sums"))
    schedule.reverse_compute_at(schedule.get_sblock("out"), loops[len(kept) - 1])
    schedule.decompose_reduction(schedule.get_sblock("sums"), loops[len(kept)])
    return schedule.mod["main"]


def _operands(dtype: str, left: kernel.Shape, right: kernel.Shape) -> tuple[Any, Any]:
    return te.placeholder(left, dtype, "a"), te.placeholder(right, dtype, "b")


def _read(tensor: Any, shape: kernel.Shape, index: Sequence[Expr]) -> Expr:
    """Return the element for an index of the output; dimensions of 1 are repeated."""
    return tensor(*[i32(0) if size == 1 else i for size, i in zip(shape, index, strict=True)])


def _plain(inputs: list[Any], out: Any) -> PrimFunc:
    """Return the PrimFunc with loops as the expression has them."""
    return s_tir.Schedule(te.create_prim_func([*inputs, out])).mod["main"]
