"""`hilbench tune`: what it finds is faster, gives the same bits, and is used for what it was found for alone."""

import contextlib
import dataclasses
import itertools
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hilbench import bench, catalog
from hilbench.catalog.core import CORES
from hilbench.errors import ModelError, UnsupportedModel
from hilbench.frameworks import tflite
from hilbench.frameworks.base import Model, Request
from hilbench.frameworks.tvm import TVM, program
from tests.conftest import DIGITS
from tests.firmware_images import needs_qemu
from tests.test_cli import hilbench
from tests.test_end_to_end import plan

pytest.importorskip("tvm")

from hilbench import tune
from hilbench.frameworks.tvm import search, tuning

MODEL = DIGITS.parent / "digits" / "digits.tflite"
M3, M4 = CORES["cortex-m3"], CORES["cortex-m4f"]
STEPS = program.build(tflite.read(MODEL))
CALLS = [call for call in STEPS.calls if isinstance(call.kernel, tuning.TUNABLE)]
KERNELS = tuple(dict.fromkeys(call.kernel for call in CALLS))
WHAT = KERNELS[0]
WORKLOADS, RECORDS = "database_workload.json", "database_tuning_record.json"


def other_schedules(what: Any, most: int | None = None) -> list[Any]:
    ours = tuning.our_schedule(what).trace
    return list(itertools.islice(search._candidates(what, ours, {search._tiles(ours): 0}), most))


def fill(folder: Path, counts: list[int], core: Any = M3, what: Any = WHAT, *, ours: bool = True) -> list[Any]:
    """Write a database in which the schedules of `what` take `counts`, the first by ours. Returns the schedules."""
    folder.mkdir(exist_ok=True)
    database = tuning.open_database(folder)
    entry = database.commit_workload(tuning.workload(what))
    schedules = [tuning.our_schedule(what), *other_schedules(what, len(counts) - 1)]
    for schedule, count in list(zip(schedules, counts, strict=True))[0 if ours else 1 :]:
        database.commit_tuning_record(tuning.record(schedule.trace, entry, count, core, "c"))
    return schedules


def same(one: Any, other: Any) -> bool:
    import tvm_ffi

    return bool(tvm_ffi.structural_equal(one.body, other.body, map_free_vars=True))


def emitted(folder: Path | None, into: Path, core: Any = M3) -> str:
    into.mkdir()
    paths = {} if folder is None else {"tvm_tuning": folder}
    TVM().emit(Request(Model("digits", MODEL, ""), core, TVM().check_options({}), paths), into)
    return (into / "kernels.c").read_text()


# ---- what a build takes


@pytest.mark.parametrize(
    ("counts", "taken"), [([100, 120, 90, 80, 85], 3), ([100, 100, 120], 0), ([100], 0), ([100, 99], 1)]
)
def test_a_kernel_gets_the_best_schedule_if_it_is_better_than_ours(counts: list[int], taken: int, tmp_path: Path):
    schedules = fill(tmp_path, counts)
    function = tuning.functions(tmp_path, M3, "c")
    assert same(function(WHAT), schedules[taken].mod["main"])
    assert taken == 0 or not same(function(WHAT), schedules[0].mod["main"])


def test_nothing_is_taken_for_another_core_another_codegen_or_another_kernel(tmp_path: Path):
    ours, better = fill(tmp_path, [100, 50])
    for core, codegen in ((M4, "c"), (CORES["cortex-m7f"], "c"), (M3, "llvm")):
        assert same(tuning.functions(tmp_path, core, codegen)(WHAT), ours.mod["main"])
    assert same(tuning.functions(tmp_path, M3, "c")(WHAT), better.mod["main"])
    clamped = dataclasses.replace(WHAT, requantize=dataclasses.replace(WHAT.requantize, low=-127))
    assert same(tuning.functions(tmp_path, M3, "c")(clamped), tuning.our_schedule(clamped).mod["main"])


def test_without_a_count_of_ours_nothing_is_known_to_be_better(tmp_path: Path):
    ours, *_ = fill(tmp_path, [100, 50], ours=False)
    assert same(tuning.functions(tmp_path, M3, "c")(WHAT), ours.mod["main"])


