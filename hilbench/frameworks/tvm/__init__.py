"""Apache TVM as the microTVM of today: an int8 .tflite model becomes plain C, bit-exact with TFLite Micro.

The graph comes from the flatbuffer itself, not through TVM's importer: each operator is a kernel with TFLite Micro's
integer parameters, and they are called one after another on a planned arena. TVM is imported when code is emitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from hilbench import resources
from hilbench.catalog.core import Core
from hilbench.errors import Unavailable, UnsupportedModel
from hilbench.frameworks import tflite
from hilbench.frameworks.base import YES, Emitted, Part, Request, Support, checked, takes
from hilbench.frameworks.tvm import packed, program, tuning

# What is pinned in pyproject.toml: the passes and the text of the generated C are this release's.
_RELEASE = "0.27."
_PACKAGES = ("apache-tvm", "apache-tvm-ffi", "tflite")
_INSTALL = "pip install 'hilbench[tvm]'"
# GCC's first scheduling pass moves loads up, and then has too few registers for a kernel's sums.
FLAGS = ("-O2", "-fno-schedule-insns")
# The values of each option, the default first. GCC makes faster code of the kernels' C than LLVM of their TIR.
_OPTIONS = {"codegen": ("c", "llvm")}
# What calls the kernels stands where others have an interpreter. Two operators are written by hand.
_PARTS: dict[str, Part] = {
    "model.c:.text*": "runtime",
    "hb_tvm_pad.c": "kernels",
    "hb_tvm_softmax.c": "kernels",
}


class TVM:
    """Implements `hilbench.frameworks.base.Framework`."""

    name = "tvm"
    title = "Apache TVM"

    def available(self, core: Core, paths: Mapping[str, Path]) -> Support:
        """Say whether TVM 0.27 and the model reader are installed; `core` must be a microcontroller's."""
        if core.is_host:
            return Support(False, "it makes C for microcontrollers, not programs for this computer", "choose a board")
        installed = _installed()
        missing = [package for package in _PACKAGES if package not in installed]
        if missing:
            return Support(False, f"the package '{missing[0]}' is not installed", _INSTALL)
        if not installed["apache-tvm"].startswith(_RELEASE):
            return Support(False, f"apache-tvm is {installed['apache-tvm']}, not {_RELEASE}x", _INSTALL)
        return YES

    def versions(self, request: Request) -> Mapping[str, str]:
        """Return the versions of the installed packages that shape the C, and the hash of the tuned schedules."""
        folder = request.paths.get(tuning.PLACE)
        return {**_installed(), **({"tuning": tuning.digest(folder)} if folder else {})}

    def check_options(self, options: Mapping[str, str]) -> dict[str, str]:
        """Return `options` with defaults filled in. Raises `UsageError` for an unknown key or value."""
        return checked(self.name, options, _OPTIONS)

    def supports(self, request: Request) -> Support:
        """Say whether every operator of the model has a kernel. Reads the model; does not load TVM."""
        kind = takes(request.model, ".tflite")
        if not kind.ok:
            return kind
        try:
            program.build(tflite.read(request.model.path))
        except UnsupportedModel as error:
            return Support(False, error.what, error.hint or "")
        return YES

    def emit(self, request: Request, into: Path) -> Emitted:
        """Write kernels.c (or kernels.o), constants.c and model.c into the folder `into`.

        Raises `ModelError` for a file that is no model, `UnsupportedModel`, `Unavailable` without TVM.
        """
        graph = tflite.read(request.model.path)
        steps = program.build(graph)
        if request.core.dsp:
            steps = packed.rewrite(steps)
        try:
            from hilbench.frameworks.tvm import emit, kernels
        except ImportError as error:
            raise Unavailable(f"TVM does not import: {error}", hint=_INSTALL) from error
        llvm = request.core if request.options["codegen"] == "llvm" else None
        folder, codegen = request.paths.get(tuning.PLACE), request.options["codegen"]
        function = tuning.functions(folder, request.core, codegen) if folder else kernels.prim_func
        written = emit.write(steps, graph.operator_names(), llvm, into, function)
        helpers = resources.FIRMWARE / "frameworks" / "tvm"
        return Emitted(
            inputs=graph.input_infos(),
            outputs=graph.output_infos(),
            sources=(*written.sources, *sorted(helpers.glob("*.c"))),
            objects=written.objects,
            include_dirs=(into, helpers),
            flags=FLAGS,
            arena_bytes=written.arena_bytes,
            operators=graph.operator_names(),
            macs=graph.macs(),
            profiled=True,
            parts=_PARTS,
        )


def _installed() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
