"""What a user sees when something is wrong: one message, the right exit code, no traceback, nothing left behind."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import DIGITS
from .test_end_to_end import handwritten, impatient
from .tflite_builder import Op, T, model

UNSUPPORTED = model([T((1, 4), 0.1), T((1, 4), 0.1)], [Op("LOGISTIC", [0], [1])], [0], [1])


@dataclass
class Desk:
    """A folder with a copy of the digits suite, a temporary folder and a cache of its own."""

    folder: Path

    @property
    def suite(self) -> Path:
        return self.folder / "digits.hil.yaml"

    def command(self, *options: str) -> list[str]:
        return [sys.executable, "-m", "pytest", str(self.suite), "--board=qemu", f"--rootdir={self.folder}", *options]

    def environment(self, **env: str) -> dict[str, str]:
        return {**os.environ, "TMPDIR": str(self.folder / "tmp"), "HILBENCH_CACHE": str(self.folder / "cache"), **env}

    def run(self, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*options),
            cwd=self.folder,
            env=self.environment(**env),
            capture_output=True,
            text=True,
            check=False,
        )

    def left_behind(self) -> list[str]:
        """Temporary files, half-made images and half-written records."""
        return [
            *(str(path) for path in (self.folder / "tmp").iterdir()),
            *(str(path) for path in (self.folder / "cache").glob("build-*")),
            *(str(path) for path in (self.folder / ".hilbench" / "records").glob(".*")),
            *qemus(str(self.folder)),
        ]


def qemus(word: str) -> list[str]:
    """The command lines of QEMUs that run an image below the folder `word`."""
    lines = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if "qemu-system-arm" in line.partition(" ")[0] and word in line:
            lines.append(line)
    return lines


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    shutil.copytree(DIGITS.parent / "digits", tmp_path / "digits")
    shutil.copy(DIGITS, tmp_path)
    (tmp_path / "tmp").mkdir()
    return Desk(tmp_path)


def assert_told(desk: Desk, done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    output = done.stdout + done.stderr
    assert done.returncode == code, output
    assert all(word in output for word in words), output
    assert "Traceback" not in output
    assert desk.left_behind() == []


def test_a_missing_model(desk: Desk):
    (desk.folder / "digits" / "digits.tflite").unlink()
    assert_told(desk, desk.run("--hil-require"), 1, "error: ", "digits.tflite")


def test_a_model_of_another_hash(desk: Desk):
    path = desk.folder / "digits" / "digits.tflite"
    path.write_bytes(path.read_bytes() + b"\0")
    assert_told(desk, desk.run(), 1, "error: ", "digits.tflite", hashlib.sha256(path.read_bytes()).hexdigest()[:12])


@pytest.mark.parametrize(("options", "code"), [([], 0), (["--hil-require"], 1)])
def test_an_unsupported_operator_is_named_before_anything_is_built(desk: Desk, options: list[str], code: int):
    path = desk.folder / "digits" / "digits.tflite"
    old = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(UNSUPPORTED)
    desk.suite.write_text(desk.suite.read_text().replace(old, hashlib.sha256(UNSUPPORTED).hexdigest()))
    assert_told(desk, desk.run("-rs", *options), code, "operator 0 (LOGISTIC)", "tvm cannot run it")
    assert not (desk.folder / "cache").exists()


def bin_without(folder: Path, *missing: str) -> str:
    """A PATH with the tools of a run but `missing`."""
    tools = folder / "bin"
    tools.mkdir()
    for tool in {"qemu-system-arm", "arm-none-eabi-gcc", "cmake", "ninja", "git"} - set(missing):
        (tools / tool).symlink_to(shutil.which(tool) or "")
    return str(tools)


@pytest.mark.parametrize(
    ("tool", "package"), [("arm-none-eabi-gcc", "gcc-arm-none-eabi"), ("ninja", "ninja-build"), ("cmake", "cmake")]
)
def test_a_missing_toolchain(desk: Desk, tool: str, package: str):
    path = bin_without(desk.folder, tool)
    assert_told(desk, desk.run("-rs", PATH=path), 0, f"{tool} must be on the PATH", f"apt install {package}")
    assert_told(desk, desk.run("--hil-require", PATH=path), 1, f"error: to build an image, {tool}")


def test_a_missing_qemu(desk: Desk):
    path = bin_without(desk.folder, "qemu-system-arm")
    assert_told(desk, desk.run("-rs", PATH=path), 0, "qemu-system-arm", "apt install qemu-system-arm")
    assert_told(desk, desk.run("--hil-require", PATH=path), 1, "error: ", "apt install qemu-system-arm")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("for (volatile int i = 1; i; ) { }", ["hang", "hb_model_invoke at", "model.c:"]),
        ('__asm volatile("udf #1");', ["fault: UsageFault: UNDEFINSTR", "hb_model_invoke at", "model.c:"]),
        ("volatile int8_t z[64]; z[y[0] & 63] = 1; return z[1] + hb_model_invoke() + z[2];", ["stack overflow"]),
        ("y[0]++;", ["sample 0", "different outputs"]),
        ("static int n; if (n++ % 20 == 0) memcpy(y, x, sizeof y);", ["sample 0", "different outputs"]),
        ("memcpy(y, x, sizeof y - 1);", ["sample 0", "different outputs"]),
        ("return 1;", ["sample 0"]),
    ],
    ids=[
        "hangs",
        "faults",
        "overflows its stack",
        "gives changing outputs",
        "skips its work",
        "leaves some output unwritten",
        "fails",
    ],
)
def test_firmware_that_is_broken(desk: Desk, body: str, words: list[str], tmp_path_factory: pytest.TempPathFactory):
    firmware = tmp_path_factory.mktemp("firmware")
    handwritten(firmware, body)
    desk.suite.unlink()
    shutil.rmtree(desk.folder / "digits")
    impatient(desk.folder)
    assert_told(desk, desk.run("--framework=tvm", f"--hil-firmware={firmware}"), 1, "error: ", *words)


def test_a_full_disk_while_the_record_is_written(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory, image_cache: Path
):
    code = "import resource, signal, sys, pytest; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
    code += "from hilbench.records.directory import DirectoryStore as D; put = D.put\n"
    code += "def full(*a):\n    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, -1)); return put(*a)\n"
    code += "D.put = full; sys.exit(pytest.main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, *desk.command("--hil-samples=20", "-p", "no:cacheprovider")[3:]],
        cwd=desk.folder, env=desk.environment(HILBENCH_CACHE=str(image_cache)), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    words = ["error: ", "the record could not be written: File too large", "--hil-store", "digits on mps2-an386"]
    assert_told(desk, done, 1, *words)
    assert list((desk.folder / ".hilbench" / "records").iterdir()) == []


def interrupted(desk: Desk, how: int, to_group: bool) -> tuple[int, str]:
    """Start a long run, end it once QEMU is up, and return exit code and output."""
    process = subprocess.Popen(
        desk.command("--framework=tvm"), cwd=desk.folder, env=desk.environment(), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job ignores it
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not qemus(str(desk.folder)):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.3)
    (os.killpg if to_group else os.kill)(process.pid, how)
    output = process.communicate(timeout=30)[0]
    time.sleep(0.2)
    return process.returncode, output


def test_ctrl_c_in_mid_run_leaves_no_qemu(desk: Desk):
    code, output = interrupted(desk, signal.SIGINT, to_group=True)
    assert code == pytest.ExitCode.INTERRUPTED, output
    assert "KeyboardInterrupt" in output
    assert desk.left_behind() == []


def test_a_killed_run_leaves_no_qemu(desk: Desk):
    code, _ = interrupted(desk, signal.SIGKILL, to_group=False)
    assert code == -signal.SIGKILL
    assert qemus(str(desk.folder)) == []
