"""microTVM of TVM 0.8 to 0.18: runs what it exported, archives in Model Library Format.

The archive holds C that TVM's ahead-of-time executor made of a model. The task still names the .tflite: its tensors
must be those of the archive, and the fidelity to TensorFlow Lite Micro shows whether the archive really is that model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from hilbench import resources
from hilbench.catalog.core import Core
from hilbench.errors import UnsupportedModel
from hilbench.frameworks import ready_made, tflite
from hilbench.frameworks.base import YES, Emitted, Request, Support, checked, takes
from hilbench.frameworks.microtvm import archive, glue, metadata

_PLACE = "microtvm"
_WHAT = "a Model Library Format archive, or a folder of them by task (TASK.tar)"
# Possessive, as all patterns here and in glue.py: the time that they take must grow with what is read, and no faster.
_INCLUDE = re.compile(rb'^[ \t]*+#[ \t]*+include[ \t]*+[<"](\w++\.h)[>"]', re.MULTILINE)
_CMSIS_NN = b"arm_nnfunctions.h"
_DSP = b"arm_nnsupportfunctions.h"  # TVM's own kernels take the instructions of the DSP extension from it


class MicroTVM:
    """Implements `hilbench.frameworks.base.Framework`."""

    name = "microtvm"
    title = "microTVM archives"

    def available(self, core: Core, paths: Mapping[str, Path]) -> Support:
        """Say whether there is an archive to look at, and a microcontroller to run it on."""
        return ready_made.available(_PLACE, _WHAT, core, paths)

    def check_options(self, options: Mapping[str, str]) -> dict[str, str]:
        """Return `options`, of which there are none: any is a `UsageError`."""
        return checked(self.name, options, {})

    def versions(self, request: Request) -> Mapping[str, str]:
        """Return the TVM that exported the archive, and the hash of its code. Raises `ModelError`, `Unavailable`."""
        read = _read(request)
        return {"microtvm": metadata.read(read.files[archive.METADATA], read.path).tvm, "archive": read.sha256}

    def supports(self, request: Request) -> Support:
        """Say whether the archive can be linked, and has the model's inputs and outputs."""
        kind = takes(request.model, ".tflite")
        if not kind.ok:
            return kind
        read = _read(request)
        try:
            self._interface(request, read)
        except UnsupportedModel as error:
            return Support(False, error.what, error.hint or "")
        return YES

    def emit(self, request: Request, into: Path) -> Emitted:
        """Write the archive's code and its glue into `into`. Raises `UnsupportedModel`, `ModelError`, `Unavailable`."""
        read = _read(request)
        module, called = self._interface(request, read)
        graph = tflite.read(request.model.path)
        inputs, outputs = graph.input_infos(), graph.output_infos()
        written = ready_made.write(read.files, read.files, into)
        model = into / "hb_microtvm_model.c"
        model.write_text(glue.write(module, called, inputs, outputs, glue.workspace_bytes(read, module)))
        ours = resources.FIRMWARE / "frameworks" / "microtvm"
        paths = dict(zip(read.files, written, strict=True))
        runtime = [into / "runtime/include"] if "runtime/include/tvm/runtime/c_runtime_api.h" in read.files else []
        return Emitted(
            inputs=inputs,
            outputs=outputs,
            sources=(*(paths[name] for name in read.sources()), model, *sorted(ours.glob("*.c"))),
            objects=tuple(paths[name] for name in read.objects()),
            include_dirs=(into / "codegen/host/include", *runtime, ours),
            arena_bytes=glue.arena_bytes(read, module, called, (*inputs, *outputs)),
            operators=graph.operator_names(),
            macs=graph.macs(),
            parts={f"{model.name}:.text*": "runtime"},  # it calls what the archive holds
        )

    def _interface(self, request: Request, read: archive.Archive) -> tuple[metadata.Module, glue.Interface]:
        module = metadata.read(read.files[archive.METADATA], read.path)
        graph = tflite.read(request.model.path)
        inputs, outputs = graph.input_infos(), graph.output_infos()
        called = glue.interface(read, module, len(inputs))
        _check_headers(read, request.core)
        if difference := glue.check(read, module, called, inputs, outputs):
            raise UnsupportedModel(
                f"the archive {read.path.name} is not of this model: {difference}",
                where=str(read.path),
                hint=f"name an archive that was made of {request.model.path.name}",
            )
        return module, called


def _read(request: Request) -> archive.Archive:
    return archive.read(ready_made.find(_PLACE, request, archive.METADATA, (".tar", "")))


def _check_headers(read: archive.Archive, core: Core) -> None:
    """Raise `UnsupportedModel` for code that needs a library that the archive lacks, or another core."""
    for name in read.sources():
        included = _INCLUDE.findall(read.files[name])
        if _CMSIS_NN in included:
            what = f"{name} calls CMSIS-NN ({_CMSIS_NN.decode()}), which the archive does not hold"
            hint = "export it without the target cmsis-nn, or give it with CMSIS-NN's sources to `external`"
            raise UnsupportedModel(what, where=str(read.path), hint=hint)
        if _DSP in included and not core.dsp:
            what = f"{name} uses DSP instructions, which the {core.title} does not have"
            raise UnsupportedModel(what, where=str(read.path), hint=f"export it with -mcpu={core.name}")
