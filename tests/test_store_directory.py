"""The directory store: each record whole, once, never written over; and what is damaged is told, not in the way."""

import errno
import multiprocessing
import os
import socket
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from hilbench.errors import StoreError, UsageError
from hilbench.records import directory
from hilbench.records.directory import DirectoryStore
from hilbench.records.record import Record
from hilbench.records.store import LARGEST_BYTES, Document, open_store, select

from .conftest import made_record

FORK = multiprocessing.get_context("fork")


def run(name: str, **changes: object) -> Record:
    return made_record().model_copy(update={"id": name, **changes})


def test_another_record_of_the_same_id_is_refused_and_nothing_changed(tmp_path: Path, record: Record):
    store = DirectoryStore(tmp_path)
    store.put(record)
    before = (tmp_path / f"{record.id}.json").stat()
    store.put(record)
    with pytest.raises(StoreError, match="another record is kept under this id"):
        store.put(record.model_copy(update={"duration_s": 9.0}))
    after = (tmp_path / f"{record.id}.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe"])
def test_what_is_damaged_is_not_written_over(content: bytes, tmp_path: Path, record: Record):
    path = tmp_path / f"{record.id}.json"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="what is kept under this id is damaged"):
        DirectoryStore(tmp_path).put(record)
    assert path.read_bytes() == content


def test_a_damaged_document_is_not_kept(tmp_path: Path, record: Record):
    store = DirectoryStore(tmp_path / "store")
    text = record.to_json()
    for document in (Document(record.id, "x", text[:-9]), Document("other", "x", text), Document("../x", "x", text)):
        with pytest.raises(StoreError):
            store.keep(document)
    assert not store.folder.exists()


def _put_both(arguments: tuple[str, int]) -> tuple[int, int]:
    folder, worker = arguments
    kept = refused = 0
    for number in range(25):
        try:
            DirectoryStore(folder).put(run(f"run-{number:02}", duration_s=float(worker % 2)))
            kept += 1
        except StoreError as error:
            refused += "another record" in str(error)
    return kept, refused


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "none"])
def test_eight_processes_keep_one_record_of_an_id(links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    if not links:

        def no_links(*_: object) -> None:
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(directory.os, "link", no_links)  # as FAT says
    with ProcessPoolExecutor(8, mp_context=FORK) as pool:
        told = list(pool.map(_put_both, [(str(tmp_path), worker) for worker in range(8)]))
    damaged: list[StoreError] = []
    kept = list(select(DirectoryStore(tmp_path), damaged=damaged.append))
    assert [record.id for record in kept] == [f"run-{number:02}" for number in range(25)] and not damaged
    assert sum(kept for kept, _ in told) == 4 * 25 == sum(refused for _, refused in told)
    assert len(list(tmp_path.iterdir())) == 25, "nothing half-written is left"


def test_whatever_is_in_the_folder_stops_nothing(tmp_path: Path, record: Record):
    store = DirectoryStore(tmp_path)
    for name in ("a", "z"):
        store.put(run(name))
    text = run("b").to_json()
    (tmp_path / "b0-empty.json").write_text("")
    (tmp_path / "b1-cut.json").write_text(text[: len(text) // 2])
    (tmp_path / "b2-latin.json").write_bytes(b"\xe9" + text.encode())
    (tmp_path / "b3-newer.json").write_text(text.replace("hilbench.record/2", "hilbench.record/3"))
    (tmp_path / "b4-other-id.json").write_text(text)
    (tmp_path / "b5-folder.json").mkdir()
    (tmp_path / "b6-loop.json").symlink_to("b6-loop.json")
    (tmp_path / "b7-nowhere.json").symlink_to("nowhere")
    os.mkfifo(tmp_path / "b8-pipe.json")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "b9-socket.json"))
    (tmp_path / "c0-deep.json").write_text("[" * 200_000)
    with (tmp_path / "c1-large.json").open("wb") as file:
        file.truncate(LARGEST_BYTES + 1)
    (tmp_path / "c2 \x1b[2J\n.json").write_text("{}")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/c3-\xff.json")).write_text("{}")
    (tmp_path / "c4-crlf.json").write_bytes(text.replace('"b"', '"c4-crlf"').replace("\n", "\r\n").encode())
    (tmp_path / ".hidden.json").write_text("{")
    (tmp_path / "notes.txt").write_text("x")
    damaged: list[StoreError] = []
    assert [found.id for found in select(store, damaged=damaged.append)] == ["a", "z"]
    assert len(damaged) == 15
    for error, part in zip(
        damaged,
        ("not a", "changed|not a", "is no text", "seal is broken|schema", "calls itself 'b'", "is a folder",
         "symbolic links", "No such file", "not a file", "No such device|not a file", "not a", "are more than", "not a",
         "not a", "not a|broken"),
        strict=True,
    ):  # fmt: skip
        assert any(word in str(error) for word in part.split("|")), (part, str(error))
        assert str(error).isprintable() or "\n  hint" in str(error)
        assert "\x1b" not in str(error)


def test_documents_are_in_the_order_of_their_ids(tmp_path: Path):
    store = DirectoryStore(tmp_path)
    for name in ("a-b", "a", "a.b", "B"):
        store.put(run(name))
    assert [document.id for document in store.documents()] == ["B", "a", "a-b", "a.b"]


def test_documents_are_read_one_at_a_time(tmp_path: Path):
    for number in range(20):
        (tmp_path / f"{number}.json").write_text("{}")
    assert len(DirectoryStore(tmp_path).ids()) == 20
    stream = DirectoryStore(tmp_path).documents()
    assert next(stream).id == "0"
    for path in tmp_path.iterdir():
        path.unlink()
    assert list(stream) == [], "what was removed meanwhile is left out"


@pytest.mark.parametrize("spec", ["", "directory:"])
def test_a_store_has_a_name(spec: str):
    with pytest.raises(UsageError, match="the store has no name"):
        open_store(spec)


def test_a_folder_that_cannot_be_one_is_told_before_a_run(tmp_path: Path):
    (tmp_path / "file").write_text("")
    (tmp_path / "nowhere").symlink_to("gone")
    for name in ("file", "file/below", "nowhere/deep"):
        with pytest.raises(StoreError, match="no folder"):
            open_store(tmp_path / name).ready()
        with pytest.raises(StoreError, match="could not be written"):
            open_store(tmp_path / name).put(made_record())
    open_store(tmp_path / "new" / "deep").ready()
    assert not (tmp_path / "new").exists()


def test_what_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(StoreError, match="there is no record 'x'"):
        DirectoryStore(tmp_path).get("x")
    with pytest.raises(StoreError, match="no such folder of records"):
        list(DirectoryStore(tmp_path / "x").documents())
