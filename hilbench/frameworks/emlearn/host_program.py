"""The program of emlearn's host images: the same C as on a board, compiled for this computer and called in-process."""

from __future__ import annotations

import ctypes
from pathlib import Path

from hilbench.errors import ModelError

LIBRARY = "model.so"
"""The library's name among the data files of an image."""


class _Tensor(ctypes.Structure):
    """`hb_tensor` of hb_model.h."""

    _fields_ = (("data", ctypes.c_void_p), ("bytes", ctypes.c_uint32))


class Library:
    """A `HostModel`: what implements hb_model.h in a shared library."""

    def __init__(self, path: Path) -> None:
        try:
            self._library = ctypes.CDLL(str(path.resolve()))
        except OSError as error:
            raise ModelError(f"this image was built for another computer: {error}") from error
        if self._library.hb_model_init():
            raise ModelError("the model does not start")
        self._input = self._tensor("hb_model_input")
        self._output = self._tensor("hb_model_output")
        self.input_bytes, self.output_bytes = int(self._input.bytes), int(self._output.bytes)
        self.arena_bytes = int(self._library.hb_model_arena_used())

    def _tensor(self, function: str) -> _Tensor:
        """Return the first input or output; emlearn's models have one of each."""
        get = self._library[function]
        get.argtypes, get.restype = [ctypes.c_uint32], _Tensor
        tensor: _Tensor = get(0)
        return tensor

    def set_input(self, data: bytes) -> None:
        """Copy `data` into the model."""
        ctypes.memmove(self._input.data, data, self.input_bytes)

    def invoke(self) -> None:
        """Run the model once."""
        if error := self._library.hb_model_invoke():
            raise RuntimeError(f"emlearn reports error {error}")

    def get_output(self) -> bytes:
        """Return a copy of the output."""
        return ctypes.string_at(self._output.data, self.output_bytes)


def load(folder: Path) -> Library:
    """Return the model of a host image, ready to run. Raises `ModelError`."""
    return Library(folder / LIBRARY)
