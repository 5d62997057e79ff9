"""What is at hand beside a record: suites with their models and data, images, signatures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from hilbench.catalog.data import Samples, load_samples, model_file
from hilbench.catalog.load import SUITE_SUFFIX
from hilbench.catalog.suite import Suite, Task
from hilbench.errors import HilbenchError, ModelError, Unavailable
from hilbench.images.image import Image
from hilbench.images.precompiled import images_in
from hilbench.measure.memory import parts_bytes, peak_metrics
from hilbench.measure.score import class_count
from hilbench.records.plausible import tensors as tensor_problems
from hilbench.records.record import ModelFacts, Record, Tensors
from hilbench.records.sign import signer
from hilbench.records.store import Document
from hilbench.records.verify import Check


@dataclass(frozen=True)
class Found:
    """The task and the samples that a record is of. `problem` says what keeps its data set from being read."""

    suite: Suite
    task: Task
    samples: Samples | None
    problem: str = ""

    @property
    def path(self) -> Path:
        """The suite's file."""
        return self.suite.folder / f"{self.suite.suite}{SUITE_SUFFIX}"


@dataclass(frozen=True)
class _Image:
    """An image, read once for all records of it."""

    image: Image

    @cached_property
    def sha256(self) -> str:
        return self.image.sha256

    @cached_property
    def parts_bytes(self) -> dict[str, int]:
        return parts_bytes(self.image.elf) if self.image.elf else {}


@dataclass
class Evidence:
    """Suites by name; `named`: the user says that the records are of these. `firmware` is a folder of images,
    `signers` a file of allowed signers (`hilbench.records.sign`), both None where nobody asks for them.
    """

    suites: Mapping[str, Suite] = field(default_factory=dict)
    named: bool = False
    model_folders: tuple[Path, ...] = ()
    firmware: Path | None = None
    signers: Path | None = None
    _found: dict[tuple[str, ...], Found | None] = field(default_factory=dict)

    def samples(self, record: Record) -> Samples | None:
        """Return the samples that the record is of, found by its hashes; None where they are not here."""
        found = self.task(record)
        return found.samples if found else None

    def checks(self, document: Document, record: Record) -> Iterator[Check]:
        """Yield what the evidence says of the record's claims."""
        yield from self._of_suite(record)
        if self.firmware is not None:
            yield self._of_image(record)
        if self.signers is not None:
            yield _of_signature(document, self.signers)

    def task(self, record: Record) -> Found | None:
        """Return the task with the record's model and data. Its samples are read once for all records of it."""
        if record.tensors is None or any(tensor_problems(record)):
            return None
        tensors, data = record.tensors, record.dataset
        key = (record.suite, record.task, record.model.sha256, data.sha256, str(data.samples), repr(tensors.inputs))
        if key not in self._found:
            self._found[key] = self._look_up(record, tensors)
        return self._found[key]

    def _look_up(self, record: Record, tensors: Tensors) -> Found | None:
        broken = None
        for suite, task in self._candidates(record):
            try:
                classes = class_count(task, tensors.outputs)
                samples = load_samples(task, suite, tensors.inputs, record.dataset.samples, classes)
            except HilbenchError as error:
                broken = broken or Found(suite, task, None, str(error))
                continue
            if samples.sha256 == record.dataset.sha256:
                return Found(suite, task, samples)
        return broken

    def _candidates(self, record: Record) -> Iterator[tuple[Suite, Task]]:
        for name in sorted(self.suites, key=lambda name: name != record.suite):
            suite = self.suites[name]
            tasks = (task for task in suite.tasks if task.model.sha256 == record.model.sha256)
            yield from ((suite, task) for task in sorted(tasks, key=lambda task: task.id != record.task))

    def _of_suite(self, record: Record) -> Iterator[Check]:
        if not self.suites:
            return
        found = self.task(record)
        if found is None or (found.samples is None and not found.problem):
            yield Check(
                "suite",
                "failed" if self.named and record.tensors is not None else "unknown",
                "no task of the suites here has its model and its data",
            )
            return
        if found.samples is None:
            yield Check("data", "unknown", found.problem)
            return
        yield self._of_model(found)
        yield _of_data(record, found.samples)
        yield self._of_task(record, found)

    def _of_model(self, found: Found) -> Check:
        try:
            model_file(found.task, found.suite, self.model_folders)
        except Unavailable as reason:
            return Check("model", "unknown", reason.what)
        except ModelError as error:
            return Check("model", "failed", str(error))
        return Check("model", "ok")

    def _of_task(self, record: Record, found: Found) -> Check:
        """Check what the record says of its task. A suite may have asked otherwise once, so that is only told."""
        task, whole = found.task, record.dataset.samples == record.dataset.of
        precise = {metric.precision for metric in record.metrics.values()} - {None}
        claimed = {
            "suite": (record.suite, found.suite.suite),
            "task": (record.task, task.id),
            "scored_by": (record.scored_by, task.accuracy),
            "dataset.name": (record.dataset.name, task.dataset.name),
            "bars": (record.bars, dict(task.bars(whole))),
            "classes": (record.confusion.classes, task.classes) if record.confusion else (None, None),
            "precision": (precise, {task.latency.precision} if precise else set()),
        }
        wrong = _told(claimed, "the suite")
        return Check("suite", "failed" if self.named else "unknown", wrong) if wrong else Check("suite", "ok")

    @cached_property
    def _images(self) -> dict[str, _Image]:
        """The images in `firmware`, by their build id and by their hash."""
        assert self.firmware is not None
        images = [_Image(image) for image in images_in(self.firmware)[0]]
        return {one.sha256: one for one in images} | {one.image.manifest.build_id: one for one in images}

    def _of_image(self, record: Record) -> Check:
        image = self._images.get(record.image.build_id) or self._images.get(record.image.sha256)
        if image is None:
            return Check("firmware", "unknown", f"no image in {self.firmware} has its build id or its hash")
        manifest, compiler = image.image.manifest, image.image.manifest.compiler
        framework, model = record.framework, record.model
        claimed: dict[str, tuple[Any, Any]] = {
            "image.sha256": (record.image.sha256, image.sha256),
            "image.build_id": (record.image.build_id, manifest.build_id),
            "image.compiler": (record.image.compiler, compiler.version if compiler else None),
            "image.flags": (record.image.flags, compiler.flags if compiler else ()),
            "image.parts_bytes": (record.image.parts_bytes, image.parts_bytes),
            "framework": (_of_framework(framework), _of_framework(manifest.framework)),
            "model": (_of_graph(model), _of_graph(manifest.model)),
            "tensors": (record.tensors, Tensors(inputs=manifest.model.inputs, outputs=manifest.model.outputs)),
            **{
                name: (record.metrics.get(name), metric)
                for name, metric in peak_metrics(manifest.model.peak_tensors).items()
            },
        }
        wrong = _told(claimed, "the image")
        return Check("firmware", "failed", wrong) if wrong else Check("firmware", "ok")


