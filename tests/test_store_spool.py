"""Nothing is lost while a database is away, and nothing is there twice afterwards."""

import contextlib
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hilbench.cli import cli
from hilbench.errors import HilbenchError, StoreError
from hilbench.records import database
from hilbench.records.record import Record
from hilbench.records.spool import SPOOLS, Away, Spool
from hilbench.records.sql import SqlStore
from hilbench.records.store import Document, open_store, select

from .conftest import DIGITS, made_record
from .postgres_server import Server
from .test_store_sql import SECRET

FORK = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of its own for the spools; and a store tries again sooner."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(database, "_WAITS_S", (0.05, 0.1))


@pytest.fixture
def away(server: Server) -> Iterator[Server]:
    """A server that is killed and comes back."""
    yield server
    assert server.process is not None
    if server.process.poll() is not None:
        server.start()


def run(number: int) -> Record:
    return made_record().model_copy(update={"id": f"run-{number:05}"})


def hilbench(*arguments: str) -> tuple[int, str]:
    """Run a command as `hilbench` does, and return its exit code and what it said."""
    done = CliRunner().invoke(cli, arguments)
    if isinstance(done.exception, HilbenchError):
        return done.exception.exit_code, f"{done.output}error: {done.exception}"
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def test_a_record_waits_while_the_server_is_away_and_is_sent_by_the_next(
    away: Server, caplog: pytest.LogCaptureFixture
):
    store = SqlStore(away.fresh("waits"))
    store.put(run(0))
    away.kill()
    place = store.put(run(1))
    assert place.startswith(str(store.spool.folder)) and place.endswith("/run-00001") and not SECRET.search(place)
    assert "cannot be reached" in caplog.text and "run-00001 waits in" in caplog.text and not SECRET.search(caplog.text)
    with pytest.raises(StoreError, match="cannot be reached"):
        list(store.documents())
    away.start()
    assert store.put(run(2)).startswith("postgresql")
    assert [record.id for record in select(store)] == [run(i).id for i in range(3)]
    assert store.spool.waiting() == []


def test_a_run_starts_while_the_server_is_away(away: Server, caplog: pytest.LogCaptureFixture):
    url = away.fresh("starts")
    away.kill()
    store = open_store(url)
    store.ready()
    assert "cannot be reached" in caplog.text and "records wait in" in caplog.text
    store.put(run(0))
    away.start()
    open_store(url).ready()  # the next run
    assert list(select(open_store(url))) == [run(0)]


def test_what_cannot_ever_be_written_is_an_error_but_not_lost(server: Server):
    store = SqlStore(server.fresh("dropped"))
    store.put(run(0))
    server.execute("DROP TABLE hilbench_records", "dropped")
    with pytest.raises(StoreError, match="does not exist") as told:
        store.put(run(1))
    assert "the record waits in" in (told.value.hint or "") and store.spool.waiting() == [run(1).id]


