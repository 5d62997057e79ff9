"""The files that a suite names: the model, checked against its hash, and the samples as bytes for a model's input."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy_format

from hilbench.catalog.document import shown
from hilbench.catalog.suite import ArrayData, FileRef, ModelRef, RandomData, Suite, Task
from hilbench.errors import ModelError, Unavailable, UsageError

if TYPE_CHECKING:
    from hilbench.tensors import TensorInfo

Array = np.ndarray[Any, np.dtype[Any]]

_RANDOM_DTYPES = ("int8", "uint8", "int16", "float32")


@dataclass(frozen=True)
class Samples:
    """Inputs for a model, one `bytes` a sample (all input tensors in order, little-endian), and their labels.

    `labels` is int64 (n,), None when the data set has none; so are `groups`, which name the file that each sample is
    from. `targets` are float64 (n, elements of one). `sha256` names the whole data set, however many samples were
    taken, and `of` says how many it has.
    """

    inputs: list[bytes]
    labels: Array | None
    sha256: str
    name: str
    of: int
    groups: Array | None = None
    targets: Array | None = None


def model_file(task: Task, suite: Suite, search: Sequence[Path] = ()) -> Path:
    """Return the file of the task's model, its hash checked.

    A model of the suite's own is beside the suite. A shared one is looked for in the folders `search`: first by its
    file name, then by content among all *.tflite files in and below them. Raises `Unavailable` when there is none,
    `ModelError` when a file is missing, unreadable or another than the suite names.
    """
    model = task.model
    if not model.shared:
        path = suite.folder / model.file
        _contents(path, model)
        return path
    named = [path for folder in search if (path := folder / model.file).is_file()]
    for path in [*named, *(other for folder in search for other in sorted(folder.rglob("*.tflite")))]:
        if path.is_file() and _sha256(path) == model.sha256:
            return path
    if named:
        _contents(named[0], model)
    raise _not_here(task.id, model, search)


def _not_here(task: str, model: ModelRef, search: Sequence[Path]) -> Unavailable:
    looked = ", ".join(shown(folder) for folder in search)
    fetched = f"get it from {model.source} and " if model.source else ""
    return Unavailable(
        f"the model of task '{task}', {model.file}, is not on this machine"
        + (f" (looked in: {looked})" if looked else ""),
        hint=f"{fetched}name its folder with --hil-models=FOLDER or HILBENCH_MODELS",
    )


def load_samples(
    task: Task,
    suite: Suite,
    inputs: Sequence[TensorInfo],
    count: int | None = None,
    classes: int | None = None,
) -> Samples:
    """Return the task's samples for a model with these `inputs`; the first `count` of them if there are more.

    Labels have to be below `classes` where that is given. Raises `ModelError` when a file is missing, damaged, not
    the one that the suite names, or does not fit the model; `UsageError` for a `count` below one.
    """
    if count is not None and count < 1:
        raise UsageError(f"{count} samples were asked for; at least one is needed")
    data = task.dataset
    if data.random:
        drawn = _random(data.random, inputs)
        return Samples(drawn[:count], None, hashlib.sha256(b"".join(drawn)).hexdigest(), data.name, len(drawn))
    assert data.arrays, "a Dataset has arrays or random"
    arrays, folder = data.arrays, suite.folder
    samples, of = _inputs(arrays, folder, inputs, count)
    labels = _column(arrays.labels, folder, of, _check_labels, count)
    if labels is not None:
        _check_classes(labels, classes, folder, arrays)
    groups = _column(arrays.groups, folder, of, _check_groups, count)
    targets = _column(arrays.targets, folder, of, _check_targets, count)
    if targets is not None:
        targets = targets.reshape(len(targets), -1).astype(np.float64)
    return Samples(samples, labels, _arrays_sha256(arrays), data.name, of, groups, targets)


def quantise(real: Array, tensor: TensorInfo) -> Array:
    """Return `real` numbers in `tensor`'s dtype, little-endian.

    As TensorFlow Lite's QUANTIZE does it (kernels/internal/reference/quantize.h): the quotient by `scale` in float32,
    rounded to the nearest integer with halves away from zero, plus `zero_point`, clipped to the dtype. An integer
    tensor without quantisation (scale 0) takes the number itself, rounded and clipped alike.
    """
    dtype = np.dtype(tensor.dtype).newbyteorder("<")
    if dtype.kind == "f":
        return real.astype(dtype)
    quotient = real.astype(np.float32) / np.float32(tensor.scale or 1.0)
    wide = quotient.astype(np.float64)
    rounded = np.trunc(wide + np.copysign(0.5, wide)) + tensor.zero_point
    limits = np.iinfo(dtype)
    return np.asarray(np.clip(rounded, limits.min, limits.max), dtype)


def _random(data: RandomData, inputs: Sequence[TensorInfo]) -> list[bytes]:
    """Return random samples that are the same on every machine and in every release.

    Sample i of input tensor j is the start of SHAKE-256 over the ASCII text `hilbench.random/1 seed=S sample=i
    input=j`: for integer tensors taken as they are, so over the full range; for float32, little-endian 32-bit
    integers divided by 2**31 (-1 to 1).
    """
    for tensor in inputs:
        if tensor.dtype not in _RANDOM_DTYPES:
            raise ModelError(f"random samples cannot be made for the input '{tensor.name}' of type {tensor.dtype}")
    return [
        b"".join(_random_tensor(data.seed, sample, index, tensor) for index, tensor in enumerate(inputs))
        for sample in range(data.samples)
    ]


def _random_tensor(seed: int, sample: int, index: int, tensor: TensorInfo) -> bytes:
    size = math.prod(tensor.shape) * np.dtype(tensor.dtype).itemsize
    drawn = hashlib.shake_256(f"hilbench.random/1 seed={seed} sample={sample} input={index}".encode()).digest(size)
    if tensor.dtype == "float32":
        return (np.frombuffer(drawn, "<i4") / 2**31).astype("<f4").tobytes()
    return drawn


def _inputs(data: ArrayData, folder: Path, inputs: Sequence[TensorInfo], count: int | None) -> tuple[list[bytes], int]:
    """Return the first `count` samples, and how many there are."""
    if len(inputs) != 1:
        raise ModelError(f"the data set feeds one input, but the model has {len(inputs)}")
    path = folder / data.inputs.file
    array = _npy(path, data.inputs)
    _check_inputs(array, path, inputs[0])
    real = array[:count].astype(np.float32) * np.float32(data.scale)
    return [sample.tobytes() for sample in quantise(real, inputs[0])], len(array)


def _column(
    file: FileRef | None, folder: Path, samples: int, check: Callable[[Array, Path, int], None], count: int | None
) -> Array | None:
    """Return what an array says of the first `count` of all `samples`; whole numbers as int64."""
    if file is None:
        return None
    array = _npy(folder / file.file, file)
    check(array, folder / file.file, samples)
    return array[:count].astype(np.int64) if array.dtype.kind in "iu" else array[:count]


def _arrays_sha256(data: ArrayData) -> str:
    """Return the hash of three lines: the inputs' hash, the labels' hash (or '-'), and the scale as C's %a.

    Groups and targets, where there are any, are a line each after these: `groups HASH`, `targets HASH`.
    """
    lines = [data.inputs.sha256, data.labels.sha256 if data.labels else "-", data.scale.hex()]
    if data.groups:
        lines.append(f"groups {data.groups.sha256}")
    if data.targets:
        lines.append(f"targets {data.targets.sha256}")
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def _check_inputs(array: Array, path: Path, tensor: TensorInfo) -> None:
    where = shown(path)
    sample = tensor.shape[1:] if tensor.shape[:1] == (1,) else tensor.shape
    if array.ndim < 1 or array.shape[1:] not in (sample, tensor.shape):
        wanted = ", ".join(str(size) for size in sample)
        raise ModelError(f"the shape is {array.shape}, but the model's input takes (samples, {wanted})", where=where)
    if not len(array):
        raise ModelError("the array holds no sample", where=where)
    if array.dtype.kind not in "iuf":
        raise ModelError(f"the array is of type {array.dtype}, which is no number", where=where)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ModelError("the array holds values that are not finite", where=where)


def _check_labels(labels: Array, path: Path, samples: int) -> None:
    where = shown(path)
    if labels.shape != (samples,):
        raise ModelError(f"the shape is {labels.shape}, but there are {samples} samples: ({samples},)", where=where)
    if labels.dtype.kind not in "iu":
        raise ModelError(f"labels are whole numbers, not {labels.dtype}", where=where)
    if labels.dtype.kind == "i" and labels.min() < 0:
        raise ModelError(f"label {labels.min()} of sample {int(labels.argmin())} is negative", where=where)


def _check_groups(groups: Array, path: Path, samples: int) -> None:
    if groups.shape != (samples,):
        raise ModelError(
            f"the shape is {groups.shape}, but there are {samples} samples: ({samples},)",
            where=shown(path),
            hint="'groups' holds the number of the file that each sample is from",
        )
    if groups.dtype.kind not in "iu":
        raise ModelError(f"groups are whole numbers, not {groups.dtype}", where=shown(path))


def _check_targets(targets: Array, path: Path, samples: int) -> None:
    where = shown(path)
    if targets.shape[:1] != (samples,):
        raise ModelError(f"the shape is {targets.shape}, but there are {samples} samples: ({samples}, …)", where=where)
    if targets.dtype.kind not in "iuf":
        raise ModelError(f"the array is of type {targets.dtype}, which is no number", where=where)
    if not np.isfinite(targets).all():
        raise ModelError("the array holds values that are not finite", where=where)


def _check_classes(labels: Array, classes: int | None, folder: Path, data: ArrayData) -> None:
    if classes is not None and data.labels and labels.max() >= classes:
        what = f"label {labels.max()} of sample {int(labels.argmax())}, but the model has {classes} classes"
        raise ModelError(what, where=shown(folder / data.labels.file))


def _npy(path: Path, reference: FileRef) -> Array:
    """Return the array of a .npy file whose hash is right. Nothing is unpickled; nothing is larger than the file."""
    file = io.BytesIO(_contents(path, reference))
    where = shown(path)
    try:
        version = npy_format.read_magic(file)
        read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
        shape, by_columns, dtype = read(file)
    except Exception as error:  # numpy's header parser lets out whatever tokenize, ast and dtype raise
        raise ModelError(f"this is not a .npy file: {error}", where=where) from error
    if dtype.hasobject:
        raise ModelError("the array holds Python objects (a pickle), which are never loaded", where=where)
    data = file.read()
    wanted = math.prod(shape) * dtype.itemsize
    if wanted != len(data) or not dtype.itemsize or min(shape, default=0) < 0:
        raise ModelError(f"the file is damaged: {wanted} bytes of data expected, {len(data)} there", where=where)
    flat: Array = np.frombuffer(data, dtype)
    return flat.reshape(shape, order="F" if by_columns else "C")


def _contents(path: Path, reference: FileRef) -> bytes:
    """Return the bytes of `path`; raises `ModelError` unless they have the hash that the suite gives."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ModelError("there is no such file, but the suite names it", where=shown(path)) from None
    except (OSError, ValueError) as error:
        raise ModelError(f"the file cannot be read: {error}", where=shown(path)) from error
    found = hashlib.sha256(data).hexdigest()
    if found != reference.sha256:
        raise ModelError(
            f"this is not the file that the suite names\n  its SHA-256    {found}\n  in the suite   {reference.sha256}",
            where=shown(path),
            hint="get the right file; or, if the change is meant, write the new hash into the suite",
        )
    return data


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
