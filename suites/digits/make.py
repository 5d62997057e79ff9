"""Makes the files of the suite `digits`: the held-out samples, and the int8 model trained on all the others.

    python suites/digits/make.py               write inputs.npy, labels.npy and digits.tflite; print accuracy and hashes
    python suites/digits/make.py --data-only   write inputs.npy and labels.npy (needs scikit-learn, not TensorFlow)
    python suites/digits/make.py --check       write nothing; fail unless the files here are what would be written

The samples are byte for byte the same everywhere. The model is the same for one machine and one TensorFlow: training is
seeded, single-threaded and uses deterministic kernels, but another processor may round a sum another way.
The suite names every file by its SHA-256; after a change, copy the printed hashes to `suites/digits.hil.yaml`.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import making

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


def data() -> dict[str, bytes]:
    """Return the held-out samples and their labels."""
    digits = load()
    return {"inputs.npy": making.npy(digits.test_images), "labels.npy": making.npy(digits.test_labels)}


def models() -> dict[str, bytes]:
    """Return a new model that passes its bar; exits with a message if it does not."""
    digits = load()
    model = train(digits)
    _, outputs = making.infer(model, digits.test_images.astype(np.float32) * np.float32(SCALE))
    right = float((outputs.argmax(axis=1) == digits.test_labels).mean())
    making.refuse_unless("digits.tflite", right, MINIMUM_TOP1, "top-1", making.operators(model))
    return {"digits.tflite": model}


def shifted(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the images as real numbers, each also moved by one pixel up, down, left and right."""
    padded = np.pad(images.astype(np.float32) * SCALE, ((0, 0), (1, 1), (1, 1), (0, 0)))
    parts = [padded[:, 1 + dy : 9 + dy, 1 + dx : 9 + dx] for dy, dx in SHIFTS]
    return np.concatenate(parts), np.tile(labels, len(SHIFTS))


def train(digits: Digits) -> bytes:
    """Return the trained model, converted to full int8 (inputs and outputs too), as the bytes of a .tflite file."""
    tf = making.seeded_tensorflow(SEED)
    model = build(tf)
    images, labels = shifted(digits.train_images, digits.train_labels)
    steps = EPOCHS * -(-len(images) // BATCH)
    rate = tf.keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(tf.keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    model.fit(images, labels, batch_size=BATCH, epochs=EPOCHS, shuffle=True, verbose=0)
    single = build(tf, batch=1)  # a fixed batch keeps SHAPE, STRIDED_SLICE and PACK out of the converted Reshape
    single.set_weights(model.get_weights())
    return making.to_int8(tf, single, digits.train_images.astype(np.float32) * np.float32(SCALE))


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


if __name__ == "__main__":
    making.main(FOLDER, data, models)
