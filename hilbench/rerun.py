"""Runs a record again, and compares what comes out: emulators count, so there it has to be the same to the last one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hilbench import bench, catalog, plugins
from hilbench.errors import HilbenchError, Unavailable
from hilbench.plan import Plan
from hilbench.records.evidence import Evidence
from hilbench.records.record import Record
from hilbench.records.verify import Check
from hilbench.targets.base import Target


def rerun(record: Record, evidence: Evidence, places: tuple[tuple[str, Path], ...] = ()) -> tuple[Check, ...]:
    """Run the record again and return what differs. What cannot be run here is one check that says why.

    `evidence` has the suite; `places` is that of a plan. Times of this computer's clock are not compared, since they
    never repeat. Nothing is kept.
    """
    try:
        plan = plan_of(record, evidence, places)
        again = bench.run(plan)
    except Unavailable as reason:
        return (Check("rerun", "unknown", str(reason)),)
    except HilbenchError as error:
        return (Check("rerun", "failed", str(error)),)
    return tuple(compared(record, again))


def plan_of(record: Record, evidence: Evidence, places: tuple[tuple[str, Path], ...] = ()) -> Plan:
    """Return the plan of a record. Raises `Unavailable` for silicon, and when its suite or board is not here."""
    target: Target = plugins.load("targets", record.target.kind)()
    if record.target.silicon or target.silicon:
        raise Unavailable(f"it was measured on silicon ({record.board.id}): no other run has the same times",
                          hint=f"pytest SUITE --board={record.board.id} measures it anew; compare the two")  # fmt: skip
    found = evidence.task(record)
    if found is None or found.samples is None:
        raise Unavailable("its model and data are in no suite here", hint="name its suite with --suite")
    (choice,) = catalog.resolve([f"{record.board.id}@{record.target.kind}"])
    if (choice.board.stand_in or None) != record.target.stand_in:
        raise Unavailable(f"its board was {record.target.stand_in or 'itself'}, and here {record.board.id} is "
                          f"{choice.board.stand_in or 'itself'}")  # fmt: skip
    whole = record.dataset.samples == record.dataset.of
    return Plan(
        suite=found.path,
        task=found.task.id,
        board=choice.board,
        target=choice.target,
        framework=record.framework.name,
        options=tuple(sorted(record.framework.options.items())),
        samples=None if whole else record.dataset.samples,
        model_folders=evidence.model_folders,
        places=places,
    )


def compared(before: Record, after: Record) -> Iterator[Check]:
    """Yield a check of all that has to be the same in two runs of one plan; what shaped them first."""
    changed = _versions(before, after)
    if changed:
        yield Check("rerun: versions", "unknown", "; ".join(changed))
    yield _image(before, after, bool(changed))
    raw, now = before.samples, after.samples
    yield _equal("outputs", raw.outputs == now.outputs, "the outputs are others")
    if before.board.counter != "nanoseconds":
        yield _equal("times", raw.times == now.times, _first_time(before, after))
    for name in sorted(before.metrics.keys() | after.metrics.keys()):
        was, is_now = before.metrics.get(name), after.metrics.get(name)
        if "host" in (was and was.basis, is_now and is_now.basis):
            continue
        words = [f"{one.value!r} {one.unit} ({one.basis})" if one else "not there" for one in (was, is_now)]
        if words[0] == words[1]:
            words = [str(one.model_dump(exclude_defaults=True)) if one else "" for one in (was, is_now)]
        yield _equal(name, was == is_now, f"{words[0]} before, {words[1]} now")


def _equal(name: str, equal: bool, detail: str) -> Check:
    return Check(f"rerun: {name}", "ok") if equal else Check(f"rerun: {name}", "failed", detail)


def _versions(before: Record, after: Record) -> list[str]:
    """Return which tools are of another version now."""
    pairs = {
        "hilbench": (before.hilbench, after.hilbench),
        "compiler": (before.image.compiler, after.image.compiler),
        before.target.kind: (before.target.version, after.target.version),
    }
    references = [record.reference.versions if record.reference else {} for record in (before, after)]
    for was, now in ((before.framework.versions, after.framework.versions), tuple(references)):
        pairs |= {name: (was.get(name), now.get(name)) for name in (*was, *now)}
    return [f"{name} was {was or 'not there'}, now {now or 'not there'}" for name, (was, now) in pairs.items()
            if was != now]  # fmt: skip


def _image(before: Record, after: Record, changed: bool) -> Check:
    if before.image.sha256 == after.image.sha256:
        return Check("rerun: image", "ok")
    if before.image.build_id == after.image.build_id:
        return Check("rerun: image", "failed", f"what went into the images is the same, and they are not: sha256 was "
                     f"{before.image.sha256}, now {after.image.sha256}")  # fmt: skip
    why = "other versions" if changed else "other sources: of hilbench, its firmware, or the board's file"
    return Check("rerun: image", "unknown", f"it is another image: {why} (build id was {before.image.build_id}, "
                 f"now {after.image.build_id})")  # fmt: skip


def _first_time(before: Record, after: Record) -> str:
    """Return where the counts of timed inferences differ first."""
    unit = before.board.counter
    for index, (was, now) in enumerate(zip(before.samples.times, after.samples.times, strict=False)):
        if was != now:
            return f"{unit} of timed sample {index}: {was} before, {now} now"
    return f"{len(before.samples.times)} timed samples before, {len(after.samples.times)} now"
