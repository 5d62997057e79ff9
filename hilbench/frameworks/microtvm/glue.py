"""Writes the C between one archive and firmware/frameworks/microtvm: its tensors, its memory pools, and how to run it.

The shapes of what is called are those that TVM 0.8 to 0.18 emit: src/target/source/interface_c.cc (the header of the C
interface) and source_module.cc (the entry point without one).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hilbench.errors import ModelError, UnsupportedModel
from hilbench.frameworks.microtvm.archive import Archive
from hilbench.frameworks.microtvm.metadata import Module, TensorSize
from hilbench.tensors import TensorInfo

_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)|//[^\n]*+", re.DOTALL)
_FIELD = re.compile(r"\bvoid\s*+\*\s*+(\w++)\s*+;")
_DEFINED = re.compile(r"#define (\w++)(?: (\d{1,10})\b)?")
_DTYPES = {"float": "float32", "double": "float64"}
_INTERNAL_POOL = re.compile(r"\bstatic\s++uint8_t\s++\w++\[(\d{1,10})\]\s*+;")


@dataclass(frozen=True)
class Interface:
    """How generated code is called.

    `inputs` and `outputs` are names in its order. With the C interface (`structs`) they are fields of structures, as
    are the memory pools and devices that it wants; `mapped` says that it keeps inputs and outputs in a pool, too.
    `workspaces` gives the bytes of a pool by its name; `constants` names pools that come with their contents.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    structs: bool
    workspaces: Mapping[str, int]
    constants: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    mapped: bool = False


def interface(archive: Archive, module: Module, inputs: int) -> Interface:
    """Return how the archive's code is called, which has `inputs` inputs.

    Raises `ModelError` when the code has no entry point, `UnsupportedModel` when that is packed.
    """
    parameters = _parameters(archive, module)
    if re.search(r"\bnum_args\b|\bTVMValue\b", parameters):
        raise UnsupportedModel(
            "its functions have TVM's packed interface, which needs a runtime to call them",
            where=str(archive.path),
            hint="build it with Executor('aot', {'unpacked-api': True, 'interface-api': 'c'})",
        )
    header = archive.header(module.name)
    if header is not None:
        return _from_header(_COMMENT.sub("", header), f"tvmgen_{module.name.lower()}", archive.path)
    # Pools come after inputs and outputs, as bytes; without the C interface all of them are inside the code.
    names = re.findall(r"\bvoid\s*+\*\s*+(\w++)", parameters)
    return Interface(tuple(names[:inputs]), tuple(names[inputs:]), structs=False, workspaces={})


def arena_bytes(archive: Archive, module: Module, called: Interface, tensors: Sequence[TensorInfo]) -> int:
    """Return the bytes of memory for tensors: inputs, outputs, pools inside and outside the code, and the workspace."""
    total = sum(called.workspaces.values()) + workspace_bytes(archive, module)
    if not called.mapped:
        total += sum(tensor.bytes for tensor in tensors)
    for name in archive.sources():
        total += sum(int(size) for size in _INTERNAL_POOL.findall(archive.files[name].decode(errors="replace")))
    return total


def workspace_bytes(archive: Archive, module: Module) -> int:
    """Return the size of the workspace stack: none for code that had all its memory planned."""
    names = (*archive.sources(), *archive.objects())
    needed = any(b"TVMBackendAllocWorkspace" in archive.files[name] for name in names)
    return module.workspace_bytes if needed else 0


def check(archive: Archive, module: Module, called: Interface, inputs: Sequence[TensorInfo],
          outputs: Sequence[TensorInfo]) -> str:  # fmt: skip
    """Return how the archive's tensors differ from those of the model; empty when they agree."""
    difference = _difference("input", called.inputs, module.inputs, inputs)
    difference = difference or _difference("output", called.outputs, module.outputs, outputs)
    if difference or called.mapped:
        return difference
    # Metadata may be silent or edited; how the code takes its tensors is not.
    ours = [inputs[index] for index in _order_of_fields(called.inputs, inputs)]
    ours += [outputs[index] for index in _order_of_fields(called.outputs, outputs)]
    for kind, tensor in zip(_declared_dtypes(archive, module), ours, strict=False):
        if kind not in ("", tensor.dtype):
            return f"its code takes '{tensor.name}' as {kind}, the model has {tensor.dtype}"
    return ""


