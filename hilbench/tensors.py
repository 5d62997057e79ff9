"""What a tensor is, for everyone who moves one: its type, shape and quantisation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TensorInfo:
    """One input or output of a model. `dtype` is numpy's name; real = (q - zero_point) * scale for integers."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float = 0.0
    zero_point: int = 0

    @property
    def bytes(self) -> int:
        """Its size in memory."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize
