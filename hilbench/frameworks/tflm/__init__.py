"""TensorFlow Lite Micro: on the computer through its Python package, on Cortex-M through a library that the user built.

`kernels=reference` (the default) are TFLM's portable kernels, `kernels=cmsis_nn` Arm's for Cortex-M.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hilbench.catalog.core import Core
from hilbench.frameworks.base import Emitted, Request, Support, checked, takes
from hilbench.frameworks.tflm import cortex, wheel
from hilbench.frameworks.tflm.wheel import versions as wheel_version

__all__ = ["TFLM", "wheel_version"]

_OPTIONS = {"kernels": ("reference", "cmsis_nn")}
"""What each option can be; the first is its default."""


class TFLM:
    """Implements `hilbench.frameworks.base.Framework`."""

    name = "tflm"
    title = "TensorFlow Lite Micro"

    def available(self, core: Core, paths: Mapping[str, Path]) -> Support:
        """Say whether the Python package is installed (the computer), or there is an SDK with a library for `core`."""
        return wheel.available() if core.is_host else cortex.available(core, paths)

    def check_options(self, options: Mapping[str, str]) -> dict[str, str]:
        """Return `options` with defaults filled in. Raises `UsageError` for an unknown key or value."""
        return checked(self.name, options, _OPTIONS)

    def versions(self, request: Request) -> Mapping[str, str]:
        """Return what shapes the output: the package's version, or the SDK's and the hashes of what is used of it.

        Raises `Unavailable` when the SDK has no such library for the core.
        """
        return wheel.versions() if request.core.is_host else cortex.versions(request)

    def supports(self, request: Request) -> Support:
        """Say whether there is a kernel for every operator. Raises `ModelError` for no model."""
        kind = takes(request.model, ".tflite")
        if not kind.ok:
            return kind
        return wheel.supports(request) if request.core.is_host else cortex.supports(request)

    def emit(self, request: Request, into: Path) -> Emitted:
        """Write what an image is made of into `into`. Raises `UnsupportedModel`, `ModelError`, `Unavailable`."""
        return wheel.emit(request, into) if request.core.is_host else cortex.emit(request, into)
