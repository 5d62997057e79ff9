"""Loads a Keras MLP from a .keras file of unknown origin. For child processes: Keras is loaded.

A .keras file is an archive whose `config.json` names the classes to build. Only plain layers are let through to Keras,
which then loads in its safe mode.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hilbench.errors import ModelError, Unavailable, UnsupportedModel

_LIMIT_BYTES = 256 * 1024 * 1024
LAYERS = ("InputLayer", "Dense", "Activation", "ReLU", "Softmax", "Dropout")
"""What emlearn 0.23 turns into C, or leaves out since it only matters in training (net.py: convert_keras)."""
_HELPERS = ("Sequential", "DTypePolicy", "Policy")
# Classes that a model carries along for its training, and that Keras builds from numbers alone.
_TRAINING = ("keras.initializers", "keras.optimizers", "keras.losses", "keras.metrics", "keras.regularizers")


def load(path: Path) -> Any:
    """Return the `Sequential` model in `path`. Raises `ModelError`, `UnsupportedModel`, `Unavailable` without Keras."""
    config = _config(path)
    if config.get("class_name") != "Sequential":
        raise UnsupportedModel(f"Keras {config.get('class_name')}: emlearn takes a Sequential model")
    for module, name in _classes(config):
        if name not in (*LAYERS, *_HELPERS) and module not in _TRAINING:
            raise UnsupportedModel(f"Keras layer {name}: emlearn takes {', '.join(LAYERS)}")
        if module is not None and module.partition(".")[0] != "keras":
            raise ModelError(f"the file wants code from outside of Keras: {module}.{name}", where=str(path))
    try:
        import keras
    except ImportError as error:
        raise Unavailable(
            f"reading a .keras model needs Keras, which does not import: {error}", hint="pip install tensorflow"
        ) from error
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # whatever Keras and h5py say of contents that do not fit together
        raise ModelError(f"Keras cannot load the model: {error}", where=str(path)) from error


def _config(path: Path) -> dict[str, Any]:
    """Return `config.json`, once all of the archive is known to be small."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > _LIMIT_BYTES:
                raise ModelError(f"unpacked, the file has more than {_LIMIT_BYTES:,} bytes", where=str(path))
            config = json.loads(archive.read("config.json"))
    except OSError as error:
        raise ModelError(f"cannot read the model: {error.strerror}", where=str(path)) from error
    except (
        zipfile.BadZipFile,
        KeyError,
        NotImplementedError,
        EOFError,
        ValueError,
        RecursionError,
        RuntimeError,
    ) as error:
        raise ModelError(f"this is not a .keras file, or it is damaged: {error}", where=str(path)) from error
    if not isinstance(config, dict):
        raise ModelError("this is not a .keras file, or it is damaged: no model in it", where=str(path))
    return config


def _classes(config: Any) -> Iterator[tuple[str | None, str]]:
    """Yield module and name of every class in `config`."""
    todo = [config]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            if "class_name" in item:
                yield item.get("module"), str(item["class_name"])
            todo += item.values()
        elif isinstance(item, list):
            todo += item
