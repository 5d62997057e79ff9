"""A PostgreSQL server of our own in a temporary folder: started, killed, started again, and gone at the end."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PASSWORD = "s3cret/w@rd"
QUOTED = "s3cret%2Fw%40rd"


def programs() -> Path:
    """The folder of initdb and postgres."""
    found = shutil.which("initdb")
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *([Path(found).resolve().parent] if found else [])]
    return next((folder for folder in sorted(folders, reverse=True) if (folder / "initdb").exists()), Path())


class Server:
    """A server on a free port; `lab` with a password over TCP, without one over its Unix socket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "lab", password: str = QUOTED) -> str:
        return f"postgresql+psycopg://lab:{password}@127.0.0.1:{self.port}/{database}"

    def as_user(self) -> list[str]:
        """postgres does not run as root."""
        user = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []
        return ["setpriv", *user, "--pdeathsig=KILL"]

    def make(self) -> None:
        (self.folder / "password").write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (self.folder, self.folder / "password"):
                shutil.chown(path, "nobody", "nogroup")
        # A language whose order of words is not that of bytes: ids must not be sorted by it.
        subprocess.run(
            [*self.as_user(), programs() / "initdb", "-D", self.folder / "data", "-U", "lab", "-E", "UTF8", "--no-sync",
             "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en", "--auth-local=trust",
             "--auth-host=scram-sha-256", f"--pwfile={self.folder / 'password'}"],
            check=True, capture_output=True, cwd=self.folder,
        )  # fmt: skip
        self.start()
        self.execute("CREATE DATABASE lab", "postgres")

    def start(self) -> None:
        import psycopg

        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.as_user(), programs() / "postgres", "-D", self.folder / "data", "-k", self.folder, "-F",
                 "-p", str(self.port), "-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=16MB"],
                cwd=self.folder, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + 30
        while True:
            try:
                self.execute("SELECT 1", "postgres")
                return
            except psycopg.OperationalError:
                assert self.process.poll() is None and time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.05)

    def execute(self, statement: str, database: str = "lab") -> list[tuple[object, ...]]:
        import psycopg

        where = f"host={self.folder} port={self.port} user=lab dbname={database}"
        with psycopg.connect(where, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def kill(self) -> None:
        """End the server and its processes at once, as a power cut does."""
        assert self.process is not None
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (str(pid), *children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(each), signal.SIGKILL)
        self.process.wait()

    def fresh(self, name: str) -> str:
        """Make an empty database and return its URL."""
        self.execute(f"CREATE DATABASE {name}", "postgres")
        return self.url(name)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    if not (programs() / "initdb").exists() or not shutil.which("setpriv"):
        pytest.skip("no PostgreSQL server here: apt install postgresql")
    pytest.importorskip("psycopg")
    folder = Path(tempfile.mkdtemp(prefix="hilbench-pg-", dir="/tmp"))  # a Unix socket's path is at most 107 bytes
    server = Server(folder)
    try:
        server.make()
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)
