"""Host images: a child process that serves a model, and what is said of it when it dies."""

import json
import os
import signal
import textwrap
import time

import pytest

from hilbench import catalog
from hilbench.errors import LinkClosed, LinkTimeout, ModelError
from hilbench.frameworks.base import Emitted
from hilbench.images import host as host_image
from hilbench.link.client import Client
from hilbench.targets.host import Host, HostSettings

BUILD_ID = "0123456789abcdef" * 2

PROGRAM = """
    import ctypes, os, sys, time
    from pathlib import Path

    class Model:
        input_bytes = 4
        output_bytes = 8
        arena_bytes = 0

        def __init__(self, key):
            self.key = key

        def set_input(self, data):
            self.data = data

        def invoke(self):
            if self.data == b"exit":
                print("out of cheese", file=sys.stderr, flush=True)
                os._exit(3)
            if self.data == b"segv":
                ctypes.string_at(0)  # reads address 0
            if self.data == b"hang":
                time.sleep(60)

        def get_output(self):
            return self.data + self.key

    def load(folder: Path):
        key = (folder / "key.bin").read_bytes()
        if key == b"lost":
            raise FileNotFoundError("no key today")
        print("printed by the model, not part of the link", flush=True)
        return Model(key)
"""


@pytest.fixture
def image(tmp_path, monkeypatch):
    """Return a function that makes an image whose model appends `key` to its input."""
    (tmp_path / "hil_test_program.py").write_text(textwrap.dedent(PROGRAM))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))

    def make(key=b"+key"):
        data = tmp_path / "key.bin"
        data.write_bytes(key)
        emitted = Emitted((), (), program="hil_test_program", data=(data,))
        return host_image.pack(emitted, json.dumps({"build_id": BUILD_ID}).encode(), tmp_path)

    return make


def run(image):
    return Host().run(image, catalog.board("host"), HostSettings())


def connect(running, timeout_s=20):
    client = Client(running.stream, timeout_s)
    client.hello(30)
    client.require(BUILD_ID)
    return client


def outputs(client, *inputs):
    return [inference.output for inference in client.infer(inputs)]


def test_an_image_runs_with_its_data_and_says_who_it_is(image):
    with run(image()) as running:
        client = connect(running)
        assert outputs(client, b"abcd", b"efgh") == [b"abcd+key", b"efgh+key"]
        assert json.loads(client.manifest()) == {"build_id": BUILD_ID}
        assert running.crash() is None


def test_nothing_is_left_running(image):
    with run(image()) as running:
        connect(running)
        pid = running._child.pid
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_process_that_leaves_is_reported_with_its_last_words(image):
    with run(image()) as running:
        client = connect(running)
        with pytest.raises(LinkClosed):
            outputs(client, b"exit")
        report = running.crash()
    assert report.kind == "exit"
    assert "exit code 3" in report.reason
    assert "out of cheese" in report.log


def test_a_process_that_is_killed_is_reported_with_the_signal(image):
    with run(image()) as running:
        client = connect(running)
        with pytest.raises(LinkClosed):
            outputs(client, b"segv")
        assert signal.SIGSEGV.name in running.crash().reason


def test_a_model_that_does_not_load_is_reported_before_any_time_out(image):
    start = time.monotonic()
    with run(image(b"lost")) as running:
        with pytest.raises(LinkClosed):
            Client(running.stream, 60).hello(60)
        assert "no key today" in running.crash().log
    assert time.monotonic() - start < 30


def test_reset_starts_a_hanging_process_again_on_the_same_stream(image):
    with run(image()) as running:
        client = connect(running, timeout_s=0.3)
        with pytest.raises(LinkTimeout):
            outputs(client, b"hang")
        assert running.crash() is None
        running.reset()
        assert outputs(connect(running), b"abcd") == [b"abcd+key"]


def test_a_reset_over_the_link_starts_the_image_again(image):
    with run(image()) as running:
        client = connect(running)
        assert outputs(client, b"abcd", b"abcd")
        client.reset()
        client = connect(running)
        (inference,) = client.infer([b"abcd"])
        assert inference.invocation == 0


def test_a_file_that_is_no_image_is_refused(tmp_path):
    wrong = tmp_path / "wrong.pyz"
    wrong.write_bytes(b"not a zip")
    with pytest.raises(ModelError, match="not a host image"), run(wrong):
        pass


def test_only_this_computer_is_a_host():
    assert Host().available(catalog.board("host"), HostSettings()).ok
    other = Host().available(catalog.board("mps2-an386"), HostSettings())
    assert not other.ok
    assert "Cortex-M4F" in other.reason
