"""What a kernel computes: one frozen record a kind, with every number that is fixed when a model is compiled.

Two operators with equal records share one kernel. Activations are int8 unless a record has a `dtype`, images are NHWC;
kernels know nothing of weights.
"""

from __future__ import annotations

from dataclasses import dataclass

from hilbench.frameworks.tvm.fixedpoint import Factor

Pair = tuple[int, int]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Requantize:
    """How an int32 sum becomes int8: per-channel multiplier and shifts, then zero point and clamp.

    `left_shift` is set if any channel's factor is 1 or more; the kernel then takes left shifts as well.
    """

    zero_point: int
    low: int
    high: int
    left_shift: bool


@dataclass(frozen=True)
class Conv2D:
    """Convolution of an already padded input (N, H, W, C) with weights (`channels`, KH, KW, C).

    Arguments: input, weights, bias, multiplier, [left,] right, output. The bias holds -zero_point * sum(weights).
    """

    shape: Shape
    window: Pair
    stride: Pair
    dilation: Pair
    channels: int
    requantize: Requantize


@dataclass(frozen=True)
class DepthwiseConv2D:
    """As `Conv2D`, each channel by itself, with weights (KH, KW, C * `multiplier`)."""

    shape: Shape
    window: Pair
    stride: Pair
    dilation: Pair
    multiplier: int
    requantize: Requantize


@dataclass(frozen=True)
class PackedConv2D:
    """`plain` by the DSP extension's SMLAD, in blocks of `pixels` x `channels` outputs; made by `packed`.

    Arguments: input, packed weights (int32), start (int32), multiplier, right shift - 1 (uint8), output.
    """

    plain: Conv2D
    pixels: int
    channels: int


@dataclass(frozen=True)
class PackedDepthwiseConv2D:
    """`plain` by the DSP extension's SMLAD, one channel after another; made by `packed`.

    Arguments: input, packed weights (int32), start (int32), multiplier, right shift - 1 (uint8), output.
    """

    plain: DepthwiseConv2D


@dataclass(frozen=True)
class Pool2D:
    """Largest or rounded average value of the part of each window that lies inside the input (N, H, W, C)."""

    average: bool
    shape: Shape
    window: Pair
    stride: Pair
    before: Pair
    output: Pair
    low: int
    high: int


@dataclass(frozen=True)
class Operand:
    """One side of an operation of two: its shape (1 where it is repeated), zero point and factor."""

    shape: Shape
    zero_point: int
    factor: Factor


@dataclass(frozen=True)
class Sum:
    """Sum or difference of two tensors with scales of their own, each brought to `fraction_bits` before.

    `output.shape` is what both are broadcast to. Activations are of `dtype`.
    """

    dtype: str
    left: Operand
    right: Operand
    output: Operand
    fraction_bits: int
    subtract: bool
    low: int
    high: int


@dataclass(frozen=True)
class Product:
    """Product of two tensors, scaled by the output's factor. Operands have no factor of their own."""

    dtype: str
    left: Operand
    right: Operand
    output: Operand
    low: int
    high: int


@dataclass(frozen=True)
class Extreme:
    """The larger (`largest`) or smaller of two tensors' stored values."""

    dtype: str
    largest: bool
    left: Shape
    right: Shape
    output: Shape


@dataclass(frozen=True)
class Lookup:
    """An entry of a table of 256 for each of `size` int8 values. Arguments: input, table of `dtype`, output."""

    dtype: str
    size: int


@dataclass(frozen=True)
class Rescale:
    """Each of `size` values less its zero point, times a factor, plus another zero point, clamped.

    Values below the zero point take the factor `below`.
    """

    source: str
    dtype: str
    size: int
    source_zero_point: int
    factor: Factor
    below: Factor
    zero_point: int
    low: int
    high: int


@dataclass(frozen=True)
class Reduce:
    """Sum over the dimensions that `reduced` marks, less `offset`, times a factor, plus a zero point, clamped."""

    dtype: str
    shape: Shape
    reduced: tuple[bool, ...]
    offset: int
    factor: Factor
    zero_point: int
    low: int
    high: int


@dataclass(frozen=True)
class Move:
    """out[i, j, ...] = input[start + i * strides[0] + j * strides[1] + ...] of an input of `size` elements."""

    dtype: str
    size: int
    shape: Shape
    strides: Shape
    start: int


@dataclass(frozen=True)
class Join:
    """`rows` times a run of `runs[0]` elements of the first input, then of `runs[1]` of the second, and so on."""

    dtype: str
    rows: int
    runs: Shape


@dataclass(frozen=True)
class Resize:
    """Picks rows and columns of an image (N, H, W, C). Arguments: input, rows and columns (int32), output."""

    dtype: str
    shape: Shape
    output: Pair


@dataclass(frozen=True)
class WideConv2D:
    """Convolution of an already padded int16 input (N, H, W, C) with int8 weights; sums have 64 bits.

    Weights are (`channels`, KH, KW, C), or (KH, KW, `channels`) if `depthwise`.
    Arguments: input, weights, bias (int64), multiplier (of 15 bits), right shift, output. Zero points are 0.
    """

    shape: Shape
    window: Pair
    stride: Pair
    dilation: Pair
    channels: int
    depthwise: bool
    low: int
    high: int


@dataclass(frozen=True)
class Pad:
    """The input with `before` and `after` elements of `value` around it, one number a dimension.

    Not TVM's: `hb_pad_s8` in firmware/frameworks/tvm, for at most four dimensions.
    """

    shape: Shape
    before: Shape
    after: Shape
    value: int


@dataclass(frozen=True)
class Softmax:
    """Softmax of each row, by a table of exponentials. Not TVM's: `hb_softmax_s8` in firmware/frameworks/tvm.

    Arguments: input, table (256 int32), output.
    """

    rows: int
    depth: int


@dataclass(frozen=True)
class Candidate:
    """`plain` with one of many schedules, told apart by `number`: only in what `hilbench tune` measures."""

    plain: Conv2D | DepthwiseConv2D
    number: int


Kernel = (
    Candidate | Conv2D | PackedConv2D | DepthwiseConv2D | PackedDepthwiseConv2D | WideConv2D | Pool2D | Softmax
    | Sum | Product | Extreme | Lookup | Rescale | Reduce
    | Move | Join | Resize | Pad
)  # fmt: skip


def windows(size: Pair, window: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Pair:
    """Return how many windows fit into `size`, down and across."""
    down, across = ((size[i] - (window[i] - 1) * dilation[i] - 1) // stride[i] + 1 for i in range(2))
    return down, across
