"""Schedules that `hilbench tune` found: a folder with MetaSchedule's database, from which a build takes the best.

A record there is a workload (an unscheduled kernel), a trace of schedule instructions, a target (core and codegen) and
how many instructions the kernel took. A schedule is only taken if it is better than ours, whose count the database
holds too: where ours has changed since, a kernel is to be tuned again. TVM is imported when schedules are looked up.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hilbench.catalog.core import Core
from hilbench.errors import ModelError
from hilbench.frameworks.tvm import kernel

if TYPE_CHECKING:
    from tvm.s_tir import Schedule
    from tvm.s_tir.meta_schedule.database import Database, TuningRecord

PLACE = "tvm_tuning"
TUNABLE = (kernel.Conv2D, kernel.DepthwiseConv2D)
# MetaSchedule's own names for the files of a database; one JSON value a line in both.
_WORKLOADS, _RECORDS = "database_workload.json", "database_tuning_record.json"
# A record's `run_secs` are seconds: one instruction is 1 ns, as in QEMU with -icount shift=0.
_INSTRUCTIONS_PER_S = 1e9
_AGAIN = "delete the folder's files, and run `hilbench tune` again"


def digest(folder: Path) -> str:
    """Return the SHA-256 of the database in `folder`; that of nothing for an empty folder. Raises `ModelError`."""
    return hashlib.sha256(b"".join(_read(path) for path in _files(folder))).hexdigest()


def open_database(folder: Path) -> Database:
    """Return the database in `folder`, which is written to when records are added.

    Raises `ModelError` that names the file and line in which something is wrong.
    """
    from tvm.s_tir.meta_schedule.database import JSONDatabase, TuningRecord, Workload

    workloads, records = _files(folder)
    # What TVM itself says of damage names no line. A trace is replayed on its workload here: it fits.
    known = _parsed(workloads, Workload.from_json)
    _parsed(records, lambda value: TuningRecord.from_json(value[1], known[range(len(known))[value[0]]]))
    return JSONDatabase(str(workloads), str(records))


def functions(folder: Path, core: Core, codegen: str) -> Callable[[kernel.Kernel], Any]:
    """Return what makes scheduled PrimFuncs of kernels: with the best schedules in `folder`, elsewhere with ours."""
    from hilbench.frameworks.tvm.kernels import prim_func

    empty = not any(path.exists() for path in _files(folder))  # opening it would create files
    database = None if empty else open_database(folder)

    def function(what: kernel.Kernel) -> Any:
        if database is None or not isinstance(what, TUNABLE):
            return prim_func(what)
        _, trace = best(database, what, core, codegen)
        return prim_func(what) if trace is None else _applied(what, trace)

    return function


def best(
    database: Database, what: kernel.Kernel, core: Core, codegen: str
) -> tuple[tuple[int, int] | None, Any | None]:
    """Return how many instructions our schedule of a kernel takes and the best one, and the best one's trace.

    None for the counts if the kernel is not in the database, for the trace if nothing is better than ours.
    """
    found = [
        (instructions(record), str(record.trace), record.trace) for record in records(database, what, core, codegen)
    ]
    ours = str(our_schedule(what).trace)
    before = min((count for count, text, _ in found if text == ours), default=None)
    if before is None:
        return None, None
    after, _, trace = min(found, key=lambda one: one[:2])
    return (before, after), trace if after < before else None


def our_schedule(what: kernel.Kernel) -> Schedule:
    """Return our schedule of a kernel."""
    from tvm import s_tir

    from hilbench.frameworks.tvm import kernels

    schedule = s_tir.Schedule(workload(what))
    kernels.tile(what, schedule)
    schedule.enter_postproc()
    kernels.finish(what, schedule)
    return schedule


def workload(what: kernel.Kernel) -> Any:
    """Return what MetaSchedule knows a kernel by: a module of its unscheduled PrimFunc."""
    import tvm

    from hilbench.frameworks.tvm import kernels

    attributes = {"global_symbol": "main", "tirx.noalias": True}
    return tvm.IRModule({"main": kernels.unscheduled(what).with_attrs(attributes)})


def target(core: Core, codegen: str) -> Any:
    """Return the target under which schedules are kept: a core, with its FPU or without, and who compiles for it."""
    import tvm

    return tvm.target.Target({"kind": codegen, "model": core.name})


def record(trace: Any, entry: Any, count: int, core: Core, codegen: str) -> TuningRecord:
    """Return a record of the database: with `trace`, the workload `entry` takes `count` instructions."""
    from tvm.s_tir.meta_schedule.arg_info import ArgInfo
    from tvm.s_tir.meta_schedule.database import TuningRecord

    return TuningRecord(
        trace, entry, [seconds(count)], target(core, codegen), ArgInfo.from_entry_func(entry.mod, False)
    )


def seconds(count: int) -> float:
    """Return what MetaSchedule takes for a time."""
    return count / _INSTRUCTIONS_PER_S


def instructions(result: Any) -> int:
    """Return how many instructions a record or a result of MetaSchedule's counts."""
    return round(float(result.run_secs[0]) * _INSTRUCTIONS_PER_S)


def records(database: Database, what: kernel.Kernel, core: Core, codegen: str) -> list[TuningRecord]:
    """Return all records of a kernel, in no order."""
    module = workload(what)
    if not database.has_workload(module):
        return []
    wanted = str(target(core, codegen))
    records = database.get_top_k(database.commit_workload(module), len(database))
    return [record for record in records if str(record.target) == wanted]


def _applied(what: kernel.Kernel, trace: Any) -> Any:
    from tvm import s_tir

    schedule = s_tir.Schedule(workload(what))
    trace.apply_to_schedule(schedule, remove_postproc=False)
    return schedule.mod["main"]


# ---- files


def _files(folder: Path) -> tuple[Path, Path]:
    return folder / _WORKLOADS, folder / _RECORDS


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise ModelError(f"the tuning database cannot be read: {error.strerror}", where=str(path)) from error


def _parsed(path: Path, parse: Callable[[Any], Any]) -> list[Any]:
    """Return what `parse` makes of the JSON in each line of a file. Raises `ModelError` where it fails."""
    values = []
    for number, line in enumerate(_read(path).splitlines(), 1):
        try:
            values.append(parse(json.loads(line)))
        except Exception as error:  # TVM raises whatever it meets
            raise ModelError("this is no line of a tuning database", where=f"{path}:{number}", hint=_AGAIN) from error
    return values
