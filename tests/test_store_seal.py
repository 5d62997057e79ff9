"""The seal and the older schemas: a changed byte is refused, and what old records hold is still read."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hilbench.errors import StoreError
from hilbench.records import seal, versions
from hilbench.records.directory import read_document
from hilbench.records.record import Record

from .conftest import made_record

RECORD = made_record()
TEXT = RECORD.to_json()
BYTES = TEXT.encode()
SEAL_LINE = len(BYTES) - len(b',\n "seal": "sha256:') - 64 - len('"\n}\n')


def opened(data: bytes, tmp_path: Path) -> Record:
    path = tmp_path / f"{RECORD.id}.json"
    path.write_bytes(data)
    return read_document(path).record()


def old(**changes: object) -> dict[str, object]:
    """The record as the first schema had it."""
    document = json.loads(TEXT)
    for name in ("seal", "tensors", "scored_by"):
        del document[name]
    return document | {"schema": "hilbench.record/1"} | changes


def dumped(document: object) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def test_what_was_not_changed_is_read(tmp_path: Path):
    assert opened(BYTES, tmp_path) == RECORD


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(place=st.integers(0, len(BYTES)) | st.integers(SEAL_LINE, len(BYTES)), value=st.integers(0, 255),
       how=st.sampled_from(["flip", "insert", "delete"]))  # fmt: skip
@example(place=len(BYTES), value=ord("\n"), how="insert")
@example(place=len(BYTES) - 1, value=0, how="delete")
@example(place=0, value=ord(" "), how="insert")
@example(place=1, value=ord("\r"), how="insert")
def test_any_changed_byte_is_refused(place: int, value: int, how: str, tmp_path: Path):
    changed = bytearray(BYTES)
    if how == "insert":
        changed.insert(place, value)
    elif how == "delete":
        del changed[min(place, len(BYTES) - 1)]
    else:
        changed[min(place, len(BYTES) - 1)] ^= value or 1
    with pytest.raises(StoreError):
        opened(bytes(changed), tmp_path)


@pytest.mark.slow
def test_every_flipped_bit_and_every_missing_byte_is_refused():
    for place in range(len(TEXT)):
        for bit in range(7):
            with pytest.raises(StoreError):
                Record.from_json(TEXT[:place] + chr(ord(TEXT[place]) ^ 1 << bit) + TEXT[place + 1 :], "x")
        with pytest.raises(StoreError):
            Record.from_json(TEXT[:place] + TEXT[place + 1 :], "x")


def test_the_first_schema_is_read_with_a_seal_and_without():
    for text in (dumped(old()), seal.sealed(dumped(old())), json.dumps(old())):
        record = Record.from_json(text, "x")
        assert record.tensors is None and record.metrics == RECORD.metrics
        assert Record.from_json(record.to_json(), "x") == record, "it is kept in the newest schema"


def test_a_seal_of_the_first_schema_holds_too():
    text = seal.sealed(dumped(old()))
    with pytest.raises(StoreError, match="seal is broken"):
        Record.from_json(text.replace('"tvm"', '"tfm"', 1), "x")


def test_the_second_schema_needs_its_seal():
    document = json.loads(TEXT)
    del document["seal"]
    with pytest.raises(StoreError, match="has lost its seal"):
        Record.from_json(dumped(document), "x")


@pytest.mark.parametrize(
    "value",
    [None, 1, 2, True, [], {}, "", "hilbench.record", "hilbench.record/", "hilbench.record/0", "hilbench.record/01",
     "hilbench.record/-1", "hilbench.record/1.0", "hilbench.record/\u0661", "hilbench.record/1\n", "other/1",
     "hilbench.record/99999999999999999999", "hilbench.record/3", "hilbench.record/999999"],
)  # fmt: skip
def test_a_schema_that_is_none_is_told(value: object):
    for text in (dumped(old(schema=value)), seal.sealed(dumped(old(schema=value)))):
        with pytest.raises(StoreError):
            Record.from_json(text, "x")


def test_a_newer_schema_says_what_to_do():
    with pytest.raises(StoreError, match=f"reads up to {versions.NEWEST}") as told:
        Record.from_json(seal.sealed(dumped(old(schema="hilbench.record/3", unheard_of=1))), "x")
    assert "upgrade" in (told.value.hint or "")


@pytest.mark.parametrize("depth", [*range(150, 1050, 50), 10_000, 1_000_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_an_error_and_not_a_crash(depth: int, opening: str, closing: str):
    nested = opening * depth + "1" + closing * depth
    for text in (nested, opening * depth, '{"schema": "hilbench.record/1", "id": ' + nested + "}"):
        with pytest.raises(StoreError):
            Record.from_json(text, "x")


def test_numbers_too_long_for_python_are_an_error():
    for number in ("9" * 10_000, "1e999", "NaN", "-Infinity"):
        text = dumped(old(duration_s=12345)).replace("12345", number)
        with pytest.raises(StoreError):
            Record.from_json(text, "x")


def test_of_a_key_that_is_there_twice_the_last_counts_in_both_readers():
    """As in every reader of JSON in use; and the seal is over both, so that no accident makes one."""
    for text in (TEXT, dumped(old())):
        twice = text.replace('{\n "schema"', '{\n "duration_s": 77.0,\n "schema"', 1)
        if seal.has_seal(text):
            with pytest.raises(StoreError, match="seal is broken"):
                Record.from_json(twice, "x")
            twice = seal.sealed(twice[: twice.index(',\n "seal"')] + "\n}\n")
        assert Record.from_json(twice, "x").duration_s == RECORD.duration_s


def test_a_seal_inside_the_document_is_no_seal():
    inner = json.dumps(TEXT)
    with pytest.raises(StoreError):
        Record.from_json('{"seal": ' + inner + "}", "x")
    with pytest.raises(StoreError, match="seal"):
        Record.from_json(seal.sealed(TEXT), "x")  # sealed twice
