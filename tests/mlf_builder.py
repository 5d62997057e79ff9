"""Writes the layer of dense_model.py in Model Library Format by hand, in the shapes that TVM 0.8 to 0.18 export."""

import json
import tarfile
from pathlib import Path

from .dense_model import EXAMPLE

_LAYER = """
#include "tvm/runtime/c_runtime_api.h"
#include "tvm/runtime/c_backend_api.h"
#include "weights.h"
static const int8_t weights[OUTPUTS][INPUTS] = WEIGHTS;
static const int32_t plain_biases[OUTPUTS] = BIASES;

TVM_DLL int32_t tvmgen_default_@MAIN(int8_t* p0, int8_t* compute@POOLS) {
  const int32_t* biases = @BIASES;
  int32_t* sums = @SUMS;
  if (sums == NULL) return -1;
  for (int row = 0; row < OUTPUTS; ++row) {
    sums[row] = biases[row];
    for (int i = 0; i < INPUTS; ++i) sums[row] += weights[row][i] * (p0[i] - INPUT_ZERO);
  }
  for (int row = 0; row < OUTPUTS; ++row) {
    int32_t half = (sums[row] + 1) >> 1;
    int32_t value = (half >> 3) + ((half & 7) > 3 + (half < 0)) + (OUTPUT_ZERO);
    compute[row] = (int8_t)(value < -128 ? -128 : value > 127 ? 127 : value);
  }
  return @FREE;
}
"""
_RAM = "((uint8_t*)workspace_pools->global_ram)"
_POOLS = "struct tvmgen_default_workspace_pools"


def library(folder: Path, version: int = 7, interface: str = "c", memory: str = "workspace") -> Path:
    """Write the layer as `version` has it; return the folder. `interface` is `c` or `packed`; operators are not.

    `memory` says where the layer keeps its sums: in TVM's `workspace` stack; in a pool that is `internal` to the code;
    in one that is `external`; so beside one with `constants`; so with inputs and outputs in it, too (`mapped`).
    """
    source, include = folder / "codegen/host/src", folder / "codegen/host/include"
    source.mkdir(parents=True)
    main, output = ("run_model", "output") if version == 5 else ("__tvm_main__", "y")
    parameters = {"workspace": [], "constants": ["uint8_t* biases_0", "uint8_t* pool_1"]}.get(
        memory, ["uint8_t* pool_1"]
    )
    values = {
        "MAIN": main,
        "POOLS": "".join(f", {parameter}" for parameter in parameters),
        "BIASES": "(const int32_t*)biases_0" if memory == "constants" else "plain_biases",
        "SUMS": "TVMBackendAllocWorkspace(1, 0, 16, 0, 32)" if memory == "workspace" else "(int32_t*)pool_1",
        "FREE": "TVMBackendFreeWorkspace(1, 0, sums)" if memory == "workspace" else "0",
    }
    layer = _LAYER
    for name, value in values.items():
        layer = layer.replace(f"@{name}", value)
    names = ("arg0", "arg1") if version == 5 else ("x_0", "output0")
    declared = ",".join([*(f"void* {name}" for name in names), *parameters])
    files = {
        source / "default_lib0.c": _entry(interface, memory, f"tvmgen_default_{main}", declared, output),
        source / "default_lib1.c": layer,
        source / "weights.h": (EXAMPLE / "weights.h").read_text(),
        folder / "metadata.json": json.dumps(metadata(version)),
    }
    if interface == "c":
        include.mkdir()
        files[include / "tvmgen_default.h"] = _header(memory, output)
    for path, text in files.items():
        path.write_text(text)
    return folder


def metadata(version: int = 7, **changes: object) -> dict:
    """Return metadata.json of the layer; `changes` are of its module."""
    main = {"device": 1, "workspace_size_bytes": 16, "constants_size_bytes": 0, "io_size_bytes": 12}
    if version > 5:
        main |= {"inputs": {"x:0": {"dtype": "int8", "size": 8}}, "outputs": {"y": {"dtype": "int8", "size": 4}}}
    module = {
        "model_name": "default",
        "export_datetime": "2023-09-22 17:08:00Z",
        "style": "full-model",
        "executors": ["aot"],
        "target": {"1": "c -keys=cpu"} if version == 5 else ["c -keys=cpu"],
        "memory": {"functions": {"main": [main], "operator_functions": []}},
    }
    if version == 7:
        runtime = {"short_name": "tvm_standalone_crt", "url": "./runtime", "version_spec": "0.13.0"}
        return {"version": 7, "modules": {"default": {**module, "external_dependencies": [runtime], **changes}}}
    return {"version": version, **module, **changes}


