"""Records and the directory store: whole or not at all, and damage is told."""

import json
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hilbench.errors import StoreError, UsageError
from hilbench.measure.metric import Metric
from hilbench.records.directory import DirectoryStore
from hilbench.records.record import Record, json_schema
from hilbench.records.store import Query, open_store, select


def test_a_record_survives_its_own_json(record: Record):
    assert Record.from_json(record.to_json(), "here") == record


def test_the_published_schema_accepts_records_and_refuses_a_metric_without_basis(record: Record):
    document = json.loads(record.to_json())
    jsonschema.validate(document, json_schema())
    del document["metrics"]["latency"]["basis"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, json_schema())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_metric_is_always_a_number(value: float):
    with pytest.raises(ValueError, match="finite"):
        Metric(value=value, unit="s", basis="measured")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "hilbench.record/9"}', "\x00"])
def test_a_damaged_document_is_named_and_not_a_traceback(text: str):
    with pytest.raises(StoreError, match=r"x\.json: (not a hilbench\.record/2 record|the record is of schema)"):
        Record.from_json(text, "x.json")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(data=st.data())
def test_cutting_a_record_short_is_always_noticed(record: Record, data: st.DataObject):
    text = record.to_json().rstrip()
    end = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(StoreError):
        Record.from_json(text[:end], "cut")


def test_the_store_gives_back_what_was_put(record: Record, tmp_path: Path):
    store = open_store(tmp_path / "records")
    store.put(record)
    store.put(record)
    assert store.get(record.id) == record
    assert list(select(store, Query(task="digits"))) == [record]
    assert list(select(store, Query(board="other"))) == []
    assert [path.name for path in (tmp_path / "records").iterdir()] == [f"{record.id}.json"]


def test_an_unknown_kind_of_store_is_told():
    with pytest.raises(UsageError, match="there is no store 'directry'"):
        open_store("directry:x")


@pytest.mark.parametrize("name", ["../x", "", ".hidden", "a/b"])
def test_an_id_never_leaves_the_folder(name: str, tmp_path: Path):
    with pytest.raises(StoreError, match="is not a record's id"):
        DirectoryStore(tmp_path).get(name)


def test_a_full_disk_leaves_nothing_half_written(record: Record, tmp_path: Path):
    code = f"""
import resource, signal, sys
from pathlib import Path
from hilbench.errors import StoreError
from hilbench.records.directory import DirectoryStore
from hilbench.records.record import Record
record = Record.from_json(Path({str(tmp_path / "record.json")!r}).read_text(), "")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    DirectoryStore({str(tmp_path / "store")!r}).put(record)
except StoreError as error:
    print(error)
"""
    (tmp_path / "record.json").write_text(record.to_json())
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "the record could not be written: File too large" in done.stdout
    assert "nothing half-written was left" in done.stdout
    assert list((tmp_path / "store").iterdir()) == []


def _put(arguments: tuple[str, str]) -> None:
    folder, text = arguments
    DirectoryStore(folder).put(Record.from_json(text, ""))


def test_many_writers_lose_nothing(record: Record, tmp_path: Path):
    texts = [record.model_copy(update={"id": f"run-{i % 20}"}).to_json() for i in range(80)]
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(_put, [(str(tmp_path), text) for text in texts]))
    assert sorted(r.id for r in select(DirectoryStore(tmp_path))) == sorted(f"run-{i}" for i in range(20))
