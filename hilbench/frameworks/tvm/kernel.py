"""What a kernel computes: one frozen record a kind, with every number that is fixed when a model is compiled.

Two operators with equal records share one kernel. All activations are int8 in NHWC; kernels know nothing of weights.
"""

from __future__ import annotations

from dataclasses import dataclass

Pair = tuple[int, int]
Shape = tuple[int, ...]

# ADD brings both sides to this many fraction bits: lite/kernels/add.cc, left_shift.
ADD_FRACTION_BITS = 20


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
class AddSide:
    """One operand of an addition: its shape (broadcast to the output's), zero point, multiplier and right shift."""

    shape: Shape
    zero_point: int
    multiplier: int
    shift: int


@dataclass(frozen=True)
class Add:
    """Sum of two tensors with their own scales, each brought to `ADD_FRACTION_BITS` before."""

    left: AddSide
    right: AddSide
    output: AddSide
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


Kernel = Conv2D | DepthwiseConv2D | Pool2D | Add | Pad | Softmax


def windows(size: Pair, window: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Pair:
    """Return how many windows fit into `size`, down and across."""
    down, across = ((size[i] - (window[i] - 1) * dilation[i] - 1) // stride[i] + 1 for i in range(2))
    return down, across
