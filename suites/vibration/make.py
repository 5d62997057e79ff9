"""Makes the files of the suite `vibration`: simulated windows of held-out machines, and two models for them.

    python suites/vibration/make.py               write all files; print scores and hashes
    python suites/vibration/make.py --data-only   write the samples (needs nothing but numpy)
    python suites/vibration/make.py --check       write nothing; fail unless the files here are what would be written

The samples are byte for byte the same everywhere. The models are the same for one machine with the same releases of
TensorFlow, scikit-learn and skops. The suite names every file by its SHA-256; after a change, copy the printed hashes
to `suites/vibration.hil.yaml`.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import bearing
import making

FOLDER = Path(__file__).resolve().parent
SCALE = 1 / 64
"""A step of 0.25 dB as a real number: the full range of int8 is -2 to 2."""
SEED = 7
EPOCHS = 60
BATCH = 32
WIDTHS = (64, 8, 64)
TREES, DEPTH, LEAF = 15, 8, 5
MINIMUM_AUC = 0.94
MINIMUM_TOP1 = 0.92


def data() -> dict[str, bytes]:
    """Return the held-out samples: features of both tasks, and the labels of each."""
    test = bearing.simulate(bearing.TEST)
    return {
        "anomaly_inputs.npy": making.npy(test.bands),
        "anomaly_labels.npy": making.npy((test.kinds > 0).astype(np.uint8)),
        "fault_inputs.npy": making.npy(test.lines),
        "fault_labels.npy": making.npy(test.kinds),
    }


def models() -> dict[str, bytes]:
    """Return new models that pass their bars; exits with a message if one does not."""
    train, test = bearing.simulate(bearing.TRAIN), bearing.simulate(bearing.TEST)
    autoencoder = train_autoencoder(train.bands[train.kinds == 0])
    rebuilt_from, rebuilt = making.infer(autoencoder, test.bands.astype(np.float32) * np.float32(SCALE))
    score = area(((rebuilt - rebuilt_from) ** 2).mean(axis=1), test.kinds > 0)
    making.refuse_unless("anomaly.tflite", score, MINIMUM_AUC, "AUC", making.operators(autoencoder))
    forest = train_forest(train)
    making.refuse_unless("fault.skops", float((forest.predict(test.lines) == test.kinds).mean()), MINIMUM_TOP1, "top-1")
    return {"anomaly.tflite": autoencoder, "fault.skops": skops(forest)}


def train_autoencoder(normal: np.ndarray) -> bytes:
    """Return an int8 .tflite file that rebuilds the band features of normal windows, int8 (n, 64)."""
    tf = making.seeded_tensorflow(SEED)
    real = normal.astype(np.float32) * np.float32(SCALE)
    model = network(tf)
    rate = tf.keras.optimizers.schedules.CosineDecay(3e-3, EPOCHS * -(-len(real) // BATCH))
    model.compile(tf.keras.optimizers.Adam(rate), "mse")
    model.fit(real, real, batch_size=BATCH, epochs=EPOCHS, shuffle=True, verbose=0)
    single = network(tf, batch=1)
    single.set_weights(model.get_weights())
    # With both ends of int8 among the samples, the model's input is the data's int8 itself: no fault is clipped away.
    ends = np.array([[-128], [127]], np.float32) * np.ones((1, real.shape[1]), np.float32) * np.float32(SCALE)
    return making.to_int8(tf, single, np.concatenate([real, ends]))


def network(tf: Any, batch: int | None = None) -> Any:
    """Return the untrained autoencoder: dense layers only, 64-64-8-64-64."""
    features = tf.keras.Input(batch_shape=(batch, 2 * bearing.BANDS), name="bands")
    x = features
    for width in WIDTHS:
        x = tf.keras.layers.Dense(width, activation="relu")(x)
    return tf.keras.Model(features, tf.keras.layers.Dense(2 * bearing.BANDS)(x), name="anomaly")


def area(scores: np.ndarray, faulty: np.ndarray) -> float:
    """Return the area under the ROC curve: over all pairs, how often a faulty window scores above a normal one."""
    difference = scores[faulty][:, np.newaxis] - scores[~faulty]
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())


def train_forest(train: bearing.Windows) -> Any:
    """Return a scikit-learn random forest that tells the four classes apart by the int16 line features."""
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(TREES, max_depth=DEPTH, min_samples_leaf=LEAF, random_state=SEED, n_jobs=1)
    return forest.fit(train.lines, train.kinds)


def skops(estimator: Any) -> bytes:
    """Return `estimator` as a .skops file, the same bytes for the same estimator.

    skops numbers objects by their address in memory and stamps files with the time; here both are put in order.
    """
    import skops.io

    source = zipfile.ZipFile(io.BytesIO(skops.io.dumps(estimator)))
    numbers: dict[int, int] = {}
    names: dict[str, str] = {}

    def ordered(node: Any) -> Any:
        if isinstance(node, list):
            return [ordered(item) for item in node]
        if not isinstance(node, dict):
            return node
        node = {key: ordered(value) for key, value in node.items()}
        if "__id__" in node:
            node["__id__"] = numbers.setdefault(node["__id__"], len(numbers) + 1)
        if "file" in node:
            node["file"] = names.setdefault(node["file"], f"{len(names) + 1}{Path(node['file']).suffix}")
        return node

    schema = ordered(json.loads(source.read("schema.json")))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for old, new in names.items():
            archive.writestr(zipfile.ZipInfo(new), source.read(old), zipfile.ZIP_DEFLATED, 9)
        archive.writestr(zipfile.ZipInfo("schema.json"), json.dumps(schema), zipfile.ZIP_DEFLATED, 9)
    return file.getvalue()


if __name__ == "__main__":
    making.main(FOLDER, data, models)