def tar(folder: Path) -> Path:
    """Pack `folder` as TVM does; return the archive."""
    path = folder.with_suffix(".tar")
    with tarfile.open(path, "w") as archive:
        archive.add(folder, arcname=".")
    return path


def _entry(interface: str, memory: str, main: str, declared: str, output: str) -> str:
    """Return default_lib0.c: the entry point."""
    lines = ['#include "tvm/runtime/c_runtime_api.h"']
    if memory == "internal":
        lines += ['__attribute__((section(".bss.noinit.tvm"), aligned(16)))', "static uint8_t global_workspace[16];"]
    if interface == "c":
        lines.append("#include <tvmgen_default.h>")
    lines.append(f"TVM_DLL int32_t {main}({declared});")
    pools = {
        "workspace": [],
        "internal": ["((uint8_t*)&global_workspace)"],
        "constants": ["((uint8_t*)workspace_pools->global_const)", _RAM],
    }.get(memory, [_RAM])
    if interface == "packed":
        tensors = [f"((DLTensor*)(((TVMValue*)args)[{i}].v_handle))[0].data" for i in range(2)]
        parameters = "void* args, void* type_code, int num_args, void* out_value, void* out_type_code, void* handle"
    elif memory == "mapped":
        tensors, parameters = [f"&{_RAM}[16]", f"&{_RAM}[32]"], f"{_POOLS}* workspace_pools"
        for side, field, tensor in zip(("inputs", "outputs"), ("x_0", output), tensors, strict=True):
            lines.append(f"struct tvmgen_default_{side} tvmgen_default_map_{side}(\n  {_POOLS}* workspace_pools\n\n){{")
            lines.append(f"struct tvmgen_default_{side} ret = {{\n\t.{field} = {tensor},\n}};\nreturn ret;\n}}\n")
    else:
        tensors, parameters = ["inputs->x_0", f"outputs->{output}"], ",".join(_structs(memory))
    lines.append(f"int32_t tvmgen_default_run({parameters}) {{return {main}({','.join([*tensors, *pools])});\n}}\n;")
    return "\n".join(lines)


def _structs(memory: str) -> list[str]:
    """Return the parameters of the entry point with the C interface."""
    given = ["struct tvmgen_default_inputs* inputs", "struct tvmgen_default_outputs* outputs"]
    pools = [f"{_POOLS}* workspace_pools"]
    return {"workspace": given, "internal": given, "mapped": pools}.get(memory, given + pools)


def _header(memory: str, output: str) -> str:
    """Return tvmgen_default.h: the C interface."""
    pools = {"external": ["global_ram"], "mapped": ["global_ram"], "constants": ["global_const", "global_ram"]}
    structs = {"inputs": ["x_0"], "outputs": [output], "workspace_pools": pools.get(memory, [])}
    lines = ["#include <stdint.h>"]
    for name, fields in structs.items():
        if fields:
            lines.append(f'/*!\n * \\brief struct {name} for TVM module "default" \n */')
            lines.append(f"struct tvmgen_default_{name} {{\n" + "".join(f"  void* {one};\n" for one in fields) + "};\n")
    if memory == "mapped":
        lines += [f"struct tvmgen_default_{side} tvmgen_default_map_{side}(\n  {_POOLS}* workspace_pools\n);\n"
                  for side in ("inputs", "outputs")]  # fmt: skip
    lines.append("int32_t tvmgen_default_run(\n  " + ",\n  ".join(_structs(memory)) + "\n);")
    lines.append("#define TVMGEN_DEFAULT_WORKSPACE_SIZE 16")
    if memory in pools:
        lines.append(f"#define TVMGEN_DEFAULT_GLOBAL_RAM_WORKSPACE_POOL_SIZE {48 if memory == 'mapped' else 16}")
    if memory == "constants":
        biases = b"".join(number.to_bytes(4, "little", signed=True) for number in (10, -37, 64, 5))
        lines.append("#define TVMGEN_DEFAULT_GLOBAL_CONST_CONSTANT_POOL_SIZE 16")
        lines.append("#define TVMGEN_DEFAULT_GLOBAL_CONST_CONSTANT_POOL_DATA \\")
        lines.append(", ".join(f"0x{byte:02x}" for byte in biases[:8]) + ", \\")
        lines.append(", ".join(f"0x{byte:02x}" for byte in biases[8:]) + "\n")
    return "\n".join(lines)
