"""The reference of fidelity: what TensorFlow Lite Micro's host interpreter makes of the same model and inputs.

Its kernels are the same C++ as on a microcontroller, and their outputs equal those of published runs there. It runs as
a host image over the link, in a process of its own: a broken model may crash it, and what it prints stays off the
terminal.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from hilbench.catalog.core import CORES
from hilbench.errors import LinkClosed, LinkTimeout, ModelError, TargetCrashed, Unavailable
from hilbench.frameworks.base import Emitted, Model, Request
from hilbench.frameworks.tflm import TFLM, wheel_version
from hilbench.images import host
from hilbench.link.client import Client
from hilbench.link.protocol import BUILD_ID_BYTES
from hilbench.targets.host import Process

_HELLO_S = 60.0
"""A loaded computer may need long to import numpy; a process that ends instead is noticed at once."""
_INFERENCE_S = 300.0


def reference_outputs(model: Path, inputs: Sequence[bytes]) -> tuple[list[bytes], Mapping[str, str]]:
    """Return the reference's output for each input, and the versions that shaped them.

    An input is the raw bytes of all input tensors one after another; so is an output. Raises `Unavailable` when the
    interpreter is not installed, `ModelError` when it cannot run the model or an input has the wrong size.
    """
    framework = TFLM()
    here = framework.available(CORES["host"], {})
    if not here.ok:
        raise Unavailable(here.reason, hint=here.remedy)
    if not model.is_file():
        raise ModelError("there is no such model", where=str(model))
    with tempfile.TemporaryDirectory(prefix="hilbench-") as folder:
        link = Path(folder, "model.tflite")
        link.symlink_to(model.resolve())
        program = Emitted((), (), program="hilbench.frameworks.tflm.host_program", data=(link,))
        manifest = json.dumps({"build_id": "00" * BUILD_ID_BYTES}).encode()
        outputs = _run(host.pack(program, manifest, Path(folder)), model, inputs)
    return outputs, wheel_version()


def _run(image: Path, model: Path, inputs: Sequence[bytes]) -> list[bytes]:
    """Return what the host image made of `model` gives for each input."""
    with Process(image) as process:
        try:
            client = Client(process.stream, timeout_s=_INFERENCE_S)
            client.hello(_HELLO_S)
            return [inference.output for inference in client.infer(inputs)]
        except (LinkClosed, LinkTimeout, TargetCrashed) as error:
            crash = process.crash()
            raise _why(model, crash.reason if crash else error.what) from error


def _why(model: Path, otherwise: str) -> ModelError:
    """Return what is wrong with `model`, in the words of its reader or of the interpreter if they find something."""
    named = Model(model.stem, model, hashlib.sha256(model.read_bytes()).hexdigest())
    try:
        reason = TFLM().supports(Request(named, CORES["host"])).reason
    except ModelError as error:
        return error
    return ModelError(reason or f"the reference interpreter cannot run it: {otherwise}", where=str(model))
