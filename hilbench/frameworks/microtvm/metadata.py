"""Reads metadata.json of a Model Library Format archive, versions 5 to 7 (TVM 0.8 to 0.18).

Versions 5 and 6 have the keys of the one module at the top level, version 7 has `modules`. Sizes and dtypes of inputs
and outputs are there since TVM 0.9. Source: python/tvm/micro/model_library_format.py of those releases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hilbench.errors import ModelError, UnsupportedModel

VERSIONS = (5, 6, 7)
_EXPORT = "export it with TVM 0.8 to 0.18"
_AOT = "build with Executor('aot', {'unpacked-api': True, 'interface-api': 'c'}) and Runtime('crt')"


class _Loose(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class TensorSize(_Loose):
    """What the archive says of one input or output; `size` in bytes."""

    dtype: str
    size: int = Field(ge=0)


class _Main(_Loose):
    workspace_size_bytes: int = Field(ge=0, lt=1 << 31)
    inputs: dict[str, TensorSize] = Field(default_factory=dict)
    outputs: dict[str, TensorSize] = Field(default_factory=dict)


class _Functions(_Loose):
    main: list[_Main] = Field(min_length=1)


class _Memory(_Loose):
    functions: _Functions


class _Head(_Loose):
    """What every version has. The rest is read once it is known to be worth it."""

    version: int


class _Module(_Loose):
    model_name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    style: str
    executors: list[str]
    memory: Any = None
    external_dependencies: list[dict[str, Any]] = Field(default_factory=list)


class _Modules(_Loose):
    modules: dict[str, _Module]


@dataclass(frozen=True)
class Module:
    """One exported model. `inputs` and `outputs` are empty when the archive does not tell; they have no order.

    `tvm` is the version of TVM, or of the format when the archive does not say which TVM wrote it.
    """

    name: str
    tvm: str
    workspace_bytes: int
    inputs: Mapping[str, TensorSize]
    outputs: Mapping[str, TensorSize]


_Model = TypeVar("_Model", bound=BaseModel)


def read(data: bytes, archive: Path) -> Module:
    """Return the one module that metadata.json describes.

    Raises `ModelError` for a file that is not what it should be, `UnsupportedModel` for an export that cannot run here.
    """
    version = _parsed(_Head, data, archive).version
    if version not in VERSIONS:
        known = f"{VERSIONS[0]} to {VERSIONS[-1]}"
        raise ModelError(
            f"metadata.json is of version {version}; this hilbench reads {known}", where=str(archive), hint=_EXPORT
        )
    if version < 7:
        modules = [_parsed(_Module, data, archive)]
    else:
        modules = list(_parsed(_Modules, data, archive).modules.values())
    if len(modules) != 1:
        raise UnsupportedModel(
            f"the archive holds {len(modules)} modules; one is expected",
            where=str(archive),
            hint="export one model at a time",
        )
    module = modules[0]
    if module.style != "full-model":
        raise _refused(f"the archive is a single operator ('style' is {module.style!r}), not a model", archive)
    if module.executors != ["aot"]:
        executors = ", ".join(module.executors) or "none"
        raise _refused(f"the archive is for the executor {executors}, which interprets the model at run time", archive)
    mains = _parsed_value(_Memory, module.memory, archive, "memory").functions.main
    described = next((main for main in mains if main.inputs or main.outputs), mains[0])
    return Module(
        name=module.model_name,
        tvm=_tvm_version(module) or f"Model Library Format {version}",
        workspace_bytes=sum(main.workspace_size_bytes for main in mains),
        inputs=described.inputs,
        outputs=described.outputs,
    )


def _tvm_version(module: _Module) -> str:
    runtimes = (item for item in module.external_dependencies if item.get("short_name") == "tvm_standalone_crt")
    found = next((item.get("version_spec") for item in runtimes), None)
    return found if isinstance(found, str) and found.isprintable() else ""


def _refused(what: str, archive: Path) -> UnsupportedModel:
    return UnsupportedModel(what, where=str(archive), hint=_AOT)


def _parsed(model: type[_Model], data: bytes, archive: Path) -> _Model:
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        raise _wrong(error, archive, "") from error


def _parsed_value(model: type[_Model], value: Any, archive: Path, at: str) -> _Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _wrong(error, archive, at) from error


def _wrong(error: ValidationError, archive: Path, at: str) -> ModelError:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(part for part in (at, *map(str, first["loc"])) if part)
    return ModelError(
        f"metadata.json: {f'{place}: ' if place else ''}{first['msg'][:1].lower()}{first['msg'][1:]}",
        where=str(archive),
        hint=_EXPORT,
    )
