"""TensorFlow Lite Micro on Cortex-M: the model's bytes, the operators it needs, and a library from a TFLM SDK."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from hilbench import resources
from hilbench.catalog.core import Core
from hilbench.errors import Unavailable, UnsupportedModel
from hilbench.frameworks import tflite
from hilbench.frameworks.base import YES, Emitted, Part, Request, Support
from hilbench.frameworks.tflm.sdk import LAYOUT, LIBRARY, Library, Sdk

_PLACE = "tflm_sdk"
_SET = f"set --hil-tflm-sdk=DIR or HILBENCH_TFLM_SDK to {LAYOUT}"
_GLUE = ("hb_tflm.cc", "hb_tflm_log.cc", "hb_tflm_model.S")
# The objects whose sources lie outside of tensorflow/lite/micro/kernels/ and lite/kernels/: a library has no folders.
# Two objects are called common.o: the C interface, and the arithmetic of kernels.
_RUNTIME = (
    *("micro_*", "*_planner", "*_planner_shim", "*_buffer_allocator", "recording_*", "memory_helpers", "common"),
    *("flatbuffer_*", "schema_utils", "error_reporter", "op_resolver", "debug_log", "system_setup", "hexdump"),
)
_PARTS: dict[str, Part] = {
    "hb_tflm_model.S": "model",
    f"{LIBRARY}(micro_tensor_utils.o)": "kernels",
    f"{LIBRARY}(common.o):.*._ZN6tflite*": "kernels",
    **{f"{LIBRARY}({name}.o)": "runtime" for name in _RUNTIME},
    f"{LIBRARY}(*)": "kernels",
}
_RUN_OTHER_GRAPHS = ("CALL_ONCE", "IF", "WHILE")


def available(core: Core, paths: Mapping[str, Path]) -> Support:
    """Say whether there is an SDK with a library for `core`."""
    if _PLACE not in paths:
        return Support(False, "no TFLM SDK", _SET)
    try:
        sdk = Sdk.open(paths[_PLACE])
        if not sdk.has(core):
            raise sdk.lacks(core, "reference")
    except Unavailable as missing:
        return _no(missing)
    return YES


def versions(request: Request) -> dict[str, str]:
    """Return version and hashes of the SDK, and how its library was compiled. Raises `Unavailable`."""
    sdk, library = _find(request)
    return {
        # In the version, because it is what every table shows.
        "tflm": f"{sdk.version} with assertions" if library.asserts else sdk.version,
        "tflm library": library.sha256,
        "tflm headers": sdk.headers_sha256(),
        "tflm compiler": library.kernel.compiler,
        "tflm optimisation": library.optimisation,
    }


def supports(request: Request) -> Support:
    """Say whether there is a library for the core, and a kernel for every operator. Raises `ModelError`."""
    graph = tflite.read(request.model.path)
    try:
        sdk, _ = _find(request)
    except Unavailable as missing:
        return _no(missing)
    reasons = [
        *(
            f"{operator}: TensorFlow Lite Micro has no kernel for it"
            for operator in graph.operators
            if operator.name not in sdk.adders
        ),
        # Their operators would have to be registered too, and tflite.read() reads the main graph alone.
        *(
            f"{operator} runs another graph of the model: hilbench knows only the main one"
            for operator in graph.operators
            if operator.name in _RUN_OTHER_GRAPHS
        ),
    ]
    return Support(False, "; ".join(reasons)) if reasons else YES


def emit(request: Request, into: Path) -> Emitted:
    """Write the model and the list of its operators into `into`. Raises `UnsupportedModel`, `Unavailable`."""
    model = request.model
    support = supports(request)
    if not support.ok:
        raise UnsupportedModel(support.reason, where=str(model.path), hint=support.remedy or None)
    sdk, library = _find(request)
    graph = tflite.read(model.path)
    shutil.copyfile(model.path, into / "model.tflite")
    names = dict.fromkeys(operator.name for operator in graph.operators)
    (into / "hb_tflm_operators.h").write_text(_operators_header([sdk.adders[name] for name in names]))
    glue = resources.FIRMWARE / "frameworks" / "tflm"
    return Emitted(
        inputs=graph.input_infos(),
        outputs=graph.output_infos(),
        sources=tuple(glue / name for name in _GLUE),
        objects=(library.path,),
        include_dirs=(into, sdk.include),
        flags=_flags(request, library),
        operators=graph.operator_names(),
        macs=graph.macs(),
        # A library without texts was built without profiling too: TFLM's micro_profiler.h, TF_LITE_STRIP_ERROR_STRINGS.
        profiled=library.prints,
        parts=_PARTS,
    )


def _find(request: Request) -> tuple[Sdk, Library]:
    if _PLACE not in request.paths:
        raise Unavailable("no TFLM SDK", hint=_SET)
    sdk = Sdk.open(request.paths[_PLACE])
    return sdk, sdk.library(request.core, request.options.get("kernels", "reference"))


def _no(missing: Unavailable) -> Support:
    """Return `missing` as an answer; the place is named in its reason."""
    reason = f"{missing.where}: {missing.what}" if missing.where else missing.what
    return Support(False, reason, missing.hint or "")


def _flags(request: Request, library: Library) -> tuple[str, ...]:
    """Return the definitions that TFLM's headers need to mean what they meant in the library: see TFLM's Makefile."""
    kernels = request.options.get("kernels", "reference")
    return (
        *("-std=c++17", "-DTF_LITE_STATIC_MEMORY"),
        *(() if kernels == "reference" else (f"-D{kernels.upper()}",)),
        *(() if library.prints else ("-DTF_LITE_STRIP_ERROR_STRINGS",)),
    )


def _operators_header(adders: list[str]) -> str:
    """Return the header that tells the glue which operators to register: kernels that no one needs stay out."""
    calls = " ".join(f"add({adder})" for adder in adders)
    return (
        "/* The operators of one model. Written by hilbench. */\n"
        f"#define HB_TFLM_OPERATOR_COUNT {len(adders)}\n"
        f"#define HB_TFLM_FOR_EACH_OPERATOR(add) {calls}\n"
    )
