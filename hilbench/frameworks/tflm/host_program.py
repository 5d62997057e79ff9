"""TensorFlow Lite Micro on the computer: the program of a host image, and the reference that outputs are compared with.

python -m hilbench.frameworks.tflm.host_program MODEL.tflite        says on stderr why the interpreter refuses the model
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tflite_micro.python.tflite_micro import runtime

from hilbench.errors import ModelError

MODEL = "model.tflite"
"""The model's name among the data files of an image."""
_ARENA_BYTES = 32 * 1024 * 1024
"""Memory is not what the computer lacks: more than any model of a microcontroller needs."""
_TENSORS = 64


class Interpreter:
    """A `HostModel`: the model in the bytes of a .tflite file. Raises `ModelError` when TFLM does not take it.

    A broken file may also kill the process: what is not known to be good belongs into a process of its own.
    """

    arena_bytes = 0  # the Python package does not tell

    def __init__(self, model: bytes) -> None:
        try:
            self._interpreter = runtime.Interpreter.from_bytes(model, arena_size=_ARENA_BYTES)
            self._inputs = _tensors(self._interpreter.get_input_details)
            self._outputs = _tensors(self._interpreter.get_output_details)
        except (RuntimeError, ValueError, LookupError, TypeError, struct.error) as error:
            raise ModelError(f"TensorFlow Lite Micro does not take this model: {error}") from error
        self.input_bytes = sum(tensor.nbytes for tensor in self._inputs)
        self.output_bytes = sum(tensor.nbytes for tensor in self._outputs)

    def set_input(self, data: bytes) -> None:
        """Copy `data`, all input tensors one after another, into the model."""
        start = 0
        for index, tensor in enumerate(self._inputs):
            values = np.frombuffer(data, tensor.dtype, tensor.size, start)
            self._interpreter.set_input(values.reshape(tensor.shape), index)
            start += tensor.nbytes

    def invoke(self) -> None:
        """Run the model once."""
        self._interpreter.invoke()

    def get_output(self) -> bytes:
        """Return a copy of all output tensors, one after another."""
        return b"".join(self._interpreter.get_output(index).tobytes() for index in range(len(self._outputs)))


def load(folder: Path) -> Interpreter:
    """Return the model of a host image, ready to run. Raises `ModelError`."""
    return Interpreter((folder / MODEL).read_bytes())


def _tensors(details: Callable[[int], dict[str, Any]]) -> list[np.ndarray[Any, Any]]:
    """Return an array of the type and shape of each input or output: the package tells where they end by an error."""
    tensors = []
    for index in range(_TENSORS):
        try:
            tensor = details(index)
        except IndexError:
            break
        tensors.append(np.empty(tuple(tensor["shape"]), tensor["dtype"]))
    return tensors


if __name__ == "__main__":
    try:
        Interpreter(Path(sys.argv[1]).read_bytes())
    except ModelError as error:
        sys.exit(str(error))
