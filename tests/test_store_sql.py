"""Records in SQLite and PostgreSQL: kept to the byte, once, told when damaged, and never a password in sight."""

import contextlib
import itertools
import json
import multiprocessing
import os
import re
import sqlite3
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from hilbench.errors import StoreError, UsageError
from hilbench.records import migrations
from hilbench.records.record import Record
from hilbench.records.sql import SqlStore
from hilbench.records.store import Document, Query, open_store, select

from .conftest import DIGITS, made_record, run_python
from .postgres_server import QUOTED, Server

FORK = multiprocessing.get_context("fork")
NUMBERS = itertools.count()
CHANGED = "the row was changed after it was written, or is damaged"
SECRET = re.compile("s3cret|w@rd|w%40rd")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spools are made where a program is started."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def spec(request: pytest.FixtureRequest) -> str:
    """The address of an empty database."""
    if request.param == "sqlite":
        return "sqlite:deep/records.db"
    name = "".join(c for c in request.node.name.lower() if c.isalnum())[4:40]
    return request.getfixturevalue("server").fresh(f"t_{name}_{next(NUMBERS)}")


def execute(spec: str, statement: str, server: Server | None) -> None:
    """Change rows behind the store's back."""
    if spec.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect("deep/records.db", isolation_level=None)) as connection:
            connection.execute(statement)
    else:
        assert server is not None
        server.execute(statement, spec.rpartition("/")[2])


def run(number: int, **changes: object) -> Record:
    record = made_record()
    return record.model_copy(update={"id": f"{20260101 + number}T000000-run", **changes})


def test_a_record_is_kept_to_the_byte_and_once(spec: str):
    store = open_store(spec)
    record = made_record()
    for _ in range(2):
        place = store.put(record)
    assert place.rpartition("/")[2] == record.id and not SECRET.search(place)
    assert store.get(record.id) == record
    assert [document.text for document in store.documents()] == [record.to_json()]


def test_another_record_of_the_same_id_is_refused(spec: str):
    store = open_store(spec)
    store.put(made_record())
    with pytest.raises(StoreError, match="another record is kept under this id"):
        store.put(made_record().model_copy(update={"duration_s": 9.0}))
    assert [record.duration_s for record in select(store)] == [4.5]


def test_what_is_not_there_is_told(spec: str):
    store = open_store(spec)
    store.ready()
    with pytest.raises(StoreError, match="there is no record 'x'"):
        store.get("x")
    assert list(store.documents()) == []


def test_records_come_in_the_order_of_the_bytes_of_their_ids(spec: str):
    store = open_store(spec)
    ids = ["B", "a", "a.b", "a-b", "A", "aB", "Z9", "a_b"]
    for name in ids:
        store.put(made_record().model_copy(update={"id": name}))
    assert [document.id for document in store.documents()] == sorted(ids)


def test_a_query_finds_what_it_asks_for(spec: str):
    store = open_store(spec)
    for number in range(4):
        source = {"branch": "main" if number % 2 else "topic", "commit": "c0ffee"}
        store.put(run(number, started=f"2026-01-0{number + 1}T00:00:00+00:00", source=source, suite=f"s{number // 2}"))
    queries = [Query(), Query(branch="main"), Query(suite="s1"), Query(since="2026-01-03"), Query(board="mps2-an386"),
               Query(task="digits", framework="tvm"), Query(branch="topic", since="2026-01-02"),
               Query(board="x")]  # fmt: skip
    everything = list(select(store))
    for query in queries:
        assert list(select(store, query)) == [record for record in everything if query.wants(record)]
        assert len(list(store.documents(query))) == len(list(select(store, query))), "the database itself chooses"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("document", "'{}'"),
        ("document", "''"),
        ("document", "replace(document, '\"mps2-an386\"', '\"nano33\"')"),
        ("sha256", "'x'"),
        ("id", "'another'"),
    ],
)
def test_a_damaged_row_is_told_and_passed_over(
    spec: str, column: str, value: str, request: pytest.FixtureRequest, record: Record
):
    store = open_store(spec)
    for number in range(3):
        store.put(run(number))
    is_file = spec.startswith("sqlite")
    execute(spec, f"UPDATE hilbench_records SET {column} = {value} WHERE id = '{run(1).id}'",
            None if is_file else request.getfixturevalue("server"))  # fmt: skip
    damaged: list[StoreError] = []
    assert [found.id for found in select(store, damaged=damaged.append)] == [run(0).id, run(2).id]
    assert len(damaged) == 1 and "run" in str(damaged[0]) + "another" and not SECRET.search(str(damaged[0]))


