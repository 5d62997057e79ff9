"""Lowers scheduled PrimFuncs to functions that take plain pointers, by an explicit list of TVM's public passes.

TVM's own list ends in `MakePackedAPI`, whose functions unpack and check DLTensors at run time; here `_unpacked` stands
in its place. Each function is `void name(const T *restrict input, ..., T *restrict output)`; one that needs more memory
than the stack should give takes a last argument, `int8_t *restrict workspace`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tvm
import tvm_ffi
from tvm import s_tir, tirx
from tvm.tirx.buffer import buffer_data_pointer_type
from tvm.tirx.stmt import AllocBuffer, AttrStmt, DeclBuffer, SeqStmt

from hilbench.catalog.core import Core
from hilbench.frameworks.tvm import instructions

_C_TYPES = {name: f"{name}_t" for name in ("int8", "uint8", "int16", "int32", "int64")}
_ALIGNMENT = 16
# Smaller buffers are on the stack. TVM itself draws the line here (kMaxStackAlloca): it asks a runtime for larger ones.
_STACK_BYTES = 1024
# By LLVM's names: https://llvm.org/docs/UserGuides.html, "How to cross-compile to Arm".
_ARCHITECTURES = {
    "cortex-m0": "thumbv6m",
    "cortex-m0plus": "thumbv6m",
    "cortex-m3": "thumbv7m",
    "cortex-m4": "thumbv7em",
    "cortex-m7": "thumbv7em",
    "cortex-m33": "thumbv8m.main",
    "cortex-m55": "thumbv8.1m.main",
}


@dataclass(frozen=True, eq=False)
class Lowered:
    """Lowered functions, the C prototype of each, and how many bytes of workspace it takes while it runs."""

    module: Any
    target: Any
    prototypes: Mapping[str, str]
    workspace_bytes: Mapping[str, int]


def c_target() -> Any:
    """Return the target for `source`."""
    return tvm.target.Target("c", host="c")


def llvm_target(core: Core) -> Any:
    """Return the target for `write_object` on `core`."""
    cpu = next(flag.removeprefix("-mcpu=") for flag in core.gcc_flags if flag.startswith("-mcpu="))
    facts = {
        "kind": "llvm",
        "mtriple": f"{_ARCHITECTURES[cpu]}-none-{'eabihf' if core.fpu else 'eabi'}",
        "mcpu": cpu,
        "mfloat-abi": "hard" if core.fpu else "soft",
        "vector-width": 128,  # as TVM would guess, and say
    }
    return tvm.target.Target(facts, host=facts)


def lower(functions: Mapping[str, Any], target: Any) -> Lowered:
    """Lower `functions` (PrimFuncs by name) for `target`. The last buffer of each is its output; others are read."""
    attributes = {"target": target, "tirx.noalias": True}
    module = tvm.IRModule(
        {
            tvm.ir.GlobalVar(name): function.with_attr({**attributes, "global_symbol": name})
            for name, function in functions.items()
        }
    )
    with target:
        module = tvm.transform.Sequential(_passes(target))(module)
    workspace_bytes = {name: int(module[name].attrs.get("hb_workspace", 0)) for name in functions}
    prototypes = {name: _prototype(name, module[name]) for name in functions}
    return Lowered(module, target, prototypes, workspace_bytes)


def source(lowered: Lowered) -> str:
    """Return the functions in C."""
    text = tvm.get_global_func("target.build.c")(lowered.module, lowered.target).inspect_source()
    # TVM declares what the kernels call as if they were no inline functions.
    text = re.sub(_DECLARATION, lambda found: found[0] if found[1] in lowered.prototypes else "", text)
    for name, prototype in lowered.prototypes.items():
        text, count = re.subn(rf"void {name}\([^()]*\)", prototype, text)
        if count != 2:
            raise RuntimeError(f"TVM's C does not declare and define '{name}'; is this apache-tvm 0.27?")
    return f'#include "hb_tvm_dsp.h"\n{text}'


_DECLARATION = r'#ifdef __cplusplus\nextern "C"\n#endif\nTVM_DLL \w+ (\w+)\([^()]*\);\n'


def write_object(lowered: Lowered, path: Path) -> None:
    """Write the functions as an ELF object to `path`, compiled by LLVM."""
    tvm.get_global_func("target.build.llvm")(lowered.module, lowered.target).write_to_file(str(path), "o")


def _prototype(name: str, function: Any) -> str:
    pointers = [(parameter.name, _C_TYPES[str(parameter.ty.element_type.dtype)]) for parameter in function.params]
    written = 2 if pointers[-1][0] == _WORKSPACE else 1
    const = ["const "] * (len(pointers) - written) + [""] * written
    texts = (f"{how}{c_type} *restrict {pointer}" for how, (pointer, c_type) in zip(const, pointers, strict=True))
    return f"void {name}({', '.join(texts)})"


def _passes(target: Any) -> list[Any]:
    """TVM 0.27's `s_tir` pipeline without what only GPUs, vectors or the packed ABI need."""
    high, low = s_tir.transform, tirx.transform
    return [
        high.CanonicalizeLoop(),
        high.LowerInitBlock(),
        high.PlanAndUpdateBufferAllocationLocation(),
        high.ConvertBlocksToOpaque(),
        high.CompactBufferAllocation(),
        high.LowerMatchBuffer(),
        low.StmtSimplify(),
        high.LowerOpaqueBlock(),
        low.FlattenBuffer(),
        low.NarrowDataType(32),
        high.LoopPartition(),
        low.VectorizeLoop(False),
        low.StorageRewrite(),
        low.UnrollLoop(),
        high.RenormalizeSplitPattern(),
        low.StmtSimplify(),
        low.RemoveNoOp(),
        high.RewriteUnsafeSelect(),
        low.CommonSubexprElim(),
        tvm.transform.module_pass(_unpacked, opt_level=0),
        *([tvm.transform.module_pass(_as_llvm, opt_level=0)] if target.kind.name == "llvm" else []),
        low.LowerTVMBuiltin(),
        low.LowerIntrin(),
    ]


