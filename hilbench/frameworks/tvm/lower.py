"""Lowers scheduled PrimFuncs to C functions that take plain pointers, by an explicit list of TVM's public passes.

TVM's own list ends in `MakePackedAPI`, whose functions unpack and check DLTensors at run time; here `_unpacked` stands
in its place. Each function is `int32_t name(const T *restrict input, ..., T *restrict output)` and returns 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tvm
import tvm_ffi
from tvm import s_tir, tirx
from tvm.tirx.buffer import buffer_data_pointer_type
from tvm.tirx.stmt import AttrStmt, DeclBuffer, SeqStmt

_C_TYPES = {"int8": "int8_t", "uint8": "uint8_t", "int32": "int32_t"}
_ALIGNMENT = 16


@dataclass(frozen=True)
class Lowered:
    """C source, the prototype of each function, and how many bytes of workspace it takes while it runs."""

    source: str
    prototypes: Mapping[str, str]
    workspace_bytes: Mapping[str, int]


def lower(functions: Mapping[str, Any]) -> Lowered:
    """Return the C of `functions` (PrimFuncs by name). The last buffer of each is its output, the others are read."""
    target = tvm.target.Target("c", host="c")
    attributes = {"target": target, "tirx.noalias": True}
    module = tvm.IRModule(
        {
            tvm.ir.GlobalVar(name): function.with_attr({**attributes, "global_symbol": name})
            for name, function in functions.items()
        }
    )
    module = tvm.transform.Sequential(_passes())(module)
    source = tvm.get_global_func("target.build.c")(module, target).inspect_source()
    prototypes = {}
    for name, function in functions.items():
        buffers = [(parameter.name, _C_TYPES[str(parameter.ty.dtype)]) for parameter in function.params]
        plain = f"int32_t {name}({', '.join(f'{c_type}* {buffer}' for buffer, c_type in buffers)})"
        *inputs, output = [f"{c_type} *restrict {buffer}" for buffer, c_type in buffers]
        prototypes[name] = f"int32_t {name}({', '.join([*(f'const {each}' for each in inputs), output])})"
        if source.count(plain) != 2:
            raise RuntimeError(f"TVM's C does not declare and define '{plain}'; is this apache-tvm 0.27?")
        source = source.replace(plain, prototypes[name])
    bodies = {variable.name_hint: function.body for variable, function in module.functions.items()}
    return Lowered(source, prototypes, {name: _workspace_bytes(bodies[name]) for name in functions})


def _passes() -> list[Any]:
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
        low.LowerTVMBuiltin(),
        low.LowerIntrin(),
    ]


def _unpacked(module: Any, _context: Any) -> Any:
    """Pass: turn every buffer parameter into a pointer parameter, and let the function return a status."""
    return tvm.IRModule({variable: _unpack(function) for variable, function in module.functions.items()})


def _unpack(function: Any) -> Any:
    pointers = [tirx.Var(buffer.name, buffer_data_pointer_type(buffer)) for buffer in function.params]
    buffers = [DeclBuffer(buffer, data=pointer) for buffer, pointer in zip(function.params, pointers, strict=True)]
    body = function.body
    # LowerTVMBuiltin asks for the device when it allocates a workspace: DLPack's kDLCPU, number 0.
    for key, value in (("device_type", 1), ("device_id", 0)):
        body = AttrStmt("default", key, tirx.const(value, "int32"), body)
    status = tirx.Return(tirx.const(0, "int32"))
    return tirx.PrimFunc(pointers, SeqStmt([*buffers, body, status]), tvm.ir.PrimType("int32"), function.attrs)


def _workspace_bytes(body: Any) -> int:
    """Return the bytes that a function allocates from its workspace, each block rounded up as the shim does."""
    sizes = []

    def visit(node: Any) -> None:
        if getattr(node.op, "name", "") == "tirx.TVMBackendAllocWorkspace":
            sizes.append(-(-int(node.args[2]) // _ALIGNMENT) * _ALIGNMENT)

    tvm_ffi.structural_walk(body, (tvm.ir.Call, visit), order="pre")
    return sum(sizes)
