"""Makes the files of the suite `digits`: the held-out samples, and the int8 model trained on all the others.

    python suites/digits/make.py               write inputs.npy, labels.npy and digits.tflite; print accuracy and hashes
    python suites/digits/make.py --data-only   write inputs.npy and labels.npy (needs scikit-learn, not TensorFlow)
    python suites/digits/make.py --check       write nothing; fail unless the files here are what would be written

The samples are byte for byte the same everywhere. The model is the same for one machine and one TensorFlow: training is
seeded, single-threaded and uses deterministic kernels, but another processor may round a sum another way.
The suite names every file by its SHA-256; after a change, copy the printed hashes to `suites/digits.hil.yaml`.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).resolve().parent
HELD_OUT_PER_CLASS = 50
CLASSES = 10
SCALE = 1 / 16
"""A pixel of 0..16 as a real number of 0..1."""
MINIMUM_TOP1 = 0.97
SEED = 20
EPOCHS = 60
BATCH = 64
SHIFTS = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0))
OPERATORS = {
    "ADD",
    "AVERAGE_POOL_2D",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "MAX_POOL_2D",
    "PAD",
    "RESHAPE",
    "SOFTMAX",
}


@dataclass(frozen=True)
class Digits:
    """Images uint8 (n, 8, 8, 1) of 0..16 and labels uint8 (n,) of 0..9, in two parts that share no sample."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def load() -> Digits:
    """Return scikit-learn's handwritten digits, split without a random generator.

    Within each class the samples are ordered by the SHA-256 of their 64 pixels and their index in the data set (4
    bytes, little-endian); the first 50 of each class are held out, in the order of the data set.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = bunch.images.astype(np.uint8)[..., np.newaxis]
    labels = bunch.target.astype(np.uint8)
    order = [
        hashlib.sha256(image.tobytes() + index.to_bytes(4, "little")).digest() for index, image in enumerate(images)
    ]
    held_out: list[int] = []
    for digit in range(CLASSES):
        members = sorted(np.flatnonzero(labels == digit).tolist(), key=order.__getitem__)
        held_out += members[:HELD_OUT_PER_CLASS]
    test = np.zeros(len(labels), dtype=bool)
    test[held_out] = True
    return Digits(images[~test], labels[~test], images[test], labels[test])


def npy(array: np.ndarray) -> bytes:
    """Return `array` as the bytes of a .npy file of format 1.0."""
    file = io.BytesIO()
    np.lib.format.write_array(file, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return file.getvalue()


def shifted(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the images as real numbers, each also moved by one pixel up, down, left and right."""
    padded = np.pad(images.astype(np.float32) * SCALE, ((0, 0), (1, 1), (1, 1), (0, 0)))
    parts = [padded[:, 1 + dy : 9 + dy, 1 + dx : 9 + dx] for dy, dx in SHIFTS]
    return np.concatenate(parts), np.tile(labels, len(SHIFTS))


def train(digits: Digits) -> bytes:
    """Return the trained model, converted to full int8 (inputs and outputs too), as the bytes of a .tflite file."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"  # oneDNN picks kernels by processor and rounds in another order
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    tf.keras.utils.set_random_seed(SEED)

    model = build(tf)
    images, labels = shifted(digits.train_images, digits.train_labels)
    steps = EPOCHS * -(-len(images) // BATCH)
    rate = tf.keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(tf.keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    model.fit(images, labels, batch_size=BATCH, epochs=EPOCHS, shuffle=True, verbose=0)
    return to_int8(tf, model, digits.train_images.astype(np.float32) * np.float32(SCALE))


def build(tf: Any, batch: int | None = None) -> Any:
    """Return the untrained network: a convolution, two depthwise-separable blocks with pooling, dense, softmax."""
    layers = tf.keras.layers

    def block(x: Any, filters: int) -> Any:
        x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Conv2D(filters, 1, use_bias=False)(x)
        return layers.ReLU()(layers.BatchNormalization()(x))

    image = tf.keras.Input(batch_shape=(batch, 8, 8, 1), name="image")
    x = layers.Conv2D(16, 3, padding="same", use_bias=False)(image)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.MaxPooling2D(2)(block(x, 32))
    x = layers.AveragePooling2D(2)(block(x, 48))
    x = layers.Dropout(0.3)(layers.Reshape((2 * 2 * 48,))(x))
    x = layers.Softmax()(layers.Dense(CLASSES)(x))
    return tf.keras.Model(image, x, name="digits")


def to_int8(tf: Any, model: Any, images: np.ndarray) -> bytes:
    """Return `model` as a .tflite file of int8 only, with its ranges taken from `images`: training samples alone."""
    single = build(tf, batch=1)  # a fixed batch keeps SHAPE, STRIDED_SLICE and PACK out of the converted Reshape
    single.set_weights(model.get_weights())
    converter = tf.lite.TFLiteConverter.from_keras_model(single)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[np.newaxis]] for image in images)
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


def top1(model: bytes, images: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of `images` that TensorFlow Lite Micro's interpreter classifies as `labels` say."""
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(model)
    details = interpreter.get_input_details(0)
    scale = np.float32(details["quantization_parameters"]["scales"][0])
    zero_point = int(details["quantization_parameters"]["zero_points"][0])
    real = images.astype(np.float32) * np.float32(SCALE) / scale
    quantised = np.clip(np.floor(real.astype(np.float64) + 0.5) + zero_point, -128, 127).astype(np.int8)
    right = 0
    for image, label in zip(quantised, labels, strict=True):
        interpreter.set_input(image[np.newaxis], 0)
        interpreter.invoke()
        right += int(np.argmax(interpreter.get_output(0)) == label)
    return right / len(labels)


def make_model(digits: Digits) -> bytes:
    """Return a new model that passes the bar; exits with a message if it does not."""
    model = train(digits)
    found = operators(model)
    accuracy = top1(model, digits.test_images, digits.test_labels)
    print(f"digits.tflite: {len(model)} bytes, operators {' '.join(found)}")
    print(f"top-1 of the int8 model on {len(digits.test_labels)} held-out samples: {accuracy:.4f}")
    if other := set(found) - OPERATORS:
        sys.exit(
            f"error: not written: the model has operators that not every framework runs: {', '.join(sorted(other))}"
        )
    if accuracy < MINIMUM_TOP1:
        sys.exit(f"error: not written: top-1 {accuracy:.4f} is below {MINIMUM_TOP1}")
    return model


def main() -> None:
    """Make, or check, the files beside this script."""
    parser = argparse.ArgumentParser(description="Make the files of the suite 'digits'.")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if a file differs from what would be written"
    )
    parser.add_argument("--data-only", action="store_true", help="the samples only: no training, no TensorFlow")
    options = parser.parse_args()

    digits = load()
    files = {"inputs.npy": npy(digits.test_images), "labels.npy": npy(digits.test_labels)}
    if not options.data_only:
        files["digits.tflite"] = make_model(digits)

    differing = []
    for name, content in files.items():
        path = FOLDER / name
        same = path.is_file() and path.read_bytes() == content
        if not same:
            differing.append(name)
            if not options.check:
                path.write_bytes(content)
        state = "unchanged" if same else "differs" if options.check else "written"
        print(f"{hashlib.sha256(content).hexdigest()}  {name}  {state}")
    if options.check and differing:
        sys.exit(f"error: not what this script makes: {', '.join(differing)}")


if __name__ == "__main__":
    main()
