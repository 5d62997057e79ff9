"""What scripts suites/<id>/make.py share: random numbers that last, int8 models, and files to write or check."""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

OPERATORS = {
    "AVERAGE_POOL_2D",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "MAX_POOL_2D",
    "RESHAPE",
    "SOFTMAX",
}
"""What a model may be made of, so that every framework for .tflite runs it."""

Files = Mapping[str, bytes]


class Draws:
    """Random numbers that depend on `key` alone, and on no release of numpy.

    numpy promises to keep the raw output of PCG64 and SeedSequence, but not what its generators make of it.
    """

    def __init__(self, *key: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(key))

    def uniform(self, low: float, high: float, count: int = 1) -> np.ndarray:
        """Return `count` numbers from `low` to below `high`, of 53 random bits each."""
        return low + (high - low) * (self._bits.random_raw(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def one(self, low: float, high: float) -> float:
        """Return one number from `low` to below `high`."""
        return float(self.uniform(low, high)[0])

    def pick(self, count: int) -> int:
        """Return one whole number from 0 to below `count`."""
        return int(self.one(0, count))

    def normal(self, count: int) -> np.ndarray:
        """Return `count` normal numbers of variance 1 (Box and Muller 1958)."""
        radius = np.sqrt(-2 * np.log1p(-self.uniform(0, 1, count)))
        return radius * np.cos(2 * np.pi * self.uniform(0, 1, count))


def npy(array: np.ndarray) -> bytes:
    """Return `array` as the bytes of a .npy file of format 1.0."""
    file = io.BytesIO()
    np.lib.format.write_array(file, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return file.getvalue()


def seeded_tensorflow(seed: int) -> Any:
    """Return the module tensorflow, set up to train the same model each time on one machine."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"  # oneDNN picks kernels by processor and rounds in another order
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    tf.keras.utils.set_random_seed(seed)
    return tf


def to_int8(tf: Any, model: Any, samples: np.ndarray) -> bytes:
    """Return a Keras `model` of batch size 1 as a .tflite file of int8 only, ranges taken from float32 `samples`."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample[np.newaxis]] for sample in samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def operators(model: bytes) -> list[str]:
    """Return the names of the model's operators, in order."""
    from tflite.BuiltinOperator import BuiltinOperator
    from tflite.Model import Model

    names = {value: name for name, value in vars(BuiltinOperator).items() if not name.startswith("_")}
    root = Model.GetRootAs(model, 0)
    graph = root.Subgraphs(0)
    codes = [root.OperatorCodes(graph.Operators(i).OpcodeIndex()) for i in range(graph.OperatorsLength())]
    return [names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())] for code in codes]


def infer(model: bytes, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what goes into the int8 `model` for real-valued `samples`, and what comes out, both as real numbers.

    Each is float64 (samples, elements). TensorFlow Lite Micro's interpreter runs the model.
    """
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(model)
    details = interpreter.get_input_details(0), interpreter.get_output_details(0)
    numbers = (one["quantization_parameters"] for one in details)
    into, out = ((float(one["scales"][0]), int(one["zero_points"][0])) for one in numbers)
    real = (samples.astype(np.float32) / np.float32(into[0])).astype(np.float64)
    quantised = np.clip(np.trunc(real + np.copysign(0.5, real)) + into[1], -128, 127).astype(np.int8)
    outputs = []
    for sample in quantised:
        interpreter.set_input(sample[np.newaxis], 0)
        interpreter.invoke()
        outputs.append(interpreter.get_output(0).ravel().copy())
    inputs = quantised.reshape(len(samples), -1).astype(np.float64)
    return (inputs - into[1]) * into[0], (np.stack(outputs).astype(np.float64) - out[1]) * out[0]


def refuse_unless(name: str, value: float, minimum: float, score: str, found: Sequence[str] = ()) -> None:
    """Print what a new model is worth; exit with a message if it misses its bar or has a strange operator."""
    print(f"{name}: {score} on the held-out samples {value:.4f}" + (f"; operators {' '.join(found)}" if found else ""))
    if other := sorted(set(found) - OPERATORS):
        sys.exit(f"error: not written: {name} has operators that not every framework runs: {', '.join(other)}")
    if value < minimum:
        sys.exit(f"error: not written: {score} of {name} is {value:.4f}, below {minimum}")


def main(folder: Path, data: Callable[[], Files], models: Callable[[], Files]) -> None:
    """Make, or check, the files in `folder`; exit with a message when a check finds a difference."""
    parser = argparse.ArgumentParser(description=f"Make the files of the suite '{folder.name}'.")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if a file differs from what would be written"
    )
    parser.add_argument("--data-only", action="store_true", help="the samples only: no training, nothing but numpy")
    options = parser.parse_args()

    differing = []
    for name, content in {**data(), **({} if options.data_only else models())}.items():
        path = folder / name
        same = path.is_file() and path.read_bytes() == content
        if not same:
            differing.append(name)
            if not options.check:
                path.write_bytes(content)
        state = "unchanged" if same else "differs" if options.check else "written"
        print(f"{hashlib.sha256(content).hexdigest()}  {name}  {state}")
    if options.check and differing:
        sys.exit(f"error: not what this script makes: {', '.join(differing)}")
