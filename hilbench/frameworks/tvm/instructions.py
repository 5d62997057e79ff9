"""Instructions of Arm's DSP extension as TIR expressions, for kernels that are written out by hand.

In TIR each is a call of the function of that name in firmware/frameworks/tvm/hb_tvm_dsp.h. LLVM knows them as
intrinsics or as patterns of plain arithmetic: `as_llvm` puts those in place of the calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tvm
import tvm_ffi
from tvm import tirx
from tvm.script.ir_builder import tirx as script
from tvm.tirx.stmt import BufferStore, Evaluate, SeqStmt

Expr = Any
Buffer = Any


def i32(value: int) -> Expr:
    """Return an int32 constant."""
    return tirx.const(value, "int32")


def load4(buffer: Buffer, index: Expr) -> Expr:
    """Four int8 of `buffer` from `index` on as one word; they need not be aligned."""
    return _call("hb_load4", script.address_of(buffer[index]))


def load_pair(target: Buffer, place: int, buffer: Buffer, index: list[Expr]) -> None:
    """Statement: copy two words of `buffer` from `index` on to `target` from `place` on."""
    first, second = script.address_of(target[place]), script.address_of(target[place + 1])
    script.evaluate(script.call_extern("int32", "hb_load_pair", first, second, script.address_of(buffer[tuple(index)])))


def sxtb16(word: Expr) -> Expr:
    """Bytes 0 and 2 as two int16."""
    return _call("hb_sxtb16", word)


def sxtb16_ror8(word: Expr) -> Expr:
    """Bytes 1 and 3 as two int16."""
    return _call("hb_sxtb16_ror8", word)


def rev16(word: Expr) -> Expr:
    """The word with the bytes of each half swapped."""
    return _call("hb_rev16", word)


def smlad(a: Expr, b: Expr, total: Expr) -> Expr:
    """`total` and the products of the low and of the high halves of `a` and `b`, modulo 2**32."""
    return _call("hb_smlad", a, b, total)


def smuad(a: Expr, b: Expr) -> Expr:
    """The sum of the products of the low and of the high halves of `a` and `b`."""
    return _call("hb_smuad", a, b)


def smlabb(a: Expr, b: Expr, total: Expr) -> Expr:
    """`total` and the product of the low halves."""
    return _call("hb_smlabb", a, b, total)


def smlabt(a: Expr, b: Expr, total: Expr) -> Expr:
    """`total` and the product of the low half of `a` and the high half of `b`."""
    return _call("hb_smlabt", a, b, total)


def smlatb(a: Expr, b: Expr, total: Expr) -> Expr:
    """`total` and the product of the high half of `a` and the low half of `b`."""
    return _call("hb_smlatb", a, b, total)


def pkhbt(low: Expr, high: Expr) -> Expr:
    """The low halves of two int32 as the low and the high half of a word."""
    return _call("hb_pkhbt", low, high)


def lsl(value: Expr, bits: Expr) -> Expr:
    """`value` shifted left; C has no shift of negative numbers."""
    return _call("hb_lsl", value, bits)


def smmulr(a: Expr, b: Expr) -> Expr:
    """a * b / 2**32, rounded to nearest, ties up."""
    return _call("hb_smmulr", a, b)


def ssat8(value: Expr) -> Expr:
    """The int8 nearest to `value`, as int32."""
    return _call("hb_ssat8", value)


def _call(name: str, *arguments: Expr) -> Expr:
    return script.call_pure_extern("int32", name, *arguments)


def as_llvm(body: Any) -> Any:
    """Return `body` with what LLVM makes the instructions of."""

    def expression(call: Any) -> Any:
        name, *arguments = call.args if getattr(call.op, "name", "") == "tirx.call_pure_extern" else ("",)
        rule = _LLVM.get(str(getattr(name, "value", "")))
        return rule(*arguments) if rule else call

    def statement(node: Any) -> Any:
        call = node.value
        if getattr(getattr(call, "op", None), "name", "") != "tirx.call_extern" or call.args[0].value != "hb_load_pair":
            return node
        first, second, words = (argument.args[0] for argument in call.args[1:])
        values = (words, words.source[words.indices[0] + 1])
        return SeqStmt(
            [BufferStore(to.source, value, to.indices) for to, value in zip((first, second), values, strict=True)]
        )

    body = tvm_ffi.structural_map(body, (tvm.ir.Call, expression), order="post")
    return tvm_ffi.structural_map(body, (Evaluate, statement), order="post")


def _intrinsic(name: str) -> Callable[..., Expr]:
    return lambda *arguments: script.call_llvm_pure_intrin("int32", f"llvm.{name}", *arguments)


def _rotated(word: Expr, bits: int) -> Expr:
    return _intrinsic("fshr")(word, word, i32(bits))


def _smmulr_pattern(a: Expr, b: Expr) -> Expr:
    product = a.astype("int64") * b.astype("int64") + tirx.const(1 << 31, "int64")
    return (product >> tirx.const(32, "int64")).astype("int32")


_LLVM: dict[str, Callable[..., Expr]] = {
    "hb_load4": lambda place: script.reinterpret("int32", place.args[0].source.vload(place.args[0].indices, "int8x4")),
    "hb_sxtb16": _intrinsic("arm.sxtb16"),
    "hb_sxtb16_ror8": lambda word: _intrinsic("arm.sxtb16")(_rotated(word, 8)),
    "hb_rev16": lambda word: _rotated(_intrinsic("bswap")(word), 16),
    "hb_smlad": _intrinsic("arm.smlad"),
    "hb_smuad": _intrinsic("arm.smuad"),
    "hb_smlabb": _intrinsic("arm.smlabb"),
    "hb_smlabt": _intrinsic("arm.smlabt"),
    "hb_smlatb": _intrinsic("arm.smlatb"),
    "hb_smmulr": _smmulr_pattern,
    "hb_pkhbt": lambda low, high: (low & i32(0xFFFF)) | (high << i32(16)),
    "hb_lsl": lambda value, bits: value << bits,
    "hb_ssat8": lambda value: _intrinsic("arm.ssat")(value, i32(8)),
}
