"""Bring your own: C that implements hb_model.h, or a finished image that speaks hilbench's link.

The task still names its model: tensors must be the model's, and the fidelity to TensorFlow Lite Micro shows whether
what was brought really is that model. It runs in emulators and on boards only, and nothing of it is run to build it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from hilbench.catalog.core import CORES, Core
from hilbench.errors import ModelError, UnsupportedModel
from hilbench.frameworks import ready_made, tflite
from hilbench.frameworks.base import YES, Emitted, Finished, Request, Support, checked
from hilbench.frameworks.external.project import FILE, Project, Tensor, load
from hilbench.frameworks.ready_made import Files
from hilbench.tensors import TensorInfo

_PLACE = "external"
_WHAT = f"a folder with {FILE}, or one of such folders by task"
_SOURCES = (".c", ".cc", ".cpp", ".cxx", ".S")
_OBJECTS = (".o", ".a")


class External:
    """Implements `hilbench.frameworks.base.Framework`."""

    name = "external"
    title = "your own code or image"

    def available(self, core: Core, paths: Mapping[str, Path]) -> Support:
        """Say whether there is something to look at, and a microcontroller to run it on."""
        return ready_made.available(_PLACE, _WHAT, core, paths)

    def check_options(self, options: Mapping[str, str]) -> dict[str, str]:
        """Return `options`, of which there are none, since hilbench.yaml says it all: any is a `UsageError`."""
        return checked(self.name, options, {})

    def versions(self, request: Request) -> Mapping[str, str]:
        """Return the project's own name and version, and the hash of all its files.

        Raises `CatalogError` for what is wrong in hilbench.yaml, `ModelError`, `Unavailable`.
        """
        _, project, files = _read(request)
        return {"project": f"{project.name} {project.version}", "content": ready_made.digest(files)}

    def supports(self, request: Request) -> Support:
        """Say whether the project is for the request's core and has its model's inputs and outputs."""
        folder, project, _ = _read(request)
        if project.cores and request.core.name not in project.cores:
            cores = ", ".join(CORES[core].title for core in project.cores)
            return Support(False, f"{project.name} is for {cores}", f"{folder / FILE} says so under 'cores'")
        try:
            _tensors(request, project, folder)
        except UnsupportedModel as error:
            return Support(False, error.what, error.hint or "")
        return YES

    def emit(self, request: Request, into: Path) -> Emitted:
        """Copy the project into `into`. Raises `UnsupportedModel`, `ModelError`, `CatalogError`, `Unavailable`."""
        folder, project, files = _read(request)
        inputs, outputs = _tensors(request, project, folder)
        if project.image is not None:
            if project.image not in files:
                raise ModelError(f"there is no image '{project.image}'", where=str(folder), hint=f"see its {FILE}")
            (image,) = ready_made.write(files, [project.image], into)
            finished = Finished(image, project.base, project.build_id)
            return Emitted(inputs=inputs, outputs=outputs, image=finished, arena_bytes=project.arena_bytes)
        sources = _matching(files, project.sources, _SOURCES, folder)
        objects = _matching(files, project.objects, _OBJECTS, folder)
        for name in objects:
            ready_made.check_object(name, files[name], folder)
        for name in project.include_dirs:
            if not any(file.startswith(f"{name}/") for file in files):
                raise ModelError(f"there is no folder '{name}' to include from", where=str(folder / FILE))
        paths = dict(zip(files, ready_made.write(files, files, into), strict=True))
        return Emitted(
            inputs=inputs,
            outputs=outputs,
            sources=tuple(paths[name] for name in sources),
            objects=tuple(paths[name] for name in objects),
            include_dirs=(into, *(into / name for name in project.include_dirs)),
            flags=project.compiler_flags(),
            arena_bytes=project.arena_bytes,
        )


def _read(request: Request) -> tuple[Path, Project, Files]:
    """Return the folder, what its hilbench.yaml says, and its files."""
    folder = ready_made.find(_PLACE, request, FILE, ("",))
    if not folder.is_dir():
        raise ModelError("this is a file", where=str(folder), hint=f"{_PLACE} takes {_WHAT}")
    return folder, load(folder), ready_made.read_tree(folder)


def _matching(files: Files, patterns: Sequence[str], suffixes: tuple[str, ...], folder: Path) -> list[str]:
    """Return the files that match any pattern. Raises `ModelError` for a pattern without a file, or another kind."""
    found: dict[str, None] = {}
    for pattern in patterns:
        names = sorted(name for name in files if _matches(name, pattern))
        if not names:
            raise ModelError(f"no file matches '{pattern}'", where=str(folder / FILE), hint=f"files are in {folder}")
        for name in names:
            if not name.endswith(suffixes):
                raise ModelError(f"'{name}' is none of {', '.join(suffixes)}", where=str(folder / FILE))
            found[name] = None
    ready_made.check_names(found, folder)
    return list(found)


def _matches(name: str, pattern: str) -> bool:
    """Say whether a path matches part by part: `*` does not match a '/'."""
    parts, patterns = name.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))


def _tensors(request: Request, project: Project, folder: Path) -> tuple[tuple[TensorInfo, ...], tuple[TensorInfo, ...]]:
    """Return inputs and outputs: the model's, which those in hilbench.yaml must equal, or else the latter."""
    if request.model.path.suffix.lower() == ".tflite":
        graph = tflite.read(request.model.path)
        inputs, outputs = graph.input_infos(), graph.output_infos()
        difference = _difference("input", project.inputs, inputs) or _difference("output", project.outputs, outputs)
        if difference:
            raise UnsupportedModel(
                f"{project.name} is not for this model: {difference}",
                where=str(folder / FILE),
                hint="leave out inputs and outputs in it to take them from the model",
            )
        return inputs, outputs
    if not project.inputs or not project.outputs:
        raise UnsupportedModel(
            f"{request.model.path.name} is no .tflite, so {FILE} has to say what its tensors are",
            where=str(folder / FILE),
            hint="add 'inputs' and 'outputs', each with dtype and shape",
        )
    return tuple(tensor.info() for tensor in project.inputs), tuple(tensor.info() for tensor in project.outputs)


def _difference(side: str, said: tuple[Tensor, ...], infos: tuple[TensorInfo, ...]) -> str:
    if not said:
        return ""
    if len(said) != len(infos):
        return f"it has {len(said)} {side}s, the model {len(infos)}"
    for index, (tensor, info) in enumerate(zip(said, infos, strict=True)):
        if (tensor.dtype, tensor.shape) != (info.dtype, info.shape):
            return f"its {side} {index} is {tensor.dtype} {tensor.shape}, the model's {info.dtype} {info.shape}"
        if abs(tensor.scale - info.scale) > 1e-6 * info.scale or tensor.zero_point != info.zero_point:
            return (
                f"its {side} {index} has scale {tensor.scale:g} and zero point {tensor.zero_point}, the model's "
                f"{info.scale:g} and {info.zero_point}"
            )
    return ""
