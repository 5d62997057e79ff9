"""Builds images: a framework emits sources, CMake joins them with the agent and a port, the cache keeps the result."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from hilbench import __version__, resources
from hilbench.catalog.board import Board
from hilbench.errors import BuildError, CatalogError, Unavailable, UnsupportedModel, nearest
from hilbench.frameworks.base import Emitted, Framework, Request
from hilbench.frameworks.liveness import peak_of
from hilbench.images import beside, host, parts
from hilbench.images.cache import cached, keep, workspace
from hilbench.images.elf import Elf
from hilbench.images.finished import finish
from hilbench.images.image import ELF_SUFFIX, HOST_SUFFIX, Image
from hilbench.images.manifest import Manifest, ManifestCompiler, ManifestFramework, ManifestModel, ManifestPeak
from hilbench.images.recipe import Recipe, board_digest
from hilbench.images.run import run
from hilbench.images.toolchain import Toolchain, find_toolchain, require_cxx

_CXX = {".cc", ".cpp", ".cxx"}  # as firmware/CMakeLists.txt


def build(board: Board, framework: Framework, request: Request, cache: Path, profile: bool = False) -> Image:
    """Return the image of what `request` asks of `framework`, for `board`: from the cache or freshly built.

    Raises `Unavailable` (framework or compiler missing, or a `profile` that the framework cannot give),
    `UnsupportedModel`, `ModelError`, `BuildError` (compiler or linker), `StoreError` (the cache cannot be written).
    """
    model, core = request.model, request.core
    here = framework.available(core, request.paths)
    if not here.ok:
        raise Unavailable(here.reason, where=framework.name, hint=here.remedy or None)
    toolchain = None if core.is_host else find_toolchain(core)
    recipe = Recipe(board, framework, request, toolchain, profile)
    build_id = recipe.build_id
    if found := cached(cache, build_id, ELF_SUFFIX if toolchain else HOST_SUFFIX):
        return found
    support = framework.supports(request)
    if not support.ok:
        raise UnsupportedModel(
            f"{framework.name} cannot run it: {support.reason}",
            where=str(model.path),
            hint=support.remedy or None,
        )
    with workspace(cache) as work:
        sources = work / "model"
        sources.mkdir()
        emitted = framework.emit(request, sources)
        if profile and not emitted.profiled:
            raise Unavailable(f"{framework.name} does not tell its operators apart on {core.title}")
        manifest = _manifest(recipe, build_id, emitted)
        if toolchain and any(source.suffix in _CXX for source in emitted.sources):
            require_cxx(toolchain, core)
        if toolchain is None:
            made = host.pack(emitted, _canonical(manifest), work)
        elif emitted.image is not None:
            made = finish(emitted.image, manifest, toolchain, work)
        else:
            made = _compile(toolchain, recipe, emitted, manifest, work)
        # Sources are read to be hashed, to be emitted, and by the compiler: all must have seen the same.
        if recipe.build_id != build_id:
            raise BuildError("the sources changed while they were built", where=framework.name, hint="run it again")
        return keep(cache, made, build_id)


def _canonical(manifest: Manifest) -> bytes:
    return manifest.model_dump_json().encode()


def _manifest(recipe: Recipe, build_id: str, emitted: Emitted) -> Manifest:
    compiler = None
    if tools := recipe.toolchain:
        flags = (*recipe.board.core_info.gcc_flags, *_model_flags(emitted))
        compiler = ManifestCompiler(
            name="arm-none-eabi-gcc",
            version=tools.version,
            linker=tools.linker,
            libraries_sha256=tools.libraries,
            flags=flags,
        )
    peak = peak_of(recipe.request.model)
    return Manifest(
        hilbench=__version__,
        build_id=build_id,
        board=recipe.board.id,
        board_digest=board_digest(recipe.board),
        core=recipe.board.core,
        model=ManifestModel(
            name=recipe.request.model.name,
            sha256=recipe.request.model.sha256,
            macs=emitted.macs,
            operators=emitted.operators,
            inputs=emitted.inputs,
            outputs=emitted.outputs,
            peak_tensors=ManifestPeak(bytes=peak.bytes, operator=peak.operator) if peak else None,
        ),
        framework=ManifestFramework(
            name=recipe.framework.name,
            options=dict(recipe.request.options),
            versions={**recipe.framework.versions(recipe.request), **emitted.versions},
        ),
        compiler=compiler,
        arena_bytes=emitted.arena_bytes,
    )


def _model_flags(emitted: Emitted) -> tuple[str, ...]:
    """Return the flags of the model's sources: optimised unless the framework says how."""
    return emitted.flags if any(flag.startswith("-O") for flag in emitted.flags) else ("-O2", *emitted.flags)


def _compile(toolchain: Toolchain, recipe: Recipe, emitted: Emitted, manifest: Manifest, work: Path) -> Path:
    """Write the configuration that `firmware/CMakeLists.txt` reads, run CMake, and return the ELF's path."""
    board, config, tree = recipe.board, work / "config", work / "build"
    _require_port(board)
    config.mkdir()
    (config / "manifest.json").write_bytes(_canonical(manifest))
    (config / "hb_config.h").write_text(_config_header(board, emitted, manifest.build_id))
    (config / "image.cmake").write_text(_image_cmake(recipe, emitted, work))
    firmware = resources.FIRMWARE
    toolchain_file = firmware / "cmake" / "arm-none-eabi.cmake"
    _run(
        [toolchain.cmake, "-G", "Ninja", "-S", str(firmware), "-B", str(tree), f"-DHB_CONFIG_DIR={config}",
         f"-DHB_GCC={toolchain.gcc}", f"-DCMAKE_TOOLCHAIN_FILE={toolchain_file}"],
        board, work,
    )  # fmt: skip
    _run([toolchain.cmake, "--build", str(tree)], board, work)
    return _with_parts(tree / "image.elf", tree / "image.map", emitted, toolchain)


