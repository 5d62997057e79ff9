"""Makes the files of the suite `keywords`: spoken test samples as features, and a model trained on other voices.

    python suites/keywords/make.py               write all files; print accuracy and hashes
    python suites/keywords/make.py --data-only   write the samples (needs espeak-ng and numpy)
    python suites/keywords/make.py --check       write nothing; fail unless the files here are what would be written

The samples are byte for byte the same wherever espeak-ng is of the version in `speech.ESPEAK_VERSION`, the model for
one machine and one TensorFlow. The suite names every file by its SHA-256; after a change, copy the printed hashes to
`suites/keywords.hil.yaml`.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import making
import mfcc
import speech

FOLDER = Path(__file__).resolve().parent
PER_CLASS: dict[speech.Part, int] = {"train": 700, "test": 50}
MINIMUM_TOP1 = 0.87
SEED = 30
EPOCHS = 24
BATCH = 64
FILTERS = 32
BLOCKS = 4


def data() -> dict[str, bytes]:
    """Return the samples of the held-out voices and their labels."""
    if (version := speech.espeak_version()) != speech.ESPEAK_VERSION:
        print(
            f"warning: espeak-ng is {version} here, {speech.ESPEAK_VERSION} made the files: samples may differ",
            file=sys.stderr,
        )
    features, labels = spoken("test")
    return {"inputs.npy": making.npy(features), "labels.npy": making.npy(labels)}


def models() -> dict[str, bytes]:
    """Return a new model that passes its bar; exits with a message if it does not."""
    features, labels = spoken("test")
    model = train(*spoken("train"))
    right = classes(model, features) == labels
    each = (f"{name} {right[labels == label].mean():.2f}" for label, name in enumerate(speech.CLASSES))
    print("top-1 by class:", ", ".join(each))
    making.refuse_unless("keywords.tflite", float(right.mean()), MINIMUM_TOP1, "top-1", making.operators(model))
    return {"keywords.tflite": model}


@cache
def spoken(part: speech.Part) -> tuple[np.ndarray, np.ndarray]:
    """Return features int8 (n, 49, 10, 1) and labels uint8 (n,) of 0..11: class after class, as many of each."""
    utterances = [
        speech.utterance(part, label, number)
        for label in range(len(speech.CLASSES))
        for number in range(PER_CLASS[part])
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # espeak-ng is a process of its own
        features = list(pool.map(lambda one: mfcc.mfcc(speech.sound(one)), utterances))
    return np.stack(features)[..., np.newaxis], np.array([one.label for one in utterances], np.uint8)


def train(features: np.ndarray, labels: np.ndarray) -> bytes:
    """Return the trained network as an int8 .tflite file.

    Its ranges are taken from training samples, and from one more that holds the ends of int8: so the input's scale is
    that of the features and its zero point 0, and a feature goes into the model as it is.
    """
    tf = making.seeded_tensorflow(SEED)
    real = features.astype(np.float32) * np.float32(mfcc.SCALE)
    model = network(tf)
    rate = tf.keras.optimizers.schedules.CosineDecay(3e-3, EPOCHS * -(-len(real) // BATCH))
    model.compile(tf.keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    model.fit(real, labels, batch_size=BATCH, epochs=EPOCHS, shuffle=True, verbose=2)
    single = network(tf, batch=1)
    single.set_weights(model.get_weights())
    ends = np.zeros_like(real[:1])
    ends.flat[:2] = -128 * mfcc.SCALE, 127 * mfcc.SCALE
    return making.to_int8(tf, single, np.concatenate([real[::7], ends]))


def network(tf: Any, batch: int | None = None) -> Any:
    """Return the untrained network: MLPerf Tiny's DS-CNN with half its filters.

    A convolution of 10x4 with stride 2, four depthwise-separable blocks, the mean over all places, dense, softmax.
    """
    layers = tf.keras.layers

    def normalised(x: Any) -> Any:
        return layers.ReLU()(layers.BatchNormalization()(x))

    features = tf.keras.Input(batch_shape=(batch, mfcc.FRAMES, mfcc.COEFFICIENTS, 1), name="features")
    x = normalised(layers.Conv2D(FILTERS, (10, 4), strides=2, padding="same", use_bias=False)(features))
    for _ in range(BLOCKS):
        x = normalised(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x))
        x = normalised(layers.Conv2D(FILTERS, 1, use_bias=False)(x))
    x = layers.AveragePooling2D(x.shape[1:3])(x)
    x = layers.Dropout(0.3)(layers.Reshape((FILTERS,))(x))
    x = layers.Softmax()(layers.Dense(len(speech.CLASSES))(x))
    return tf.keras.Model(features, x, name="keywords")


def classes(model: bytes, features: np.ndarray) -> np.ndarray:
    """Return the class (n,) that TensorFlow Lite Micro's interpreter gives each of `features` int8 (n, 49, 10, 1)."""
    inputs, outputs = making.infer(model, features.astype(np.float32) * np.float32(mfcc.SCALE))
    if not np.array_equal(inputs.ravel(), features.ravel() * mfcc.SCALE):
        sys.exit(f"error: the model's input does not have the features' scale, {mfcc.SCALE}, and zero point 0")
    return outputs.argmax(axis=1)


if __name__ == "__main__":
    making.main(FOLDER, data, models)
