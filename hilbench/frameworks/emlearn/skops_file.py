"""Loads a scikit-learn estimator from a .skops file of unknown origin. For child processes: scikit-learn is loaded.

Three gates, in this order: the archive is small once unpacked; every type in it is on the list below; skops, told the
same list, builds it. What comes out is data in objects of scikit-learn: no code of the file's choice has run.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hilbench.errors import ModelError

_LIMIT_BYTES = 256 * 1024 * 1024
"""Far more than a model for a microcontroller needs, and little enough to unpack anywhere."""
_LIMIT_FILES = 50_000
_SCHEMA = "schema.json"

# What skops 0.16 writes for the estimators that emlearn takes: types, each with the only loader that may build it.
_FOREST, _TREE, _OPTIMIZERS = "sklearn.ensemble._forest", "sklearn.tree._classes", "_stochastic_optimizers"
_NETWORK = "sklearn.neural_network"
_OBJECTS = (
    *(f"{_FOREST}.{name}{kind}" for name in ("RandomForest", "ExtraTrees") for kind in ("Classifier", "Regressor")),
    *(f"{_TREE}.{name}{kind}" for name in ("DecisionTree", "ExtraTree") for kind in ("Classifier", "Regressor")),
    f"{_NETWORK}._multilayer_perceptron.MLPClassifier",
    f"{_NETWORK}._multilayer_perceptron.MLPRegressor",
    f"{_NETWORK}.{_OPTIMIZERS}.AdamOptimizer",
    f"{_NETWORK}.{_OPTIMIZERS}.SGDOptimizer",
    "sklearn.naive_bayes.GaussianNB",
    "sklearn.preprocessing._label.LabelBinarizer",
)
_ARRAYS = (
    "ndarray",
    "bool",
    "bool_",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint32",
    "float32",
    "float64",
    "str_",
)
TRUSTED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_OBJECTS, ("ObjectNode",)),
    **{f"numpy.{name}": ("NdArrayNode",) for name in _ARRAYS},
    "sklearn.tree._tree.Tree": ("TreeNode",),
    "numpy.random.mtrand.RandomState": ("RandomStateNode",),
    "builtins.dict": ("DictNode",),
    "builtins.list": ("ListNode",),
    "builtins.tuple": ("TupleNode",),
    "builtins.str": ("JsonNode", "TypeNode"),
    **{f"builtins.{name}": ("TypeNode",) for name in ("int", "float", "bool")},
}


def estimator_name(path: Path) -> str:
    """Return the class of the estimator in `path`, such as "RandomForestClassifier", without building anything.

    Raises `ModelError` for a file that is no .skops file, is damaged, or is too large once unpacked.
    """
    name = _schema(path).get("__class__")
    if not isinstance(name, str) or not name.isidentifier():
        raise _damaged(path, f"its {_SCHEMA} names no class")
    return name


def load(path: Path) -> Any:
    """Return the estimator in `path`. Raises `ModelError`, also for types that are not trusted: it names them."""
    schema = _schema(path)
    strange = sorted({kind for kind, loader in _types(schema) if loader not in TRUSTED.get(kind, ())})
    if strange:
        raise ModelError(
            f"the file holds types that are not trusted: {', '.join(strange[:5])}{', …' if strange[5:] else ''}",
            where=str(path),
            hint="store the bare estimator, with `skops.io.dump`, and none but NumPy arrays in it",
        )
    import skops.io

    try:
        return skops.io.load(path, trusted=list(TRUSTED))
    except Exception as error:  # whatever skops, numpy and scikit-learn say of contents that do not fit together
        raise _damaged(path, f"{type(error).__name__}: {error}") from error


def _schema(path: Path) -> dict[str, Any]:
    """Return the archive's description of its contents, once all of the archive is known to be small."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            # zipfile reads no more of a member than the size that is told here.
            unpacked = sum(member.file_size for member in members)
            if unpacked > _LIMIT_BYTES or len(members) > _LIMIT_FILES:
                what = f"unpacked, the file has {unpacked:,} bytes in {len(members)} parts: more than any model needs"
                raise ModelError(what, where=str(path))
            schema = json.loads(archive.read(_SCHEMA))
    except OSError as error:
        raise ModelError(f"cannot read the model: {error.strerror}", where=str(path)) from error
    except (zipfile.BadZipFile, zipfile.LargeZipFile, KeyError, NotImplementedError, EOFError) as error:
        raise _damaged(path, str(error)) from error
    except (ValueError, RecursionError, RuntimeError) as error:  # of JSON, of a compressed or encrypted member
        raise _damaged(path, f"its {_SCHEMA} cannot be read") from error
    if not isinstance(schema, dict):
        raise _damaged(path, f"its {_SCHEMA} describes no object")
    return schema


def _types(schema: Any) -> Iterator[tuple[str, object]]:
    """Yield each type in `schema` with its loader. Anything with a loader counts, whether it names a type or not."""
    todo = [schema]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            if "__loader__" in item or "__class__" in item:
                yield f"{item.get('__module__')}.{item.get('__class__')}", item.get("__loader__")
            todo += item.values()
        elif isinstance(item, list):
            todo += item


def _damaged(path: Path, reason: str) -> ModelError:
    what = f"this is not a scikit-learn model, or it is damaged: {reason}"
    return ModelError(what, where=str(path), hint="store it again with `skops.io.dump`")