def _require_port(board: Board) -> None:
    """Raise `CatalogError` for a board whose port is not there."""
    ports = sorted(header.parent.name for header in resources.FIRMWARE.glob("ports/*/soc.h"))
    if board.port is not None and board.port.name not in ports:
        raise CatalogError(
            f"board {board.id}: port.name: there is no port '{board.port.name}'", hint=nearest(board.port.name, ports)
        )


def _with_parts(elf: Path, map_file: Path, emitted: Emitted, toolchain: Toolchain) -> Path:
    """Return `elf` with its split by part beside it, as far as the linker's map tells it."""
    content = parts.split(Elf.open(elf), map_file.read_text(errors="replace"), emitted.parts)
    if content is None:
        return elf
    text, made = elf.with_name("parts.json"), elf.with_name("split.elf")
    text.write_bytes(content)
    code, said = beside.put(parts.SECTION, text, elf, made, toolchain)
    if code:
        raise BuildError(f"the image does not build: {said.strip()}")
    return made


def _config_header(board: Board, emitted: Emitted, build_id: str) -> str:
    """Return `hb_config.h`: the numbers of board and model that agent, port and linker script need."""
    memory, port = board.memory, board.port
    assert memory is not None and port is not None, "the catalog refuses a board with a core but no memory or port"
    numbers = {
        "HB_CLOCK_HZ": board.clock_hz or 0,
        "HB_CODE_BASE": memory.code.base,
        "HB_CODE_SIZE": memory.code.size,
        "HB_DATA_BASE": memory.data.base,
        "HB_DATA_SIZE": memory.data.size,
        "HB_STACK_BYTES": memory.stack,
        "HB_BAUD": board.baud,
        "HB_INPUT_BYTES": sum(tensor.bytes for tensor in emitted.inputs),
        "HB_OUTPUT_BYTES": sum(tensor.bytes for tensor in emitted.outputs),
        **{f"HB_PORT_{key.upper()}": value for key, value in port.defines.items()},
    }
    build = ", ".join(f"0x{byte:02x}" for byte in bytes.fromhex(build_id))
    lines = [f"#define {name} 0x{value:x}" for name, value in numbers.items()]
    return "\n".join(["/* Written by hilbench for one image. */", *lines, f"#define HB_BUILD_ID_INIT {{{build}}}", ""])


def _image_cmake(recipe: Recipe, emitted: Emitted, work: Path) -> str:
    """Return `image.cmake`: what to compile, and prefix maps that keep this folder's name out of the image."""
    board = recipe.board
    assert board.port is not None
    ours = (work, resources.FIRMWARE)
    foreign = [path for path in emitted.include_dirs if not any(path.is_relative_to(folder) for folder in ours)]
    maps = [*(f"-ffile-prefix-map={path}=include{index}" for index, path in enumerate(foreign)),
            f"-ffile-prefix-map={work}/model=model", f"-ffile-prefix-map={work}=image",
            f"-ffile-prefix-map={resources.FIRMWARE}=firmware"]  # fmt: skip
    lists: dict[str, Iterable[object]] = {
        "HB_PORT": [board.port.name],
        "HB_CORE_FLAGS": board.core_info.gcc_flags,
        "HB_MODEL_SOURCES": emitted.sources,
        "HB_MODEL_OBJECTS": emitted.objects,
        "HB_MODEL_INCLUDES": emitted.include_dirs,
        "HB_MODEL_FLAGS": _model_flags(emitted),
        "HB_PREFIX_MAPS": maps,
        **({"HB_PROFILE": [len(emitted.operators)]} if recipe.profile else {}),
    }
    return "".join(f"set({name} {' '.join(f'[==[{item}]==]' for item in items)})\n" for name, items in lists.items())


def _run(argv: list[str], board: Board, work: Path) -> None:
    """Run one step of the build in `work`. Raises `BuildError` with what the compiler or linker said first."""
    code, text = run(argv)
    text = text.replace(f"{work}/model/", "")  # the model's files go by the names that they were given
    if code == 0:
        return
    if overflow := re.search(r"region `?(\w+)'? overflowed by (\d+) bytes", text):
        region, excess = overflow[1].lower(), int(overflow[2])
        stack_bytes = board.memory.stack if board.memory else 0
        raise BuildError(
            f"the image does not fit {board.id}: its {region} memory is {excess:,} B too small",
            hint="choose a smaller model, other framework options, or a larger board"
            + (f"; {stack_bytes:,} B of it are set aside for the model's stack" if region == "data" else ""),
        )
    if undefined := re.search(r"'HB_PORT_([A-Z0-9_]+)' undeclared", text):
        name = undefined[1].lower()
        raise BuildError(
            f"the port of board {board.id} needs the number '{name}', and the board's file has none",
            hint=f"add '{name}: …' to port: defines: in its file; what it means stands in firmware/ports",
        )
    wrong = [line for line in text.splitlines() if re.search(r"\berror\b|undefined reference|CMake Error", line, re.I)]
    raise BuildError("the image does not build: " + "\n  ".join(wrong[:5] or text.splitlines()[-5:]))
