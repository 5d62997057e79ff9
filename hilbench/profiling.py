"""Runs a plan's other image, which tells the operators of a model apart, on a few samples."""

from __future__ import annotations

from collections.abc import Sequence

from hilbench.device import counted_device, device
from hilbench.errors import Unavailable, UnstableOutput
from hilbench.execute import Progress
from hilbench.images.image import Image
from hilbench.link.client import Client
from hilbench.measure.counted import estimator, operator_windows, probe
from hilbench.measure.profile import Profile, profile_of
from hilbench.plan import Setting

_PROFILED = 3
"""Samples of a profile: on an emulator they hardly differ, on silicon their median keeps a stray interrupt out."""


def profile(
    setting: Setting, image: Image, inputs: Sequence[bytes], outputs: Sequence[bytes], progress: Progress
) -> Profile:
    """Return what each operator takes in `image`, whose outputs have to be the `outputs` of the one without a profile.

    In cycles too where they can be estimated. Raises `UnstableOutput` when an output differs.
    """
    board, operators, build_id = setting.plan.board, image.manifest.model.operators, image.manifest.build_id
    chosen = tuple(zip(inputs, outputs, strict=True))[:_PROFILED]
    estimates = estimator(board)
    if estimates is None:
        return profile_of(_all_counts(setting, image, chosen, progress), operators, board, build_id)
    try:
        with counted_device(setting, image, probe(board)) as counted:
            counts, rows, seen = [], [], len(counted.running.windows())
            for index in range(len(chosen)):
                counts.append(_counts(counted.client, chosen, index, progress))
                windows = counted.running.windows()
                rows.append(operator_windows(windows[seen:], counts[-1]))
                seen = len(windows)
    except Unavailable as reason:
        counts = _all_counts(setting, image, chosen, progress)
        return profile_of(counts, operators, board, build_id).model_copy(update={"no_cycles": str(reason)})
    return profile_of(counts, operators, board, build_id, estimates.operators(rows))


def _all_counts(
    setting: Setting, image: Image, chosen: Sequence[tuple[bytes, bytes]], progress: Progress
) -> list[Sequence[int]]:
    with device(setting, image) as board:
        return [_counts(board.client, chosen, index, progress) for index in range(len(chosen))]


def _counts(client: Client, chosen: Sequence[tuple[bytes, bytes]], index: int, progress: Progress) -> Sequence[int]:
    """Return what the device counted in one sample: a number an operator, and one for the rest."""
    progress("profiling", index + 1, len(chosen))
    data, output = chosen[index]
    (inference,) = client.infer([data], depth=1)
    if inference.output != output:
        raise UnstableOutput(f"sample {index} gives another output when operators are timed")
    return client.profile()