def test_the_same_database_gives_the_same_bytes_and_its_hash_is_told(tmp_path: Path):
    database = tmp_path / "tuned"
    fill(database, [100, 50, 50])
    before = {path.name: path.read_bytes() for path in database.iterdir()}
    plain = emitted(None, tmp_path / "plain")
    first, second = (emitted(database, tmp_path / name) for name in ("first", "second"))
    assert first == second != plain
    assert {path.name: path.read_bytes() for path in database.iterdir()} == before, "a build only reads"
    request = Request(Model("digits", MODEL, ""), M3, {}, {"tvm_tuning": database})
    versions = TVM().versions(request)
    assert next(iter(versions)) == "apache-tvm"
    fill(database, [90, 40])
    assert TVM().versions(request)["tuning"] != versions["tuning"]


def test_an_empty_folder_is_fine_and_stays_empty(tmp_path: Path):
    (tmp_path / "tuned").mkdir()
    assert emitted(tmp_path / "tuned", tmp_path / "into") == emitted(None, tmp_path / "plain")
    assert list((tmp_path / "tuned").iterdir()) == []


# ---- damage


def cut(text: str) -> str:
    return text[:-20]


DAMAGE: list[tuple[str, Callable[[str], str], str]] = [
    (RECORDS, cut, f"{RECORDS}:2"),
    (RECORDS, lambda text: text.replace("[0,", "[7,", 1), f"{RECORDS}:1"),
    (RECORDS, lambda text: "{}\n" + text, f"{RECORDS}:1"),
    (RECORDS, lambda text: text.replace("SamplePerfectTile", "SampleTile"), f"{RECORDS}:1"),
    (WORKLOADS, cut, f"{WORKLOADS}:1"),
    (WORKLOADS, lambda text: "", f"{RECORDS}:1"),
    (WORKLOADS, lambda text: json.dumps(["1", "AAAA"]) + "\n", f"{WORKLOADS}:1"),
]


@pytest.mark.parametrize(("name", "damage", "message"), DAMAGE)
def test_a_damaged_database_is_one_message(
    name: str, damage: Callable[[str], str], message: str, tmp_path: Path
) -> None:
    fill(tmp_path, [100, 50])
    path = tmp_path / name
    path.write_text(damage(path.read_text()))
    with pytest.raises(ModelError) as error:
        tuning.functions(tmp_path, M3, "c")(WHAT)
    assert message in str(error.value)
    assert str(tmp_path) in str(error.value)
    assert "hilbench tune" in str(error.value.hint)


def test_damage_anywhere_in_the_records_is_a_schedule_or_a_message(tmp_path: Path):
    fill(tmp_path, [100, 50])
    path, rng = tmp_path / RECORDS, random.Random(3)
    text = path.read_text()
    for _ in range(40):
        place = rng.randrange(len(text))
        path.write_text(text[:place] + rng.choice('0123456789"[]{},ablv') + text[place + 1 :])
        with contextlib.suppress(ModelError):
            assert tuning.functions(tmp_path, M3, "c")(WHAT) is not None


def test_a_schedule_of_another_kernel_is_told(tmp_path: Path):
    fill(tmp_path, [100])
    fill(tmp_path, [90, 50], what=KERNELS[1])
    path = tmp_path / RECORDS
    path.write_text(path.read_text().replace("\n[1,", "\n[0,"))
    with pytest.raises(ModelError, match=f"{RECORDS}:2"):
        tuning.functions(tmp_path, M3, "c")(WHAT)


def test_a_place_that_is_a_file_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="cannot be read"):
        tuning.digest(tmp_path / "file")


# ---- the search


@pytest.mark.parametrize("what", KERNELS, ids=lambda what: f"{type(what).__name__}{what.shape}")
def test_ours_is_one_of_the_schedules_of_the_space(what: Any):
    ours = tuning.our_schedule(what)
    extents = [int(ours.trace.decisions[s][0]) * int(ours.trace.decisions[s][1]) for s in search._samples(ours.trace)]
    again = search._schedule(what, ours.trace, extents, search._tiles(ours.trace))
    assert again is not None
    assert str(again.trace) == str(ours.trace)


