"""One run, from plan to record: the only module that knows the whole order of things.

`run(plan)` depends on nothing but the plan, which is plain data, so that the same call serves a pytest item, a
pytest-xdist worker or a shard of a CI job.
"""

from __future__ import annotations

import base64
import math
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from hilbench import catalog
from hilbench.catalog.data import Samples, load_samples, model_file
from hilbench.catalog.suite import Suite, Task
from hilbench.errors import (
    CatalogError,
    LinkClosed,
    LinkTimeout,
    ModelError,
    TargetCrashed,
    Unavailable,
    UnstableOutput,
    UsageError,
    nearest,
)
from hilbench.facts import facts
from hilbench.frameworks.base import Framework, Model, Request
from hilbench.images.build import build
from hilbench.images.cache import cache_folder
from hilbench.images.image import Image
from hilbench.images.precompiled import find_image
from hilbench.images.recipe import board_digest
from hilbench.link.client import Client, DeviceFault, Inference
from hilbench.measure.accuracy import top1
from hilbench.measure.anomaly import auc, check_auc
from hilbench.measure.latency import time_metrics
from hilbench.measure.memory import memory_metrics
from hilbench.measure.metric import Metric
from hilbench.measure.profile import Profile, profile_of
from hilbench.measure.reference_file import Reference, find_reference
from hilbench.measure.references import judge_of
from hilbench.plan import Plan, Setting
from hilbench.plugins import load
from hilbench.records import record as rec
from hilbench.targets.base import Running, Target
from hilbench.targets.crash import fault_report

Progress = Callable[[str, int, int], None]
"""Called with what is under way, how many samples are done, and how many there are."""

_PROFILED = 3
"""Samples of a profile: on an emulator they hardly differ, on silicon their median keeps a stray interrupt out."""
_HELLO_S = 10.0
"""A board answers within a second of its reset; a loaded computer that starts an emulator may need several."""


@dataclass(frozen=True)
class _Outcome:
    """What the device gave: the timed inferences, the outputs of all samples, and how the link fared."""

    timed: tuple[Inference, ...]
    outputs: tuple[bytes, ...]
    arena_bytes: int
    link: dict[str, int]


