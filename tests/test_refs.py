"""From what is typed to records: every way to name them, and one message where a name is wrong or means two things."""

import concurrent.futures
import multiprocessing
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench.errors import StoreError, UsageError
from hilbench.records.baseline import promote
from hilbench.records.compare import row_of
from hilbench.records.directory import DirectoryStore
from hilbench.records.record import Record
from hilbench.records.refs import NothingYet, Places, resolve
from hilbench.records.store import select

from .conftest import made_record

COMMITS = ("aa11" * 10, "aa22" * 10, "bb33" * 10)


def run(day: int, framework: str = "tvm", branch: str = "main", commit: str = COMMITS[0], dirty: str = "no") -> Record:
    base = made_record()
    return base.model_copy(
        update={
            "id": f"202601{day:02}T030405-digits-mps2-an386-{framework}-0a1b2c{day:02}",
            "started": f"2026-01-{day:02}T03:04:05+00:00",
            "framework": base.framework.model_copy(update={"name": framework, "variant": framework}),
            "source": {"commit": commit, "branch": branch, "dirty": dirty},
        }
    )


RUNS = (
    run(1), run(2, "tflm"), run(3, commit=COMMITS[1]), run(4, branch="topic/x", commit=COMMITS[2]),
    run(5, dirty="yes", commit=COMMITS[1]),
)  # fmt: skip


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    monkeypatch.chdir(tmp_path)
    for one in RUNS:
        DirectoryStore("records").put(one)
    return Places("records", "base")


def days(ref: str, places: Places) -> list[int]:
    return sorted(int(record.id[6:8]) for record in resolve(ref, places).records)


def test_every_way_to_name_records(places: Places):
    assert days("latest", places) == [2, 5], "the newest of each row"
    assert days("records", places) == [2, 5]
    assert days("directory:records", places) == [2, 5]
    assert days(f"records/{RUNS[0].id}.json", places) == [1]
    assert days(RUNS[0].id, places) == [1]
    assert days("20260103", places) == [3], "the beginning of an id"
    assert days("bb33", places) == [4], "the beginning of a commit"
    assert days("aa11", places) == [1, 2]
    assert days("branch:main", places) == days("main", places) == [2, 3]
    assert days("topic/x", places) == [4]
    promote(RUNS[:2], places.baseline)
    assert days("baseline", places) == [1, 2]


def test_a_file_may_have_any_name(places: Places):
    path = Path("records", f"{RUNS[0].id}.json").rename("before.txt")
    assert days(str(path), places) == [1]


def test_runs_with_uncommitted_changes_stand_for_no_branch_and_no_commit_and_that_is_told(places: Places):
    left_out = ("left out: 1 record made with uncommitted changes",)
    assert resolve("branch:main", places).notes == left_out
    assert resolve("aa22", places).notes == left_out
    assert days("aa22", places) == [3]


def test_what_cannot_be_read_is_told_and_the_others_count(places: Places):
    Path("records", f"{RUNS[1].id}.json").write_text("{}")
    found = resolve("latest", places)
    assert found.notes == ("left out: 1 record that cannot be read",)
    assert len(found.records) == 1
    with pytest.raises(StoreError):
        resolve(f"records/{RUNS[1].id}.json", places)


@pytest.mark.parametrize(
    ("ref", "what", "hint"),
    [
        ("latst", "'latst' is no file, store, record, commit or branch", "did you mean 'latest'?"),
        ("mian", "'mian' is no file", "did you mean 'main'?"),
        ("branch:mian", "no record of the branch 'mian'", "did you mean 'main'?"),
        ("202601", "'202601' may be any of 5 records", "and 2 more"),
        ("aa", "'aa' is no file", "a commit"),
        ("nowhere/x.json", "'nowhere/x.json' is no file", "latest, baseline"),
        ("", "'' is no file", "latest"),
        ("brunch:main", "there is no store 'brunch'", ""),
    ],
)
def test_a_name_that_is_wrong_is_one_message_with_the_nearest(places: Places, ref: str, what: str, hint: str):
    with pytest.raises(UsageError) as error:
        resolve(ref, places)
    assert what in error.value.what
    assert hint in (error.value.hint or "")


def test_a_name_that_means_two_things_is_refused_with_both(places: Places):
    store = DirectoryStore("two")
    store.put(run(1, commit="a" * 40))
    store.put(run(2, branch="aaaa"))
    with pytest.raises(UsageError, match=r"'aaaa' may be the commit aaaa.* or the branch aaaa") as error:
        resolve("aaaa", Places("two", "base"))
    assert "branch:aaaa" in (error.value.hint or "")