def write(module: Module, called: Interface, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo],
          workspace: int) -> str:  # fmt: skip
    """Return the C file that firmware/frameworks/microtvm/hb_microtvm.h asks for. Tensors are in the model's order."""
    prefix = f"tvmgen_{module.name.lower()}"
    sides = {"input": (_order(called.inputs, inputs), inputs), "output": (_order(called.outputs, outputs), outputs)}
    lines = ["/* Written by hilbench for one archive. */", '#include "hb_microtvm.h"', ""]
    lines.append(f'#include "{prefix}.h"' if called.structs else "#include <tvm/runtime/c_runtime_api.h>")
    lines += [f"HB_MICROTVM_ALIGNED uint8_t hb_microtvm_workspace[{max(1, workspace)}];"]
    lines += [f"const uint32_t hb_microtvm_workspace_bytes = {workspace};"]
    for side, (_, tensors) in sides.items():
        lines += _tensors(side, tensors, called.mapped)
    if called.structs:
        lines += _pools(prefix, called) + _call_with_structs(prefix, called, sides)
    else:
        lines += _call_with_arguments(module.name, called, sides)
    return "\n".join([*lines, ""])


_Sides = Mapping[str, tuple[tuple[int, ...], Sequence[TensorInfo]]]


def _parameters(archive: Archive, module: Module) -> str:
    """Return the parameters of the function behind the entry point, as the archive's C declares it."""
    main = re.compile(rf"\btvmgen_{module.name}_(?:__tvm_main__|run_model)\s*+\(([^();]*+)\)\s*+;")
    for name in archive.sources():
        if found := main.search(archive.files[name].decode(errors="replace")):
            return found[1]
    raise ModelError(
        f"no source in codegen/host/src declares the entry point of '{module.name}'",
        where=str(archive.path),
        hint="export it again: a source is missing, or this is no ahead-of-time export",
    )


def _declared_dtypes(archive: Archive, module: Module) -> list[str]:
    """Return the dtypes of the tensors that the code is defined to take, in its order; "" for one it does not tell."""
    main = re.compile(rf"\btvmgen_{module.name}_(?:__tvm_main__|run_model)\s*+\(([^();]*+)\)\s*+{{")
    for name in archive.sources():
        if found := main.search(archive.files[name].decode(errors="replace")):
            kinds = re.findall(r"\b(\w++)\s*+\*", found[1])
            return [_DTYPES.get(kind, kind.removesuffix("_t") if kind != "void" else "") for kind in kinds]
    return []


def _from_header(text: str, prefix: str, path: Path) -> Interface:
    defined = dict(_DEFINED.findall(text))
    pools = _fields(text, f"{prefix}_workspace_pools")
    workspaces: dict[str, int] = {}
    constants = []
    for pool in pools:
        name = f"{prefix}_{pool}".upper()
        if size := defined.get(f"{name}_WORKSPACE_POOL_SIZE"):
            workspaces[pool] = int(size)
        elif f"{name}_CONSTANT_POOL_DATA" in defined:
            constants.append(pool)
        else:
            raise ModelError(f"{prefix}.h does not say how large the pool '{pool}' is", where=str(path))
    if sum(workspaces.values()) >= 1 << 31:
        raise ModelError(f"{prefix}.h asks for pools of {sum(workspaces.values()):,} B", where=str(path))
    return Interface(
        inputs=_fields(text, f"{prefix}_inputs"),
        outputs=_fields(text, f"{prefix}_outputs"),
        structs=True,
        workspaces=workspaces,
        constants=tuple(constants),
        devices=_fields(text, f"{prefix}_devices"),
        mapped=f"{prefix}_map_inputs" in text,
    )


def _fields(text: str, structure: str) -> tuple[str, ...]:
    found = re.search(rf"\bstruct\s++{structure}\s*+{{([^{{}}]*+)}}", text)
    return tuple(_FIELD.findall(found[1])) if found else ()


def _difference(side: str, names: Sequence[str], sizes: Mapping[str, TensorSize], tensors: Sequence[TensorInfo]) -> str:
    if len(names) != len(tensors):
        return f"it has {len(names)} {side}s, the model {len(tensors)}"
    known = {_sanitised(name): size for name, size in sizes.items()}
    if not known:
        return ""
    theirs = [known[name] for name in names if name in known]
    if len(theirs) == len(tensors):
        ours = [tensors[index] for index in _order_of_fields(names, tensors)]
    else:  # named otherwise: which is which cannot be told, but the sizes can
        theirs = sorted(known.values(), key=lambda size: (size.size, size.dtype))
        ours = sorted(tensors, key=lambda tensor: (tensor.bytes, tensor.dtype))
    for size, tensor in zip(theirs, ours, strict=False):
        if (size.dtype, size.size) != (tensor.dtype, tensor.bytes):
            return (
                f"its {side} for '{tensor.name}' is {size.dtype} of {size.size} B, the model's {tensor.dtype} of "
                f"{tensor.bytes} B"
            )
    return "" if len(theirs) == len(ours) else f"it has {len(theirs)} {side}s, the model {len(ours)}"


