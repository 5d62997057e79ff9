"""A question to a process of its own: scikit-learn, Keras and emlearn are loaded there, and a model may break it.

emlearn writes into the current folder when it converts a network; a damaged model may crash its reader, or never come
to an end. None of that reaches the process that asks.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hilbench import programs
from hilbench.errors import HilbenchError, ModelError, Unavailable, UnsupportedModel

_TIMEOUT_S = 300
_MEMORY_BYTES = 8 * 2**30
"""Address space, of which TensorFlow and OpenBLAS reserve much and use little."""
_LAST_WORDS = 300
# One thread each: a model for a microcontroller gains nothing from more.
_ENVIRONMENT = {
    **dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    **{"PYTHONWARNINGS": "ignore", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
}
# Those that callers tell apart; any other is a ModelError.
_ERRORS: dict[str, type[HilbenchError]] = {error.__name__: error for error in (UnsupportedModel, Unavailable)}


def ask(program: str, model: Path, **question: Any) -> dict[str, Any]:
    """Return what the module `program` answers to `question` about `model`. Both are JSON.

    Raises `ModelError`, `UnsupportedModel` and `Unavailable` as the program does, and `ModelError` when it crashes.
    """
    # -P: no module in the current folder may stand in for one of ours.
    argv = [sys.executable, "-P", "-m", program]
    text = json.dumps({"model": str(model.resolve()), **question})
    with tempfile.TemporaryDirectory(prefix="hilbench-") as folder:
        try:
            done = programs.run(argv, {**os.environ, **_ENVIRONMENT}, _TIMEOUT_S, text, Path(folder))
        except subprocess.TimeoutExpired:
            raise ModelError(f"reading the model did not end in {_TIMEOUT_S} s", where=str(model)) from None
    if done.returncode < 0:
        how = signal.Signals(-done.returncode).name
        raise ModelError(f"the model is damaged: its reader crashes ({how})", where=str(model))
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        last = done.stderr.strip().rpartition("\n")[2][-_LAST_WORDS:]
        raise ModelError(f"the model cannot be read: {last}", where=str(model)) from None
    if error := answer.get("error"):
        raise _ERRORS.get(error, ModelError)(answer["what"], where=str(model), hint=answer["hint"])
    return answer


def serve(work: Callable[[Path, Mapping[str, Any]], dict[str, Any]]) -> None:
    """Answer the question on stdin with what `work` makes of the model and the rest of it. For the child process."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with os.fdopen(os.dup(1), "w") as answer:
        os.dup2(2, 1)  # what libraries print is no part of the answer
        question = json.load(sys.stdin)
        try:
            result = work(Path(question.pop("model")), question)
        except HilbenchError as error:
            result = {"error": type(error).__name__, "what": error.what, "hint": error.hint}
        json.dump(result, answer)