def test_what_sqlite_takes_for_text_is_told():
    store = open_store("sqlite:deep/records.db")
    for number in range(4):
        store.put(run(number))
    for number, value in ((0, "x'ff00'"), (1, "CAST(x'fffe41' AS TEXT)"), (2, "zeroblob(100000000)")):
        execute("sqlite:", f"UPDATE hilbench_records SET document = {value} WHERE id = '{run(number).id}'", None)
    damaged: list[StoreError] = []
    assert [found.id for found in select(store, damaged=damaged.append)] == [run(3).id]
    assert [error.what.split(":")[0] for error in damaged[:2]] == [
        "the row was changed after it was written, or is damaged"
    ] * 2
    assert "are more than the" in damaged[2].what


def _put_all(arguments: tuple[str, int, int]) -> None:
    spec, first, count = arguments
    store = open_store(spec)
    for number in range(first, first + count):
        place = store.put(run(number))
        assert "until" not in place, "the database was there all the time"


def test_many_processes_write_and_migrate_at_once(spec: str):
    with ProcessPoolExecutor(16, mp_context=FORK) as pool:  # every record is put by two of them
        list(pool.map(_put_all, [(spec, 5 * (worker // 2), 5) for worker in range(16)]))
    assert [record.id for record in select(open_store(spec))] == [run(number).id for number in range(40)]


def test_a_newer_database_is_refused_and_an_older_one_migrated(spec: str, monkeypatch: pytest.MonkeyPatch):
    open_store(spec).put(made_record())

    def second(connection: object) -> None:
        connection.exec_driver_sql("CREATE TABLE added (x integer)")  # type: ignore[attr-defined]

    def broken(connection: object) -> None:
        second_again = "CREATE TABLE added (x integer)"
        connection.exec_driver_sql("CREATE TABLE half (x integer)")  # type: ignore[attr-defined]
        connection.exec_driver_sql(second_again)  # type: ignore[attr-defined]

    with monkeypatch.context() as newer:
        newer.setattr(migrations, "STEPS", (*migrations.STEPS, second, broken))
        for _ in range(2):
            with pytest.raises(StoreError, match="already exists"):
                list(open_store(spec).documents())  # the third step fails whole, the second stays
    with pytest.raises(StoreError, match="the database is of version 2, and this hilbench knows up to 1"):
        list(open_store(spec).documents())
    with monkeypatch.context() as newer:
        newer.setattr(migrations, "STEPS", (*migrations.STEPS, second))
        assert list(select(open_store(spec))) == [made_record()]


@pytest.mark.parametrize(
    "spelling", ["sqlite:here.db", "sqlite:///here.db", "sqlite+pysqlite:///here.db", "sqlite:./here.db"]
)
def test_a_file_can_be_named_in_several_ways(spelling: str, tmp_path: Path):
    open_store(spelling).put(made_record())
    assert (tmp_path / "here.db").exists()
    assert list(select(open_store(f"sqlite:///{tmp_path}/here.db"))) == [made_record()]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("sqlite:", "names no file"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite+aiosqlite:///x", "driver 'aiosqlite' is not known"),
        ("postgresql:", "no address of a database"),
        ("postgresql://u:s3cret@h:port/x", "no address of a database"),
        ("postgresql://u:s3cret@h", "names no database"),
        ("postgresql+asyncpg://u:s3cret@h/x", "driver 'asyncpg' is not known"),
        ("postgresql://u:s3cret@127.0.0.1:5/x?no_such_option=1", "no address of a database"),
        ("postgresql://u:s3cret@127.0.0.1:99999/x", "no address of a database"),
        ("postgres://u:s3cret@h/x", "there is no store 'postgres'"),
    ],
)
def test_what_is_no_address_is_told_with_what_to_write(spec: str, words: str):
    with pytest.raises(UsageError, match=words) as told:
        open_store(spec).ready()
    assert told.value.hint and not SECRET.search(str(told.value))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.db", None, "there is no such database"),
        ("text.db", b"this is a text, and no database" * 50, "file is not a database"),
        ("folder", b"", "unable to open database file"),
    ],
)
def test_what_is_no_sqlite_database_is_told(name: str, content: bytes | None, words: str, tmp_path: Path):
    if content:
        (tmp_path / name).write_bytes(content)
    elif content is not None:
        (tmp_path / name).mkdir()
    with pytest.raises(StoreError, match=words) as told:
        list(open_store(f"sqlite:{tmp_path / name}").documents())
    assert told.value.hint


def test_a_broken_page_is_told(tmp_path: Path):
    store = open_store(f"sqlite:{tmp_path}/x.db")
    for number in range(50):
        store.put(run(number))
    with contextlib.closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (tmp_path / "x.db").open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        for page in range(2, size // 4096):
            file.seek(page * 4096)
            file.write(b"\xff" * 200)
    with pytest.raises(StoreError, match=r"malformed|fails"):
        list(open_store(f"sqlite:{tmp_path}/x.db").documents())


def test_wrong_passwords_and_missing_databases_are_errors_at_the_start(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for url in (server.url(password="s3cret"), server.url("nosuch")):
        with pytest.raises(StoreError, match="the server refuses") as told:
            open_store(url).ready()
        assert told.value.hint and not SECRET.search(str(told.value))
    assert list(tmp_path.iterdir()) == []


def test_a_password_in_the_query_is_not_shown_either(server: Server, tmp_path: Path):
    url = f"postgresql://lab@127.0.0.1:{server.port}/lab?password={QUOTED}&application_name=x"
    store = SqlStore(url)
    assert not SECRET.search(store.put(made_record()) + store.place + store.spool.address)
    with pytest.raises(StoreError) as told:
        open_store(url.replace(QUOTED, "s3cret")).ready()
    assert not SECRET.search(str(told.value))


def test_who_may_only_read_reads_and_is_told_that_he_may_not_write(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    url = server.fresh("shared")
    open_store(url).put(made_record())
    server.execute("CREATE ROLE guest LOGIN PASSWORD 's3cret'")
    server.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest", "shared")
    guest = SqlStore(url.replace(f"lab:{QUOTED}", "guest:s3cret"))
    assert list(select(guest)) == [made_record()]
    with pytest.raises(StoreError, match="permission denied") as told:
        guest.put(run(1))
    assert "the record waits in" in (told.value.hint or "") and guest.spool.waiting() == [run(1).id]


def test_documents_are_streamed(spec: str):
    store = open_store(spec)
    for number in range(40):
        store.put(run(number))
    stream = store.documents()
    assert next(stream).id == run(0).id
    store.put(run(99))  # others can write meanwhile
    assert len(list(stream)) in (39, 40)


@pytest.mark.parametrize("package", ["sqlalchemy", "psycopg"])
def test_without_the_packages_it_is_told_what_to_install(package: str):
    code = f"""
import sys
import hilbench.pytest_plugin.session
assert not {{"sqlalchemy", "psycopg"}} & set(sys.modules), "only a database needs them"
sys.modules[{package!r}] = None
from hilbench.errors import Unavailable
from hilbench.records.store import open_store
try:
    open_store("postgresql://u:s3cret@h/x")
except Unavailable as error:
    print(error)
"""
    done = run_python(code)
    assert "pip install 'hilbench[sql]'" in done.stdout and "s3cret" not in done.stdout, done.stderr


def test_a_document_is_kept_as_it_was_written(spec: str, record: Record):
    document = json.loads(record.to_json())
    old = json.dumps({key: value for key, value in document.items() if key not in ("tensors", "scored_by", "seal")}
                     | {"schema": "hilbench.record/1"})  # fmt: skip
    store = open_store(spec)
    store.keep(Document(record.id, "here", old))
    store.put(store.get(record.id))  # the same record, in the words of today
    assert [kept.text for kept in store.documents()] == [old]
    with pytest.raises(StoreError, match=r"not a hilbench\.record"):
        store.keep(Document("x", "here", "{"))


@pytest.mark.slow
def test_a_real_run_is_kept_in_postgresql(server: Server, tmp_path: Path):
    url = server.fresh("runs")
    command = [sys.executable, "-m", "pytest", str(DIGITS), "--board=qemu", "--framework=tvm", "--hil-samples=10",
               "-p", "no:cacheprovider", f"--hil-store={url}"]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"1 record in postgresql+psycopg://lab:***@127.0.0.1:{server.port}/runs" in done.stdout
    assert not SECRET.search(done.stdout + done.stderr)
    assert [record.task for record in select(open_store(url))] == ["digits"]
    for wrong in (server.url(password="s3cret"), "postgresql://u:s3cret@h"):
        done = subprocess.run(
            [*command[:-1], f"--hil-store={wrong}"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == pytest.ExitCode.USAGE_ERROR
        assert "Traceback" not in done.stdout + done.stderr and not SECRET.search(done.stdout + done.stderr)


def test_a_file_that_is_taken_away_between_two_records_loses_none():
    store = SqlStore("sqlite:x.db")
    store.put(run(0))
    for path in Path().glob("x.db*"):
        path.rename(f"old-{path.name}")
    with pytest.raises(StoreError, match="no such table"):
        store.put(run(1))
    store.put(run(2))
    assert [record.id for record in select(open_store("sqlite:x.db"))] == [run(1).id, run(2).id]
    assert store.spool.waiting() == []
