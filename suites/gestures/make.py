"""Makes the files of the suite `gestures`: simulated windows of held-out users, and a network for them.

    python suites/gestures/make.py               write all files; print accuracy and hashes
    python suites/gestures/make.py --data-only   write the samples (needs nothing but numpy)
    python suites/gestures/make.py --check       write nothing; fail unless the files here are what would be written

The samples are byte for byte the same everywhere, the model for one machine and one TensorFlow. The suite names every
file by its SHA-256; after a change, copy the printed hashes to `suites/gestures.hil.yaml`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import making
import motion

FOLDER = Path(__file__).resolve().parent
SCALE = 1 / motion.STEPS_PER_G
"""A step as a real number, in g."""
SEED = 11
EPOCHS = 30
BATCH = 64
MINIMUM_TOP1 = 0.95


def data() -> dict[str, bytes]:
    """Return the held-out samples and their labels."""
    windows, kinds = motion.simulate(motion.TEST)
    return {"inputs.npy": making.npy(windows), "labels.npy": making.npy(kinds)}


def models() -> dict[str, bytes]:
    """Return a new model that passes its bar; exits with a message if it does not."""
    windows, kinds = motion.simulate(motion.TEST)
    model = train(*motion.simulate(motion.TRAIN))
    _, outputs = making.infer(model, windows.astype(np.float32) * np.float32(SCALE))
    right = float((outputs.argmax(axis=1) == kinds).mean())
    making.refuse_unless("gestures.tflite", right, MINIMUM_TOP1, "top-1", making.operators(model))
    return {"gestures.tflite": model}


def train(windows: np.ndarray, kinds: np.ndarray) -> bytes:
    """Return the trained network as an int8 .tflite file."""
    tf = making.seeded_tensorflow(SEED)
    real = windows.astype(np.float32) * np.float32(SCALE)
    model = network(tf)
    rate = tf.keras.optimizers.schedules.CosineDecay(3e-3, EPOCHS * -(-len(real) // BATCH))
    model.compile(tf.keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    model.fit(real, kinds, batch_size=BATCH, epochs=EPOCHS, shuffle=True, verbose=0)
    single = network(tf, batch=1)
    single.set_weights(model.get_weights())
    return making.to_int8(tf, single, real[::4])


def network(tf: Any, batch: int | None = None) -> Any:
    """Return the untrained network: a convolution over time, three depthwise-separable blocks, dense, softmax."""
    layers = tf.keras.layers

    def block(x: Any, filters: int) -> Any:
        x = layers.DepthwiseConv2D((1, 5), padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Conv2D(filters, 1, use_bias=False)(x)
        return layers.ReLU()(layers.BatchNormalization()(x))

    window = tf.keras.Input(batch_shape=(batch, 1, motion.LENGTH, 3), name="acceleration")
    x = layers.Conv2D(12, (1, 5), strides=(1, 2), padding="same", use_bias=False)(window)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.MaxPooling2D((1, 2))(block(x, 24))
    x = layers.MaxPooling2D((1, 2))(block(x, 32))
    x = layers.AveragePooling2D((1, 16))(block(x, 32))
    x = layers.Dropout(0.2)(layers.Reshape((32,))(x))
    return tf.keras.Model(window, layers.Softmax()(layers.Dense(len(motion.CLASSES))(x)), name="gestures")


if __name__ == "__main__":
    making.main(FOLDER, data, models)