@pytest.mark.parametrize("ref", ["baseline", "base", "directory:base"])
def test_a_baseline_with_a_damaged_record_is_an_error_and_no_open_gate(places: Places, ref: str):
    promote(RUNS[:2], places.baseline)
    path = Path(places.baseline, f"{RUNS[0].id}.json")
    path.write_text(path.read_text()[:500])
    with pytest.raises(StoreError) as error:
        resolve(ref, places)
    assert not isinstance(error.value, UsageError) and str(path) in str(error.value)


def test_a_branch_that_is_misspelt_is_no_first_night(places: Places):
    with pytest.raises(UsageError) as error:
        resolve("branch:mian", places)
    assert not isinstance(error.value, NothingYet)
    DirectoryStore("other").put(run(1, branch="topic", dirty="yes"))
    with pytest.raises(NothingYet, match="no record of the branch 'topic'") as nothing:
        resolve("branch:topic", Places("other", "base"))
    assert "uncommitted changes" in (nothing.value.hint or "")


@pytest.mark.parametrize("started", ["9999-01-01T00:00:00+00:00", "9999-01-01T00:00:00"])
def test_a_record_of_the_future_is_never_the_newest(places: Places, started: str):
    ahead = run(9).model_copy(update={"started": started})
    DirectoryStore("records").put(ahead)
    note = "left out: 1 record dated in the future"
    assert days("latest", places) == [2, 5] and note in resolve("latest", places).notes
    assert days("branch:main", places) == [2, 3] and note in resolve("branch:main", places).notes
    assert days("aa11", places) == [1, 2]
    assert days(ahead.id, places) == [9], "who names it wants it"
    with pytest.raises(UsageError, match="dated in the future"):
        promote([RUNS[0], ahead], places.baseline)
    assert not Path(places.baseline).exists()


@pytest.mark.parametrize("ref", ["latest", "baseline", "branch:main"])
def test_a_first_night_has_nothing_and_that_is_no_mistake_of_the_name(tmp_path: Path, ref: str):
    with pytest.raises(NothingYet):
        resolve(ref, Places(str(tmp_path / "records"), str(tmp_path / "base")))


@settings(max_examples=30, deadline=None)
@given(st.permutations(RUNS))
def test_the_order_of_arrival_does_not_matter(tmp_path_factory: pytest.TempPathFactory, runs: list[Record]):
    folder = tmp_path_factory.mktemp("store")
    for one in runs:
        DirectoryStore(folder).put(one)
    assert days("latest", Places(str(folder), "base")) == [2, 5]


# ---- the baseline


def test_a_baseline_replaces_the_rows_that_are_new_and_leaves_the_rest(places: Places):
    Path(places.baseline).mkdir()
    Path(places.baseline, "README").write_text("why this is the baseline")
    assert [one.before for one in promote(RUNS[:2], places.baseline)] == [(), ()]
    (replaced,) = promote(RUNS[2:3], places.baseline)
    assert (replaced.row, replaced.before) == (row_of(RUNS[0]), (RUNS[0].id,))
    assert days("baseline", places) == [2, 3]
    assert days("baseline", places) == sorted(int(one.id[6:8]) for one in select(DirectoryStore(places.baseline)))
    promote(RUNS[:1], places.baseline)
    assert days("baseline", places) == [1, 2], "an older run may be made the baseline again"
    assert Path(places.baseline, "README").exists()
    assert not [path.name for path in Path().iterdir() if path.name.startswith(".")], "nothing is left beside it"


def test_a_baseline_that_cannot_be_written_stays_as_it_is(places: Places, monkeypatch: pytest.MonkeyPatch):
    promote(RUNS[:2], places.baseline)

    def refuse(self: DirectoryStore, record: Record) -> str:
        if record is RUNS[2]:
            raise OSError(28, "No space left on device")
        return str(real(self, record))

    real = DirectoryStore.put
    monkeypatch.setattr(DirectoryStore, "put", refuse)
    with pytest.raises(StoreError, match="No space left"):
        promote(RUNS[1:3], places.baseline)
    assert days("baseline", places) == [1, 2]
    assert not [path.name for path in Path().iterdir() if path.name.startswith(".")]


def _promote_one(number: int) -> None:
    promote([run(1 + number, f"framework{number}")], "shared/base")


def test_rows_that_are_made_the_baseline_at_one_time_are_all_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    processes = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(4, mp_context=processes) as pool:
        list(pool.map(_promote_one, range(12)))
    assert len(DirectoryStore("shared/base").ids()) == 12
    assert [path.name for path in Path("shared").iterdir()] == ["base"]


def test_a_baseline_is_a_folder(places: Places):
    with pytest.raises(UsageError, match=re.escape("is no folder, and a baseline is one")):
        promote(RUNS[:1], "sqlite:base.db")