def run(plan: Plan, progress: Progress = lambda phase, done, total: None) -> rec.Record:
    """Run `plan` and return its record.

    Raises `Unavailable` when something it needs is not here, and the other errors of `hilbench.errors` as they are.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    setting = _look_up(plan)
    progress("building", 0, 0)
    image = _image(setting)
    model = image.manifest.model
    classes = math.prod(model.outputs[0].shape) if setting.task.accuracy == "top1" else None
    samples = load_samples(setting.task, setting.suite, model.inputs, plan.samples, classes)
    if setting.task.accuracy == "auc" and samples.labels is not None:
        check_auc(samples.labels, model.inputs, model.outputs)
    outcome = _execute(setting, image, samples, progress)
    progress("comparing", 0, 0)
    missing: dict[str, str] = {}
    try:
        reference = reference_of(plan, image, samples)
    except Unavailable as reason:
        reference, missing = None, {"fidelity": str(reason)}
    metrics = _metrics(setting, image, samples, outcome, reference)
    profile = None
    if plan.profile:
        try:
            profile = _profile(setting, samples, outcome, progress)
        except Unavailable as reason:
            missing["profile"] = str(reason)
    return rec.Record(
        id=f"{started:%Y%m%dT%H%M%S}-{setting.task.id}-{plan.board.id}-{plan.framework}-{secrets.token_hex(4)}",
        started=started.isoformat(timespec="seconds"),
        duration_s=round(time.monotonic() - clock, 3),
        metrics=metrics,
        profile=profile,
        missing=missing,
        reference=rec.ReferenceFacts(name=judge_of(setting.task.model.file).name, versions=reference.versions)
        if reference
        else None,
        samples=_raw(samples, outcome, reference),
        link=outcome.link,
        **facts(setting, image, samples),
    )


def built_image(plan: Plan, profile: bool = False) -> Image:
    """Return the image of `plan`, from the cache or built now; its target need not be here."""
    suite, task = _task(plan)
    framework: Framework = load("frameworks", plan.framework)()
    model = Model(task.id, model_file(task, suite, plan.model_folders), task.model.sha256)
    request = Request(model, plan.board.core_info, framework.check_options(dict(plan.options)), dict(plan.places))
    return build(plan.board, framework, request, cache_folder(), profile)


def _task(plan: Plan) -> tuple[Suite, Task]:
    suite = catalog.load_suite(plan.suite)
    tasks = {task.id: task for task in suite.tasks}
    if plan.task not in tasks:
        raise UsageError(f"{plan.suite} has no task '{plan.task}'", hint=nearest(plan.task, tasks))
    return suite, tasks[plan.task]


def _look_up(plan: Plan) -> Setting:
    suite, task = _task(plan)
    board = plan.board
    target: Target = load("targets", plan.target)()
    settings = target.Settings.model_validate(board.targets[plan.target] or {})
    here = target.available(board, settings)
    if not here.ok:
        raise Unavailable(here.reason, hint=here.remedy or None)
    if board.counter not in target.counters:
        raise CatalogError(
            f"board {board.id} counts {board.counter}, and the target {target.name} has none to count",
            hint=f"set counter: {' or '.join(sorted(target.counters))} in its file, or choose another target",
        )
    framework: Framework = load("frameworks", plan.framework)()
    return Setting(plan, framework, framework.check_options(dict(plan.options)), suite, task, target, settings)


def _image(setting: Setting) -> Image:
    """Return the plan's image: the precompiled one, or one built now."""
    plan = setting.plan
    if plan.firmware is None:
        return built_image(plan)
    image = find_image(plan.firmware, setting.task.model.sha256, plan.board.id, plan.framework, setting.options)
    if image.manifest.board_digest != board_digest(setting.plan.board):
        raise ModelError(
            f"this image was built for another {plan.board.id}: core, clock, counter, memory or port in the "
            "board's file have changed since",
            where=str(image.path),
            hint="build it again with `hilbench build`, or use the board file that it was built with",
        )
    return image


def _execute(setting: Setting, image: Image, samples: Samples, progress: Progress) -> _Outcome:
    """Run the image on its target: first timed, one sample at a time, then all samples for their outputs."""
    task = setting.task
    timed_inputs = samples.inputs[: task.latency.samples]
    with _device(setting, image) as client:
        timed = tuple(
            _collect(client.infer(timed_inputs, repeats=task.latency.repeats, measure=True, depth=1),
                     "timing", len(timed_inputs), progress)
        )  # fmt: skip
        outputs = tuple(
            inference.output
            for inference in _collect(client.infer(samples.inputs, depth=2), "inference", len(samples.inputs), progress)
        )
        # The model may only know its arena once it has run.
        arena_bytes = client.hello(within_s=_HELLO_S).arena_bytes
    for inference in timed:
        if inference.output != outputs[inference.index]:
            raise UnstableOutput(
                f"sample {inference.index} gave one output while it was timed and another in the accuracy run",
                hint="the model keeps state between inferences, or writes where it should not",
            )
    return _Outcome(timed, outputs, arena_bytes, asdict(client.stats))


@contextmanager
def _device(setting: Setting, image: Image) -> Iterator[Client]:
    """Run `image` on its target and give a client that knows that it is this image."""
    with setting.target.run(image.path, setting.plan.board, setting.settings) as running, _post_mortem(running, image):
        client = Client(running.stream, timeout_s=setting.task.timeout_s)
        client.hello(within_s=_HELLO_S)
        client.require(image.manifest.build_id)
        yield client


