"""TensorFlow Lite Micro's Python package: runs a model on the computer, with the reference kernels.

The interpreter itself is loaded in child processes only: some broken models make it crash.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from hilbench.errors import UnsupportedModel
from hilbench.frameworks import tflite
from hilbench.frameworks.base import YES, Emitted, Request, Support

_PACKAGE = "tflite-micro"
_PROGRAM = "hilbench.frameworks.tflm.host_program"
_INSTALL = "pip install 'hilbench[tflm]'"
_PROBE_S = 60.0
# What the interpreter prints: micro_interpreter_graph.cc and micro_allocation_info.cc of TFLM.
_NO_KERNEL = re.compile(r"Didn't find op for builtin opcode '(\w+)'")
_REFUSED = re.compile(r"Node (\w+) \(number (\d+)")


def available() -> Support:
    """Say whether the package is installed."""
    if find_spec("tflite_micro") is None:
        return Support(False, f"the package '{_PACKAGE}' is not installed", _INSTALL)
    return YES


def versions() -> dict[str, str]:
    """Return the version of the interpreter, if it is installed."""
    try:
        return {_PACKAGE: version(_PACKAGE)}
    except PackageNotFoundError:
        return {}


def supports(request: Request) -> Support:
    """Let the interpreter set up the model, and say what it has against it. Raises `ModelError` for no model."""
    kernels = request.options.get("kernels", "reference")
    if kernels != "reference":
        return Support(False, f"on this computer there are no {kernels} kernels", "leave out the option 'kernels'")
    model = request.model
    graph = tflite.read(model.path)
    refusal = _refusal(model.path, model.sha256)
    return Support(False, _reason(graph, refusal)) if refusal else YES


def emit(request: Request, into: Path) -> Emitted:
    """Copy the model into the folder `into`, for a host program. Raises `UnsupportedModel`, `ModelError`."""
    model = request.model
    support = supports(request)
    if not support.ok:
        raise UnsupportedModel(support.reason, where=str(model.path))
    graph = tflite.read(model.path)
    data = Path(shutil.copyfile(model.path, into / "model.tflite"))
    return Emitted(
        inputs=graph.input_infos(),
        outputs=graph.output_infos(),
        program=_PROGRAM,
        data=(data,),
        operators=graph.operator_names(),
        macs=graph.macs(),
    )


@cache
def _refusal(path: Path, sha256: str) -> str:
    """Return what the interpreter prints when it refuses the model; empty when it takes it.

    The hash is there for the cache: another file under the same name is another question.
    """
    # -P: no module in the current folder may stand in for one of ours.
    argv = [sys.executable, "-P", "-m", _PROGRAM, str(path)]
    try:
        probe = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=_PROBE_S, check=False)
    except subprocess.TimeoutExpired:
        return f"the interpreter did not set it up in {_PROBE_S:.0f} s"
    if probe.returncode < 0:
        return f"the interpreter crashes (signal {-probe.returncode})"
    return probe.stderr.strip() if probe.returncode else ""


def _reason(graph: tflite.Graph, refusal: str) -> str:
    """Return `refusal` as one line that names the operator and its index, where the interpreter does."""
    first = refusal.splitlines()[0]
    if found := _NO_KERNEL.search(refusal):
        for operator in graph.operators:
            if operator.name == found[1]:
                return f"{operator}: TensorFlow Lite Micro has no kernel for it"
    if found := _REFUSED.search(refusal):
        return f"operator {found[2]} ({found[1]}): TensorFlow Lite Micro refuses it: {first}"
    return f"TensorFlow Lite Micro refuses the model: {first}"
