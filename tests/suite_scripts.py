"""What the tests of the suites share: a suite's script as a module, and the hashes of the files that a suite names."""

import contextlib
import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from hilbench.catalog.suite import Suite
from hilbench.tensors import TensorInfo


@contextlib.contextmanager
def script(folder: Path) -> Iterator[ModuleType]:
    """Give the suite's make.py, loaded; afterwards its folders are off the path again."""
    name = f"make_{folder.name}"
    spec = importlib.util.spec_from_file_location(name, folder / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module, before = importlib.util.module_from_spec(spec), list(sys.path)
    sys.modules[name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = before
    del sys.modules[name]


def assert_named_by_hashes(suite: Suite) -> None:
    for task in suite.tasks:
        arrays = task.dataset.arrays
        assert arrays is not None
        assert arrays.labels is not None
        for reference in (task.model, arrays.inputs, arrays.labels):
            assert hashlib.sha256((suite.folder / reference.file).read_bytes()).hexdigest() == reference.sha256


def tensor_info(details: dict[str, Any]) -> TensorInfo:
    """Return an int8 tensor as TensorFlow Lite Micro's interpreter describes it."""
    numbers = details["quantization_parameters"]
    scale, zero_point = float(numbers["scales"][0]), int(numbers["zero_points"][0])
    return TensorInfo("", "int8", tuple(details["shape"].tolist()), scale, zero_point)
