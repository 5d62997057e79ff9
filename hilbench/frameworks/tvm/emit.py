"""Writes a program: TVM's kernels.c or kernels.o, constants.c and model.c, which implements agent/hb_model.h.

The text depends on the model and on TVM's version alone: no paths, no times, no floats, no order of a hash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hilbench.catalog.core import Core
from hilbench.frameworks.tvm import (  # noqa: F401  (some register their kernels)
    elementwise,
    kernel,
    lower,
    movement,
    packed_kernels,
    wide,
)
from hilbench.frameworks.tvm.kernels import prim_func
from hilbench.frameworks.tvm.plan import ALIGNMENT, Plan, Tenant, plan
from hilbench.frameworks.tvm.program import Argument, Call, Program

Array = npt.NDArray[Any]

_C_TYPES = {name: f"{name}_t" for name in ("int8", "uint8", "int16", "int32", "int64")}
_KINDS = {
    kernel.Candidate: "candidate",
    kernel.Conv2D: "conv2d",
    kernel.PackedConv2D: "packed_conv2d",
    kernel.DepthwiseConv2D: "depthwise_conv2d",
    kernel.PackedDepthwiseConv2D: "packed_depthwise_conv2d",
    kernel.Pool2D: "pool2d",
    kernel.WideConv2D: "wide_conv2d",
    kernel.Sum: "sum",
    kernel.Product: "product",
    kernel.Extreme: "extreme",
    kernel.Lookup: "lookup",
    kernel.Rescale: "rescale",
    kernel.Reduce: "reduce",
    kernel.Move: "move",
    kernel.Join: "join",
    kernel.Resize: "resize",
}
_CONSTANTS_A_LINE = 24
_OCTAL = [f"\\{byte:03o}" for byte in range(256)]


@dataclass(frozen=True)
class Written:
    """The C files and objects, in the order to compile or link them, and the bytes of the arena with all workspaces."""

    sources: tuple[Path, ...]
    objects: tuple[Path, ...]
    arena_bytes: int


def write(
    program: Program,
    operators: tuple[str, ...],
    llvm: Core | None,
    into: Path,
    function: Callable[[kernel.Kernel], Any] = prim_func,
) -> Written:
    """Write the C of `program` into the folder `into`; `operators` are the names for its comments.

    With `llvm`, the kernels are not C but an object for that core. `function` returns a kernel's scheduled PrimFunc.
    """
    names = _kernel_names(program.calls)
    target = lower.llvm_target(llvm) if llvm else lower.c_target()
    lowered = lower.lower({name: function(what) for what, name in names.items()}, target)
    workspaces = [lowered.workspace_bytes[names[c.kernel]] if c.kernel in names else 0 for c in program.calls]
    arena = plan(_tenants(program, workspaces))
    constants = _Constants(program.calls)
    model = _Model(program, names, workspaces, arena, constants)
    texts = {"constants.c": constants.definitions(), "model.c": model.text(lowered.prototypes, operators)}
    objects: tuple[Path, ...] = ()
    if llvm:
        objects = (into / "kernels.o",)
        lower.write_object(lowered, into / "kernels.o")
    else:
        texts = {"kernels.c": lower.source(lowered).rstrip("\n") + "\n", **texts}
    (into / "constants.h").write_text(constants.declarations())
    for name, text in texts.items():
        (into / name).write_text(text)
    return Written(tuple(into / name for name in texts), objects, arena.total)


def _kernel_names(calls: Iterable[Call]) -> dict[kernel.Kernel, str]:
    """Name each kernel that TVM is to make, in the order of first use: equal records share one."""
    names: dict[kernel.Kernel, str] = {}
    for call in calls:
        kind = _KINDS.get(type(call.kernel))
        if kind is not None and call.kernel not in names:
            number = sum(type(other) is type(call.kernel) for other in names)
            names[call.kernel] = f"hb_{kind}_{number}"
    return names


def _tenants(program: Program, workspaces: list[int]) -> list[Tenant]:
    """Return the arena's tenants: the program's values by number, then each call's workspace.

    Inputs live from step 0, which is before the first call, to their last use; outputs to the end.
    """
    end = len(program.calls) + 1
    first = dict.fromkeys(program.inputs, 0)
    last = dict(first)
    for step, call in enumerate(program.calls, 1):
        first[call.output] = last[call.output] = step
        last.update({value: step for value in call.arguments if isinstance(value, int)})
    last.update(dict.fromkeys(program.outputs, end))
    values = [Tenant(size, first[value], last[value]) for value, size in enumerate(program.value_bytes)]
    return values + [Tenant(size, step, step) for step, size in enumerate(workspaces, 1)]


class _Constants:
    """Every different constant of a program once, named in the order of first use."""

    def __init__(self, calls: Iterable[Call]) -> None:
        self._names: dict[tuple[str, bytes], str] = {}
        self._arrays: list[Array] = []
        for call in calls:
            for argument in call.arguments:
                if not isinstance(argument, int) and self._key(argument) not in self._names:
                    self._names[self._key(argument)] = f"hb_constant_{len(self._arrays)}"
                    self._arrays.append(argument)

    @staticmethod
    def _key(array: Array) -> tuple[str, bytes]:
        return array.dtype.name, np.ascontiguousarray(array).tobytes()

    def name(self, array: Array) -> str:
        return self._names[self._key(array)]

    def _declaration(self, array: Array) -> str:
        alignment = f"__attribute__((aligned({max(4, array.itemsize)})))"
        return f"const {_C_TYPES[array.dtype.name]} {self.name(array)}[{array.size}] {alignment}"

    def declarations(self) -> str:
        lines = [f"extern {self._declaration(array)};" for array in self._arrays]
        guard = "HB_CONSTANTS_H"
        head = ["/* Weights, biases, multipliers and tables of one model. */", f"#ifndef {guard}", f"#define {guard}"]
        return "\n".join([*head, "#include <stdint.h>", *lines, "#endif", ""])

    def definitions(self) -> str:
        parts = ['#include "constants.h"\n']
        for array in self._arrays:
            items = array.reshape(-1)
            rows = [items[i : i + _CONSTANTS_A_LINE] for i in range(0, items.size, _CONSTANTS_A_LINE)]
            if array.itemsize == 1:  # a string: compilers read one ten times faster than a list of numbers
                text = "\n".join('"' + "".join(_OCTAL[byte] for byte in row.tobytes()) + '"' for row in rows)
            else:
                text = "{" + ",\n".join(",".join(map(str, row.tolist())) for row in rows) + "}"
            parts.append(f"{self._declaration(array)} =\n{text};\n")
        return "".join(parts)


@dataclass(frozen=True, eq=False)
class _Model:
    """What model.c is made of."""

    program: Program
    names: Mapping[kernel.Kernel, str]
    workspaces: list[int]
    arena: Plan
    constants: _Constants

    def text(self, prototypes: Mapping[str, str], operators: tuple[str, ...]) -> str:
        """Return model.c."""
        calls = self.program.calls
        statics = [line for step, call in enumerate(calls) for line in self._statics(step, call)]
        steps = [line for step, call in enumerate(calls) for line in self._step(step, call, operators[call.operator])]
        return _TEMPLATE.format(
            prototypes="\n".join(f"{prototype};" for prototype in prototypes.values()),
            alignment=ALIGNMENT,
            arena=max(self.arena.total, ALIGNMENT),
            statics="".join(f"{line}\n" for line in statics),
            inputs=self._tensors(self.program.inputs),
            outputs=self._tensors(self.program.outputs),
            steps="\n".join(f"    {line}" for line in steps),
        )

    def _tensors(self, values: Iterable[int]) -> str:
        cells = (f"{{arena + {self.arena.offsets[v]}, {self.program.value_bytes[v]}}}" for v in values)
        return ", ".join(cells)

    def _place(self, argument: Argument) -> str:
        if isinstance(argument, int):
            return f"AT({self.arena.offsets[argument]})"
        return self.constants.name(argument)

    def _statics(self, step: int, call: Call) -> list[str]:
        if not isinstance(call.kernel, kernel.Pad):
            return []
        pad, missing = call.kernel, 4 - len(call.kernel.shape)
        fields = {"shape": (1,) * missing + pad.shape, "before": (0,) * missing + pad.before,
                  "after": (0,) * missing + pad.after}  # fmt: skip
        cells = [f".{name} = {{{', '.join(map(str, numbers))}}}" for name, numbers in fields.items()]
        return [f"static const hb_pad pad_{step} = {{{', '.join(cells)}, .value = {pad.value}}};"]

    def _step(self, step: int, call: Call, operator: str) -> list[str]:
        arguments = [self._place(argument) for argument in (*call.arguments, call.output)]
        comment = f"/* {operator} */"
        done = f"HB_OPERATOR_DONE({call.operator});"
        if isinstance(call.kernel, kernel.Pad):
            return [comment, f"hb_pad_s8({', '.join([f'&pad_{step}', *arguments])});", done]
        if isinstance(call.kernel, kernel.Softmax):
            sizes = [str(call.kernel.rows), str(call.kernel.depth)]
            return [comment, f"hb_softmax_s8({', '.join(arguments + sizes)});", done]
        if self.workspaces[step]:
            arguments.append(f"arena + {self.arena.offsets[len(self.program.value_bytes) + step]}")
        return [comment, f"{self.names[call.kernel]}({', '.join(arguments)});", done]


_TEMPLATE = """\
/* One model, compiled ahead of time: implements hb_model.h. Activations share one arena. */
#include "hb_model.h"

#include "constants.h"
#include "hb_tvm.h"

{prototypes}

static int8_t arena[{arena}] __attribute__((aligned({alignment}), section(".bss.hb_arena")));
#define AT(offset) ((void *)(arena + (offset)))
{statics}
static const hb_tensor inputs[] = {{{inputs}}};
static const hb_tensor outputs[] = {{{outputs}}};

int hb_model_init(void) {{
    return 0;
}}

uint32_t hb_model_input_count(void) {{
    return sizeof inputs / sizeof *inputs;
}}

uint32_t hb_model_output_count(void) {{
    return sizeof outputs / sizeof *outputs;
}}

hb_tensor hb_model_input(uint32_t index) {{
    return inputs[index];
}}

hb_tensor hb_model_output(uint32_t index) {{
    return outputs[index];
}}

int hb_model_invoke(void) {{
{steps}
    return 0;
}}

uint32_t hb_model_arena_used(void) {{
    return sizeof arena;
}}
"""