def _sanitised(name: str) -> str:
    """Return a tensor's name as TVM writes it in C: src/runtime/name_transforms.cc."""
    return re.sub(r"[^A-Za-z0-9]", "_", name)


def _order_of_fields(names: Sequence[str], tensors: Sequence[TensorInfo]) -> tuple[int, ...]:
    """Return for each of the code's `names` which of the model's tensors it is: by name, else by place."""
    ours = [_sanitised(tensor.name) for tensor in tensors]
    if sorted(ours) == sorted(names) and len(set(ours)) == len(ours):
        return tuple(ours.index(name) for name in names)
    return tuple(range(len(names)))


def _order(names: Sequence[str], tensors: Sequence[TensorInfo]) -> tuple[int, ...]:
    """Return for each of the model's tensors its place in the code."""
    fields = _order_of_fields(names, tensors)
    return tuple(fields.index(index) for index in range(len(tensors)))


def _tensors(side: str, tensors: Sequence[TensorInfo], mapped: bool) -> list[str]:
    lines = []
    entries = []
    for index, tensor in enumerate(tensors):
        if not mapped:
            lines.append(f"HB_MICROTVM_ALIGNED static uint8_t {side}_{index}[{tensor.bytes}];")
        entries.append(f"{{{'0' if mapped else f'{side}_{index}'}, {tensor.bytes}}}")
    lines.append(f"hb_tensor hb_microtvm_{side}s[] = {{{', '.join(entries)}}};")
    lines.append(f"const uint32_t hb_microtvm_{side}_count = {len(tensors)};")
    return lines


def _pools(prefix: str, called: Interface) -> list[str]:
    lines = []
    for pool, size in called.workspaces.items():
        lines.append(f"HB_MICROTVM_ALIGNED static uint8_t pool_{pool}[{max(1, size)}];")
    for pool in called.constants:
        name = f"{prefix}_{pool}".upper()
        lines.append(f"HB_MICROTVM_ALIGNED static const uint8_t pool_{pool}[{name}_CONSTANT_POOL_SIZE] = "
                     f"{{{name}_CONSTANT_POOL_DATA}};")  # fmt: skip
    if pools := [*called.workspaces, *called.constants]:
        fields = ", ".join(f".{pool} = (void *)pool_{pool}" for pool in pools)
        lines.append(f"static struct {prefix}_workspace_pools pools = {{{fields}}};")
    if called.devices:
        lines.append(f"static struct {prefix}_devices devices;")
    return lines


def _call_with_structs(prefix: str, called: Interface, sides: _Sides) -> list[str]:
    arguments = []
    bind = []
    lines = []
    for side, (order, _) in sides.items():
        names = called.inputs if side == "input" else called.outputs
        if called.mapped:
            bind.append(f"    struct {prefix}_{side}s {side}s = {prefix}_map_{side}s(&pools);")
            bind += [f"    hb_microtvm_{side}s[{index}].data = {side}s.{names[place]};"
                     for index, place in enumerate(order)]  # fmt: skip
        else:
            fields = ", ".join(f".{names[place]} = {side}_{index}" for index, place in enumerate(order))
            lines.append(f"static struct {prefix}_{side}s {side}s = {{{fields}}};")
            arguments.append(f"&{side}s")
    arguments += ["&pools"] if called.workspaces or called.constants else []
    arguments += ["&devices"] if called.devices else []
    lines += ["void hb_microtvm_bind(void) {", *bind, "}"]
    return [*lines, f"int32_t hb_microtvm_run(void) {{ return {prefix}_run({', '.join(arguments)}); }}"]


def _call_with_arguments(name: str, called: Interface, sides: _Sides) -> list[str]:
    """Return the call of an entry point that takes tensors one by one and reads nothing of them but `data`."""
    count = len(called.inputs) + len(called.outputs)
    places = {}
    for side, (order, _) in sides.items():
        first = 0 if side == "input" else len(called.inputs)
        places.update({first + place: f"{side}_{index}" for index, place in enumerate(order)})
    return [
        f"int32_t tvmgen_{name}_run(void *args, void *types, int count, void *out, void *out_type, void *resource);",
        f"static DLTensor tensors[{count}] = {{{', '.join(f'{{.data = {places[i]}}}' for i in range(count))}}};",
        f"static TVMValue values[{count}] = {{{', '.join(f'{{.v_handle = &tensors[{i}]}}' for i in range(count))}}};",
        "void hb_microtvm_bind(void) {}",
        f"int32_t hb_microtvm_run(void) {{ return tvmgen_{name}_run(values, 0, {count}, 0, 0, 0); }}",
    ]