def _unpacked(module: Any, _context: Any) -> Any:
    """Pass: turn every buffer parameter into a pointer parameter."""
    return tvm.IRModule({variable: _unpack(function) for variable, function in module.functions.items()})


def _unpack(function: Any) -> Any:
    pointers = [tirx.Var(buffer.name, buffer_data_pointer_type(buffer)) for buffer in function.params]
    buffers = [DeclBuffer(buffer, data=pointer) for buffer, pointer in zip(function.params, pointers, strict=True)]
    body, size = _with_workspace(function.body, pointers)
    # LowerTVMBuiltin asks for the device of what is allocated: DLPack's kDLCPU, number 0.
    for key, value in (("device_type", 1), ("device_id", 0)):
        body = AttrStmt("default", key, tirx.const(value, "int32"), body)
    body = SeqStmt([*buffers, body])
    unpacked = tirx.PrimFunc(pointers, body, function.ret_type, function.attrs)
    return unpacked.with_attr("hb_workspace", size)


_WORKSPACE = "workspace"


def _with_workspace(body: Any, pointers: list[Any]) -> tuple[Any, int]:
    """Move large buffers to a workspace, whose pointer is added to `pointers`. Returns the new body and its bytes."""
    workspace = tirx.decl_buffer((1,), "int8", _WORKSPACE)
    size = 0

    def moved(allocation: Any) -> Any:
        nonlocal size
        buffer = allocation.buffer
        needed = int(np.prod([int(n) for n in buffer.shape])) * np.dtype(str(buffer.dtype)).itemsize
        if needed < _STACK_BYTES:
            return allocation
        place = tirx.address_of(workspace[size])
        size += -(-needed // _ALIGNMENT) * _ALIGNMENT
        return DeclBuffer(buffer, data=place)

    body = tvm_ffi.structural_map(body, (AllocBuffer, moved), order="post")
    if size:
        pointer = tirx.Var(_WORKSPACE, buffer_data_pointer_type(workspace))
        pointers.append(pointer)
        body = SeqStmt([DeclBuffer(workspace, data=pointer), body])
    return body, size


def _as_llvm(module: Any, _context: Any) -> Any:
    """Pass: turn calls of the instructions' C functions into what LLVM makes the instructions of."""
    return tvm.IRModule(
        {
            variable: function.with_body(instructions.as_llvm(function.body))
            for variable, function in module.functions.items()
        }
    )
