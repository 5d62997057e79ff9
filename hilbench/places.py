"""Where things are on this computer that no package holds: SDKs and ready-made code that frameworks link.

Each place is declared once, for the command line (`--hil-tflm-sdk`), the ini file (`hil_tflm_sdk`) and the environment
(`HILBENCH_TFLM_SDK`), in this order of precedence: `hilbench.selection.find_places`. A place is never part of a
record; what lies there is, by its hash.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A file or folder that a framework asks for by `name`."""

    name: str
    help: str

    @property
    def flag(self) -> str:
        """The option of pytest and of `hilbench build`."""
        return f"--hil-{self.name.replace('_', '-')}"

    @property
    def ini(self) -> str:
        """The key in pytest's ini file."""
        return f"hil_{self.name}"

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"HILBENCH_{self.name.upper()}"


PLACES = (
    Place("tflm_sdk", "a TensorFlow Lite Micro SDK for Cortex-M: docs/tflm.md"),
    Place("tvm_tuning", "a folder that `hilbench tune` filled: docs/tune.md"),
    Place("microtvm", "a Model Library Format archive, or a folder of TASK.tar"),
    Place("external", "your own code or image for a model, or a folder of them by task"),
)