def _of_framework(facts: Any) -> dict[str, Any]:
    return {name: getattr(facts, name) for name in ("name", "options", "versions")}


def _of_graph(facts: Any) -> dict[str, Any]:
    return {name: getattr(facts, name) for name in ModelFacts.model_fields}


def _told(claimed: dict[str, tuple[Any, Any]], by: str) -> str:
    """Return where what the record says differs from what is here."""
    wrong = [f"{name} is claimed to be {says}, and {by} here says {here}" for name, (says, here) in claimed.items()
             if says != here]  # fmt: skip
    return "; ".join(wrong)


def _of_data(record: Record, samples: Samples) -> Check:
    inputs = hashlib.sha256(b"".join(samples.inputs)).hexdigest()
    labels = None if samples.labels is None else tuple(samples.labels.tolist())
    claimed: dict[str, tuple[Any, Any]] = {
        "dataset.inputs_sha256": (record.dataset.inputs_sha256, inputs),
        "dataset.samples": (record.dataset.samples, len(samples.inputs)),
        "dataset.of": (record.dataset.of, samples.of),
    }
    wrong = _told(claimed, "the data set")
    if record.samples.labels != labels:
        wrong = "; ".join(filter(None, (wrong, "the labels are not those of the data set")))
    return Check("data", "failed", wrong) if wrong else Check("data", "ok")


def _of_signature(document: Document, signers: Path) -> Check:
    try:
        return Check("signature", "ok", f"by {signer(document, signers)}")
    except Unavailable as reason:
        return Check("signature", "unknown", str(reason))
    except HilbenchError as error:
        return Check("signature", "failed", error.what)
