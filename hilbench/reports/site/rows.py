"""What the site shows: a row is one framework, with its options, on one ground; its runs follow each other in time.

Of each record only what a history needs is kept; of the newest of a row, its whole text.
"""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from hilbench.errors import HINT, printable
from hilbench.measure.metric import Basis, Unit
from hilbench.measure.statistics import exact
from hilbench.records import fair
from hilbench.records.record import Record, time_of
from hilbench.records.store import Document
from hilbench.records.verify import check
from hilbench.reports.site import names
from hilbench.reports.site.pool import Pool

SHOWN = ("accuracy", "fidelity", "latency", "cycles", "instructions", "energy", "flash", "ram", "arena", "stack")
"""The metrics of tables and histories, in this order."""
_LONGEST_REASON = 400
_PACKING = 3
"""The level of gzip: twice as fast as the usual one, for a tenth more bytes."""
_AHEAD = timedelta(days=1)
"""A clock may be wrong by a time zone; a record from later than that would be the newest for ever."""


class Kind(NamedTuple):
    """What a number is, as `fair.Kind` with its unit: values of one kind may stand in one history."""

    name: str
    unit: Unit
    basis: Basis
    model: str | None
    meaning: str = ""
    lower_bound: bool = False

    @property
    def title(self) -> str:
        """Its name for people."""
        return "RAM" if self.name == "ram" else self.name.replace("_", " ")


class Run(NamedTuple):
    """A record in a history. `values` are its metrics, with whether the same run again would give the same number."""

    id: str
    started: datetime
    version: str
    target: str
    commit: str
    dirty: bool
    values: tuple[tuple[Kind, float, bool], ...]


class Read(NamedTuple):
    """What a document turned out to be: a run of the row `slug`, or refused with a reason.

    `packed` is the document as a piece of a .tar.gz; pieces one after another are an archive.
    """

    run: Run | None
    slug: str = ""
    identity: str = ""
    packed: bytes = b""
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A document that is not shown, and why."""

    id: str
    reason: str


@dataclass(slots=True)
class Row:
    """A row: its page's name, its runs from oldest to newest, and the newest document."""

    slug: str
    identity: str
    runs: list[Run]
    newest: Document


@dataclass
class Gathered:
    """All that a store holds: rows by the names of their pages, and what was refused."""

    rows: dict[str, Row] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    documents: int = 0


def gather(documents: Iterable[Document], pool: Pool, archive: Callable[[str, bytes], None]) -> Gathered:
    """Read all documents; `archive` is given the name of a row's page and a piece of its archive, in their order."""
    found, ids = Gathered(), set[str]()
    kinds: dict[Kind, Kind] = {}
    for document, read in pool.apply(read_one, documents):
        found.documents += 1
        reason = read.refused
        if not reason and document.id.casefold() in ids:
            reason = "another record of this store has the same id"
        row = found.rows.get(read.slug)
        if not reason and row is not None and row.identity != read.identity:
            reason = "its page would have the name of another row's page"
        if reason or read.run is None:
            found.refused.append(Refused(printable(document.id[:200]), reason))
            continue
        ids.add(document.id.casefold())
        run = _sharing(read.run, kinds)
        archive(read.slug, read.packed)
        if row is None:
            found.rows[read.slug] = Row(read.slug, read.identity, [run], document)
            continue
        if (run.started, run.id) > (row.runs[-1].started, row.runs[-1].id):
            row.newest = document
            row.runs.append(run)
        else:
            row.runs.append(run)
            row.runs.sort(key=lambda each: (each.started, each.id))
    return found


def read_one(document: Document) -> Read:
    """Return what `document` is; nothing that it may hold raises."""
    verdict = check(document, quick=True)
    record = verdict.record
    if record is None:
        return Read(None, refused=reason_of(verdict.checks[0].detail, document))
    failed = next((each for each in verdict.checks if each.state == "failed"), None)
    if failed is not None:
        return Read(None, refused=reason_of(f"{failed.name}: {failed.detail}", document))
    started = time_of(record.started)
    if started > datetime.now(UTC) + _AHEAD:
        return Read(None, refused=f"it says it was made in the future: {record.started[:40]}")
    identity = identity_of(record)
    slug = names.permalink((record.task, record.board.id, record.framework.variant), identity)
    return Read(
        _run(record, started), slug, names.digest(identity, 64), packed(f"{names.file(record.id)}.json", document.text)
    )


def reason_of(text: str, document: Document) -> str:
    """Return an error's text on one line, without where it was found: paths of this computer are nobody's business."""
    short = text.replace(f"{document.where}: ", "").replace(document.where, document.id).replace(HINT, "; ")
    return printable(" ".join(short.split()))[:_LONGEST_REASON]


def identity_of(record: Record) -> tuple[str, ...]:
    """Return what tells a row from others: its ground, and the framework with its options.

    The version of the target is none of it: what an update of an emulator brings belongs in the row's history.
    """
    ground = {**vars(fair.ground(record)), "target": f"{record.target.kind} {record.target.stand_in or ''}"}
    return (*(f"{name}={value}" for name, value in ground.items()), f"framework={record.framework.variant}")


@lru_cache(maxsize=1024)
def kind_of(kind: fair.Kind, unit: Unit, lower_bound: bool) -> Kind:
    """Return a kind of number; one object for all that are equal, which are then sent to another process once."""
    return Kind(kind.name, unit, kind.basis, kind.model, kind.meaning, lower_bound)


def packed(name: str, text: str) -> bytes:
    """Return a file as a gzip member that holds a tar entry: such members in a row are a .tar.gz."""
    data = text.encode("utf-8", "surrogatepass")
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    blocks = -len(data) % tarfile.BLOCKSIZE
    return gzip.compress(entry.tobuf(tarfile.PAX_FORMAT) + data + bytes(blocks), _PACKING, mtime=0)


def _run(record: Record, started: datetime) -> Run:
    metrics = [(kind, record.metrics[name]) for name in SHOWN if (kind := fair.kind(record, name))]
    return Run(
        record.id,
        started,
        record.framework.version[:40],
        f"{record.target.kind} {record.target.version}"[:60],
        record.source.get("commit", "")[:40],
        record.source.get("dirty") == "yes",
        tuple((kind_of(kind, m.unit, m.lower_bound), m.value, exact(m)) for kind, m in metrics),
    )  # fmt: skip


def _sharing(run: Run, kinds: dict[Kind, Kind]) -> Run:
    """Return the run with kinds that all runs share: a hundred thousand copies would fill the memory."""
    return run._replace(values=tuple((kinds.setdefault(kind, kind), value, sure) for kind, value, sure in run.values))
