"""One run, from plan to record: the only module that knows the whole order of things.

`run(plan)` depends on nothing but the plan, which is plain data, so that the same call serves a pytest item, a
pytest-xdist worker or a shard of a CI job.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from hilbench import catalog
from hilbench.catalog.board import Board
from hilbench.catalog.data import Samples, load_samples, model_file
from hilbench.catalog.suite import Suite, Task
from hilbench.errors import (
    CatalogError,
    Unavailable,
    UsageError,
    nearest,
)
from hilbench.execute import Outcome, Progress, Timed, execute
from hilbench.facts import facts
from hilbench.frameworks.base import Framework, Model, Request
from hilbench.images.build import build
from hilbench.images.cache import cache_folder
from hilbench.images.image import Image
from hilbench.images.precompiled import find_image
from hilbench.measure.counted import Counts, EstimatedTimes, counts_of, estimator, matched
from hilbench.measure.energy import estimated_energy
from hilbench.measure.latency import time_metrics
from hilbench.measure.memory import memory_metrics, peak_metrics
from hilbench.measure.metric import Metric
from hilbench.measure.profile import Profile
from hilbench.measure.reference_file import Reference, find_reference
from hilbench.measure.references import judge_of
from hilbench.measure.score import Question, check, class_count, confusion_of, score
from hilbench.meters.options import require_silicon
from hilbench.plan import Plan, Setting
from hilbench.plugins import load
from hilbench.profiling import profile
from hilbench.records import record as rec
from hilbench.targets.base import Counting, Target


def run(plan: Plan, progress: Progress = lambda phase, done, total: None) -> rec.Record:
    """Run `plan` and return its record.

    Raises `Unavailable` when something it needs is not here, and the other errors of `hilbench.errors` as they are.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    setting = _look_up(plan)
    plan = setting.plan
    progress("building", 0, 0)
    image = image_of(plan)
    model = image.manifest.model
    classes = class_count(setting.task, model.outputs)
    samples = load_samples(setting.task, setting.suite, model.inputs, plan.samples, classes)
    question = Question(samples, model.inputs, model.outputs)
    check(setting.task, question)
    outcome = execute(setting, image, samples.inputs, progress)
    progress("comparing", 0, 0)
    missing: dict[str, str] = dict(outcome.energy.missing)
    reference, counts, estimates, profiled = None, None, None, None
    with _or_missing(missing, "fidelity"):
        reference = reference_of(plan, image, samples)
    metrics = _metrics(setting, image, outcome, reference) | score(setting.task, question, outcome.outputs)
    with _or_missing(missing, "latency"):
        metrics |= _times(setting, outcome.timed)
    with _or_missing(missing, "counts"):
        counts, estimates, estimated = _counted(outcome.timed, plan.board)
        metrics |= estimated
    with _or_missing(missing, "energy"):
        metrics |= _energy(outcome, metrics.get("latency"), plan.board)
    if plan.profile:
        with _or_missing(missing, "profile"):
            profiled = _profile(setting, samples, outcome, progress)
    return rec.Record(
        id=f"{started:%Y%m%dT%H%M%S}-{setting.task.id}-{plan.board.id}-{plan.framework}-{secrets.token_hex(4)}",
        started=started.isoformat(timespec="seconds"),
        duration_s=round(time.monotonic() - clock, 3),
        metrics=metrics,
        confusion=confusion_of(setting.task, question, outcome.outputs),
        profile=profiled,
        counts=counts,
        meter=dict(outcome.energy.facts) or None,
        missing=missing,
        reference=rec.ReferenceFacts(name=judge_of(setting.task.model.file).name, versions=reference.versions)
        if reference
        else None,
        samples=_raw(samples, outcome, reference, estimates),
        link=outcome.link,
        recoveries=tuple(rec.Recovery(**vars(recovery)) for recovery in outcome.recoveries),
        **facts(setting, image, samples, outcome.attached),
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
    settings = target.Settings.model_validate({**board.targets[plan.target], **_attached(plan, target)})
    here = target.available(board, settings)
    if not here.ok:
        raise Unavailable(here.reason, hint=here.remedy or None)
    if plan.meter is not None:
        require_silicon(target)
    clockless = board.counter == "cycles" and board.counter not in target.counters and isinstance(target, Counting)
    if clockless:
        plan = replace(plan, board=board.model_copy(update={"counter": "instructions"}))
    elif board.counter not in target.counters:
        raise CatalogError(
            f"board {board.id} counts {board.counter}, and the target {target.name} has none to count",
            hint=f"set counter: {' or '.join(sorted(target.counters))} in its file, or choose another target",
        )
    framework: Framework = load("frameworks", plan.framework)()
    options = framework.check_options(dict(plan.options))
    return Setting(plan, framework, options, suite, task, target, settings, clockless)


def _attached(plan: Plan, target: Target) -> dict[str, str]:
    """Return the settings of this run that the target has."""
    return {key: value for key, value in plan.attached if key in target.Settings.model_fields}


def image_of(plan: Plan) -> Image:
    """Return the plan's image: the precompiled one, or one built now; its target need not be here."""
    if plan.firmware is None:
        return built_image(plan)
    _, task = _task(plan)
    framework: Framework = load("frameworks", plan.framework)()
    options = framework.check_options(dict(plan.options))
    return find_image(plan.firmware, task.model.sha256, plan.board, plan.framework, options)


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


def _metrics(setting: Setting, image: Image, outcome: Outcome, reference: Reference | None) -> dict[str, Metric]:
    visits = outcome.timed.visits
    metrics: dict[str, Metric] = {}
    if reference is not None:
        tensors = image.manifest.model.outputs
        metrics |= judge_of(setting.task.model.file).compare(outcome.outputs, reference.outputs, tensors)
    arena_bytes = outcome.arena_bytes or image.manifest.arena_bytes
    if (elf := image.elf) is not None:
        stack_bytes = max(visit.stack_bytes for visit in visits)
        metrics |= memory_metrics(elf.sizes(), arena_bytes, stack_bytes, image.manifest.arena_bytes)
    return metrics | peak_metrics(image.manifest.model.peak_tensors)


def _times(setting: Setting, timed: Timed) -> dict[str, Metric]:
    """Return the metrics of time. Raises `Unavailable` when the device's clock does not count."""
    board, warmup = setting.plan.board, timed.warmup
    if timed.clock_stands_still:
        raise Unavailable(
            f"the cycle counter of {board.id} does not count",
            hint="is it another part than its file says, or is this an emulated chip behind a probe?",
        )
    first = warmup.times[0][1] if warmup.invocation == 0 else None
    return time_metrics([visit.times for visit in timed.visits], board, first, setting.task.latency.precision)


def _counted(timed: Timed, board: Board) -> tuple[Counts | None, EstimatedTimes | None, dict[str, Metric]]:
    """Return what was counted, and the cycles and metrics that follow from it where the board's file says enough.

    Raises `Unavailable` with the reason where a target that can count did not, or is not to be trusted.
    """
    if timed.uncounted:
        raise Unavailable(timed.uncounted)
    if timed.windows is None or timed.first is None:
        return None, None, {}
    warmup, *visits = matched(timed.windows, [timed.warmup.times, *(visit.times for visit in timed.visits)])
    counts, estimates = counts_of(visits, timed.first, board), estimator(board)
    if estimates is None:
        return counts, None, {}
    cycles = estimates.times(warmup, visits)
    return counts, cycles, estimates.metrics(cycles)


def _energy(outcome: Outcome, latency: Metric | None, board: Board) -> dict[str, Metric]:
    """Return what a meter measured, else an estimate from a latency of known error, at a current with a source."""
    if outcome.energy.metrics:
        return dict(outcome.energy.metrics)
    if latency is None or board.power is None or outcome.energy.missing or latency.basis == "host":
        return {}
    if latency.basis == "estimated" and latency.bound is None:
        raise Unavailable("nobody knows how good the latency is that it would be estimated from")
    return {"energy": estimated_energy(latency, board.power)}


def _profile(setting: Setting, samples: Samples, outcome: Outcome, progress: Progress) -> Profile:
    """Run the plan's other image. Raises `Unavailable` where there is none: images are precompiled, or cannot tell."""
    if setting.clockless:
        raise Unavailable("its operators are timed by a clock that this emulator does not have")
    if setting.plan.firmware is not None:
        raise Unavailable("precompiled images hold no profile", hint="build the image here: leave out --hil-firmware")
    progress("building", 0, 0)
    return profile(setting, built_image(setting.plan, profile=True), samples.inputs, outcome.outputs, progress)


@contextmanager
def _or_missing(missing: dict[str, str], name: str) -> Iterator[None]:
    """Note under `name` why something cannot be had."""
    try:
        yield
    except Unavailable as reason:
        missing[name] = str(reason)


def _raw(
    samples: Samples, outcome: Outcome, reference: Reference | None, estimates: EstimatedTimes | None
) -> rec.Samples:
    def text(outputs: Sequence[bytes]) -> str:
        return base64.b64encode(b"".join(outputs)).decode()

    return rec.Samples(
        warmup=outcome.timed.warmup.times,
        times=tuple(inference.times for inference in outcome.timed.visits),
        cycles=estimates.cycles if estimates else None,
        copy_cycles=estimates.copies if estimates else None,
        first_cycles=estimates.first if estimates else None,
        energy=outcome.energy.raw,
        outputs=text(outcome.outputs),
        reference=text(reference.outputs) if reference else None,
        labels=tuple(samples.labels.tolist()) if samples.labels is not None else None,
    )