def test_a_search_measures_each_schedule_once_and_goes_on_where_it_stopped(tmp_path: Path):
    measured: list[str] = []

    def measure(functions: Any) -> list[int | None]:
        first = len(measured)
        measured.extend(map(str, functions))
        return [None if i % 5 == 4 else 1000 + sum(map(ord, measured[i])) % 100 for i in range(first, len(measured))]

    database = tuning.open_database(tmp_path)
    assert search.search(WHAT, M3, "c", 20, measure, database) == 20
    assert len(set(measured)) == len(measured) == 21
    ((before, after), _) = tuning.best(tuning.open_database(tmp_path), WHAT, M3, "c")
    assert after <= before
    kept = tuning.records(database, WHAT, M3, "c")
    assert len(kept) == 21 - 21 // 5, "what does not work is not kept"
    tried = search.search(WHAT, M3, "c", 1000, measure, tuning.open_database(tmp_path))
    assert tried == len(other_schedules(WHAT)) - len(kept) + 1, "to the end of the space"


@needs_qemu
def test_a_candidate_with_another_output_does_not_work(tmp_path: Path):
    call = CALLS[-1]
    what = call.kernel
    wrong = dataclasses.replace(what, requantize=dataclasses.replace(what.requantize, zero_point=3))
    where = tune.bench_of(catalog.resolve(["mps2-an385"])[0])
    measure = tune._Measure(what, STEPS, call, where, tmp_path)
    right, other = tuning.our_schedule(what).mod["main"], other_schedules(what, 1)[0].mod["main"]
    first, second, third = measure([right, tuning.our_schedule(wrong).mod["main"], other])
    assert first is not None and first > 1000
    assert second is None
    assert third is not None and third != first


# ---- the command


@needs_qemu
@pytest.mark.slow
def test_a_tuned_model_gives_the_same_bits_with_fewer_instructions(tmp_path: Path):
    database = tmp_path / "tuned"
    asked = ["tune", MODEL, "--board=mps2-an385", "--trials=4", "-o", database, "--json"]
    done = hilbench(*asked)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [row["operators"][0] for row in rows][:2] == ["0 CONV_2D", "1 DEPTHWISE_CONV_2D"]
    assert all(row["after"] <= row["before"] for row in rows)
    plain = dataclasses.replace(plan("mps2-an385"), samples=20)
    before, after = (
        bench.run(dataclasses.replace(plain, places=places)) for places in ((), (("tvm_tuning", database),))
    )
    saved = sum(row["before"] - row["after"] for row in rows)
    fewer = before.metrics["instructions"].value - after.metrics["instructions"].value
    assert saved > 0
    assert fewer == pytest.approx(saved, rel=0.2)
    assert after.metrics["fidelity"].value == 1.0
    assert after.framework.versions["tuning"] == tuning.digest(database)
    again = json.loads(hilbench(*asked).stdout)
    assert all(row["after"] <= first["after"] for row, first in zip(again, rows, strict=True))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((MODEL, "--board=host"), 2, "cannot be tuned on host, which counts nanoseconds"),
        ((MODEL, "--board=mps2-*"), 2, "tune for one after the other"),
        ((MODEL, "--board=qmeu"), 2, "there is no board 'qmeu'"),
        ((MODEL, "--codegen=lvm"), 2, "codegen cannot be 'lvm'"),
        ((MODEL, "--trials=0"), 2, "trials"),
        (("nowhere.tflite",), 2, "nowhere.tflite"),
        ((DIGITS,), 2, "digits.hil.yaml"),
    ],
)
def test_a_mistake_is_one_message(arguments: tuple[object, ...], code: int, message: str, tmp_path: Path):
    done = hilbench("tune", *arguments, "-o", tmp_path / "out")
    assert (done.returncode, message in done.stderr, "Traceback" in done.stderr) == (code, True, False), done.stderr


def test_what_is_missing_is_told(tmp_path: Path):
    done = hilbench("tune", MODEL, "-o", tmp_path / "out", PATH=str(tmp_path))
    assert done.returncode == 3
    assert "apt install qemu-system-arm" in done.stderr
    (tmp_path / "file").write_text("")
    done = hilbench("tune", MODEL, "-o", tmp_path / "file" / "out")
    assert done.returncode == 4, done.stderr
    assert "the folder cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_whose_kernels_are_all_packed_has_nothing_to_tune():
    calls = tuple(call for call in STEPS.calls if call.kernel in KERNELS[1:3])
    with pytest.raises(UnsupportedModel, match=r"no kernel to tune for Cortex-M4F; .* packed"):
        tune._tunable(dataclasses.replace(STEPS, calls=calls), Model("digits", MODEL, ""), M4)
