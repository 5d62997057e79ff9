"""`hilbench verify`: what it takes for a record, and what it says where there is none or not all of one."""

import json
from pathlib import Path

import pytest

from hilbench.records import seal
from hilbench.records.directory import DirectoryStore
from hilbench.records.record import Record

from .gated import hilbench
from .generated_records import generated


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return list(generated(2))


@pytest.fixture
def store(tmp_path: Path, records: list[Record]) -> Path:
    for record in records:
        DirectoryStore(tmp_path / "store").put(record)
    return tmp_path / "store"


def first_schema(record: Record, *without: str) -> str:
    document = json.loads(seal.opened(record.to_json(), ""))
    document["schema"] = "hilbench.record/1"
    for name in ("tensors", "scored_by"):
        del document[name]
    for name in without:
        del document["dataset"][name]
    return json.dumps(document, indent=1) + "\n"


@pytest.mark.parametrize("inside", [None, "notes.txt"])
def test_a_folder_without_a_record_is_one_message(inside: str | None, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    if inside:
        (tmp_path / "empty" / inside).write_text("x")
    done = hilbench(tmp_path, "verify", "empty")
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith("error: empty: there is no record here") and done.stderr.count("\n") == 2


@pytest.mark.parametrize("text", ["# Results\n", "{}", "", '{"schema": "other/1"}'])
def test_a_file_that_is_no_record_is_not_called_damaged(text: str, tmp_path: Path):
    (tmp_path / "r.md").write_text(text)
    done = hilbench(tmp_path, "verify", "r.md")
    assert done.returncode == 4
    assert "this is no record" in done.stdout and "damaged" not in done.stdout


def test_signers_that_are_not_there_are_one_usage_error(store: Path):
    done = hilbench(store.parent, "verify", "store", "--signers", "nofile")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no file of allowed signers 'nofile'" in done.stderr


def test_the_beginning_of_an_id_is_enough(store: Path, records: list[Record]):
    one, other = (record.id for record in records)
    done = hilbench(store.parent, "verify", one[:-3], "--store", "store")
    assert (done.returncode, done.stdout.split()[:2]) == (0, ["✓", one])
    done = hilbench(store.parent, "verify", one[:4], "--store", "store")
    assert done.returncode == 2 and f"'{one[:4]}' may be any of 2 records" in done.stderr
    assert one in done.stderr and other in done.stderr
    (store / f"{one}.json").write_text('{"schema": "hilbench.record/2"')
    assert hilbench(store.parent, "verify", one[:-3], "--store", "store").returncode == 1, "damaged ones are found too"


def test_a_name_that_is_nothing_says_what_may_be_one(store: Path):
    done = hilbench(store.parent, "verify", "nothing", "--store", "store")
    assert done.returncode == 4 and "a record's file or id" in done.stderr
    done = hilbench(store.parent, "verify", "nothing")
    assert done.returncode == 4 and "there is no store" in done.stderr


def test_what_could_not_be_checked_is_not_called_verified(tmp_path: Path, records: list[Record]):
    (tmp_path / f"{records[0].id}.json").write_text(first_schema(records[0]))
    done = hilbench(tmp_path, "verify", f"{records[0].id}.json")
    assert done.returncode == 0
    first = done.stdout.splitlines()[0]
    assert first.startswith(f"○ {records[0].id}") and "not fully checked: seal" in first
    (row,) = json.loads(hilbench(tmp_path, "verify", f"{records[0].id}.json", "--json").stdout)
    assert row["state"] == "unknown"


def test_a_draft_that_was_never_released_is_not_called_damaged(tmp_path: Path, records: list[Record]):
    (tmp_path / f"{records[0].id}.json").write_text(first_schema(records[0], "of"))
    done = hilbench(tmp_path, "verify", ".")
    assert done.returncode == 4
    assert "an early draft of hilbench.record/1, which was never released" in done.stdout
    assert "remove it" not in done.stdout and "FAILED" not in done.stdout


def test_mistakes_are_counted_where_there_are_several(tmp_path: Path, records: list[Record]):
    for count, names in ((1, ("of",)), (2, ("of", "name"))):
        document = json.loads(seal.opened(records[0].to_json(), ""))
        for name in names:
            del document["dataset"][name]
        path = tmp_path / f"{records[0].id}.json"
        path.write_text(seal.sealed(json.dumps(document, indent=1) + "\n"))
        assert ("mistakes in all" in hilbench(tmp_path, "verify", path.name).stdout) == (count > 1)