def _profile(setting: Setting, samples: Samples, outcome: _Outcome, progress: Progress) -> Profile:
    """Run the plan's other image, which times each operator, on a few samples.

    Raises `Unavailable` when there is none: the framework does not tell its operators apart, or images are precompiled.
    """
    plan = setting.plan
    if plan.firmware is not None:
        raise Unavailable("precompiled images hold no profile", hint="build the image here: leave out --hil-firmware")
    progress("building", 0, 0)
    image = built_image(plan, profile=True)
    counts = []
    with _device(setting, image) as client:
        for index, data in enumerate(samples.inputs[:_PROFILED]):
            progress("profiling", index + 1, min(_PROFILED, len(samples.inputs)))
            (inference,) = client.infer([data], depth=1)
            if inference.output != outcome.outputs[index]:
                raise UnstableOutput(f"sample {index} gives another output when operators are timed")
            counts.append(client.profile())
    return profile_of(counts, image.manifest.model.operators, plan.board, image.manifest.build_id)


def _collect(inferences: Iterator[Inference], phase: str, total: int, progress: Progress) -> Iterator[Inference]:
    for done, inference in enumerate(inferences, start=1):
        progress(phase, done, total)
        yield inference


@contextmanager
def _post_mortem(running: Running, image: Image) -> Iterator[None]:
    """Turn a device's silence or fault into `TargetCrashed` with a report."""
    try:
        yield
    except DeviceFault as fault:
        raise TargetCrashed(str(fault_report(fault.registers, image.elf))) from None
    except (LinkTimeout, LinkClosed) as silence:
        report = running.crash()
        if report is None:
            raise
        raise TargetCrashed(str(report), hint=silence.hint) from None


def reference_of(plan: Plan, image: Image, samples: Samples) -> Reference:
    """Return the reference's outputs for `samples`: those kept beside precompiled images, else made now.

    Raises `Unavailable` when neither is here, `ModelError` when the interpreter cannot run the model.
    """
    suite, task = _task(plan)
    if plan.firmware is not None:
        output_bytes = sum(tensor.bytes for tensor in image.manifest.model.outputs)
        kept = find_reference(plan.firmware, task.model.sha256, samples.sha256, len(samples.inputs), output_bytes)
        if kept is not None:
            return kept
    path = model_file(task, suite, plan.model_folders)
    outputs, versions = judge_of(task.model.file).outputs(path, samples.inputs, image.manifest.model.inputs)
    return Reference(tuple(outputs), dict(versions))


def _metrics(
    setting: Setting, image: Image, samples: Samples, outcome: _Outcome, reference: Reference | None
) -> dict[str, Metric]:
    tensors = image.manifest.model.outputs
    first = next((i.times[0][1] for i in outcome.timed if i.invocation == 0), None)
    metrics = time_metrics([i.times for i in outcome.timed], setting.plan.board, first)
    if samples.labels is not None:
        labels = samples.labels.tolist()
        if setting.task.accuracy == "top1":
            metrics["accuracy"] = top1(outcome.outputs, labels, tensors)
        elif setting.task.accuracy == "auc":
            metrics["accuracy"] = auc(samples.inputs, outcome.outputs, labels, image.manifest.model.inputs, tensors)
    if reference is not None:
        metrics |= judge_of(setting.task.model.file).compare(outcome.outputs, reference.outputs, tensors)
    arena_bytes = outcome.arena_bytes or image.manifest.arena_bytes
    if (elf := image.elf) is not None:
        metrics |= memory_metrics(elf.sizes(), arena_bytes, max(i.stack_bytes for i in outcome.timed))
    return metrics


def _raw(samples: Samples, outcome: _Outcome, reference: Reference | None) -> rec.Samples:
    def text(outputs: Sequence[bytes]) -> str:
        return base64.b64encode(b"".join(outputs)).decode()

    return rec.Samples(
        times=tuple(inference.times for inference in outcome.timed),
        outputs=text(outcome.outputs),
        reference=text(reference.outputs) if reference else None,
        labels=tuple(samples.labels.tolist()) if samples.labels is not None else None,
    )