def test_sqlite_that_is_held_by_another_spools_too(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(database, "_BUSY_S", 0.05)
    store = SqlStore("sqlite:x.db")
    store.put(run(0))
    with contextlib.closing(sqlite3.connect("x.db", isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        assert "until" in store.put(run(1))
        holder.execute("ROLLBACK")
    store.put(run(2))
    assert len(list(select(store))) == 3


def test_no_password_is_written_into_a_spool(away: Server, monkeypatch: pytest.MonkeyPatch):
    url = away.fresh("secret")
    away.kill()
    SqlStore(url).put(run(0))
    files = [path for path in SPOOLS.rglob("*") if path.is_file()]
    assert len(files) == 2 and not any(SECRET.search(path.read_text()) for path in files)
    away.start()
    code, said = hilbench("store", "send")
    assert code == 4 and "PGPASSWORD" in said and "Traceback" not in said
    monkeypatch.setenv("PGPASSWORD", "s3cret/w@rd")
    assert hilbench("store", "send") == (0, f"1 record sent to {SqlStore(url).spool.address}\n")
    assert hilbench("store", "send") == (0, "no records wait here\n")


def test_send_while_the_server_is_away_is_one_error(away: Server):
    url = away.fresh("one_error")
    away.kill()
    SqlStore(url).put(run(0))
    for command in ("list", "send"):
        code, said = hilbench("store", command, url)
        assert (
            code == 4 and said.count("cannot be reached") == 1 and "Traceback" not in said and not SECRET.search(said)
        )


def test_what_is_damaged_or_another_stays_in_the_spool():
    store = SqlStore("sqlite:x.db")
    store.put(run(0))
    store.spool.keep(Document.of(run(0).model_copy(update={"duration_s": 9.0})))
    store.spool.keep(Document.of(run(1)))
    (store.spool.folder / "run-00002.json").write_text("{")
    code, said = hilbench("store", "send", "sqlite:x.db")
    assert code == 4 and "another record is kept under this id" in said and "not a hilbench.record" in said
    assert "1 record sent to sqlite:x.db, 2 stay in" in said
    assert store.spool.waiting() == ["run-00000", "run-00002"]
    assert hilbench("store", "list", "sqlite:x.db")[1].endswith("2 records, 2 waiting in the spool\n")


def test_a_sender_that_is_killed_after_the_commit_sends_nothing_twice():
    store = SqlStore("sqlite:x.db")
    for number in range(3):
        store.spool.keep(Document.of(run(number)))

    def killed(document: Document) -> None:
        store._insert(document)
        if document.id == run(1).id:
            os.kill(os.getpid(), signal.SIGKILL)

    store._database.migrate()
    child = FORK.Process(target=lambda: store.spool.send(killed, print))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert store.spool.waiting() == [run(1).id, run(2).id], "the first was sent, the second only committed"
    assert SqlStore("sqlite:x.db").send(print) == 2
    assert [record.id for record in select(store)] == [run(i).id for i in range(3)]


def _send(_: int) -> int:
    return SqlStore("sqlite:x.db").send(print)


def test_senders_at_once_send_everything_once():
    spool = SqlStore("sqlite:x.db").spool
    for number in range(40):
        spool.keep(Document.of(run(number)))
    with ProcessPoolExecutor(4, mp_context=FORK) as pool:
        assert sum(pool.map(_send, range(4))) == 40
    assert len(list(select(open_store("sqlite:x.db")))) == 40 and spool.waiting() == []


def test_a_sender_stops_where_the_server_goes_away():
    spool = Spool("x")
    for number in range(3):
        spool.keep(Document.of(run(number)))

    def gone(document: Document) -> None:
        if document.id != run(0).id:
            raise Away("gone")

    with pytest.raises(Away):
        spool.send(gone, print)
    assert spool.waiting() == [run(1).id, run(2).id]


def _write(arguments: tuple[str, int, int]) -> list[str]:
    spec, first, count = arguments
    store = open_store(spec)
    places = []
    for number in range(first, first + count):
        places.append(store.put(run(number)))
        with DONE.get_lock():
            DONE.value += 1
    return places


DONE: Any = FORK.Value("i", 0)


def written_while_killed(server: Server, spec: str, writers: int, each: int, kills: int) -> list[str]:
    """Let processes write while the server is killed and started again; return the places of the records."""
    DONE.value = 0
    with ProcessPoolExecutor(writers, mp_context=FORK) as pool:
        futures = [pool.submit(_write, (spec, worker * each, each)) for worker in range(writers)]
        for kill in range(kills):
            goal = writers * each * (kill + 1) // (kills + 2)
            while DONE.value < goal and not any(future.done() for future in futures):
                time.sleep(0.005)
            server.kill()
            time.sleep(0.5)  # longer than the writers try again
            server.start()
        return [place for future in futures for place in future.result()]


@pytest.mark.parametrize(("writers", "each", "kills"), [(8, 12, 1), pytest.param(16, 100, 4, marks=pytest.mark.slow)])
def test_a_server_that_is_killed_in_mid_run_loses_no_record(away: Server, writers: int, each: int, kills: int):
    url = away.fresh(f"killed_{writers}")
    places = written_while_killed(away, url, writers, each, kills)
    spooled = [place for place in places if "until" in place]
    assert len(places) == writers * each and spooled, "the server was away for some"
    store = SqlStore(url)
    store.send(print)
    kept = [record.id for record in select(store)]
    assert kept == [run(number).id for number in range(writers * each)]
    assert store.spool.waiting() == []


def test_copies_are_to_the_byte_and_can_be_repeated(server: Server):
    url = server.fresh("copies")
    for number in range(5):
        open_store("first").put(run(number))
    Path("first/run-00009.json").write_text("{")
    for _ in range(2):
        code, said = hilbench("store", "copy", "first", "sqlite:second.db")
        assert code == 4 and "5 records of first in sqlite:second.db" in said and "1 record passed over" in said
    assert hilbench("store", "copy", "sqlite:second.db", url)[0] == 0
    code, said = hilbench("store", "copy", url, "third")
    assert code == 0 and not SECRET.search(said)
    for path in Path("third").iterdir():
        assert path.read_bytes() == Path("first", path.name).read_bytes()
    assert len(list(Path("third").iterdir())) == 5
    code, said = hilbench("store", "list", "first", "--json")
    assert code == 0 and '"records": 5' in said and "run-00009.json" in said


def test_nothing_is_copied_to_a_server_that_is_away(away: Server):
    url = away.fresh("nocopy")
    open_store("first").put(run(0))
    away.kill()
    code, said = hilbench("store", "copy", "first", url)
    assert code == 4 and "cannot be reached" in said and not SPOOLS.exists()


@pytest.mark.slow
def test_a_real_run_while_the_server_is_away_is_kept(away: Server, tmp_path: Path):
    url = away.fresh("real")
    away.kill()
    command = [sys.executable, "-m", "pytest", str(DIGITS), "--board=qemu", "--framework=tvm", "--hil-samples=10",
               "-p", "no:cacheprovider", f"--hil-store={url}"]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 record in .hilbench/spool/" in done.stdout and "until `hilbench store send`" in done.stdout
    assert "cannot be reached" in done.stdout + done.stderr and not SECRET.search(done.stdout + done.stderr)
    away.start()
    assert hilbench("store", "send", url) == (0, f"1 record sent to {SqlStore(url).place}\n")
