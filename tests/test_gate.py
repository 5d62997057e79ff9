"""The gate: a seeded regression fails with one line that says all, and a clean run never does."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from hilbench import bench, catalog
from hilbench.plan import Plan
from hilbench.pytest_plugin.gate import gate
from hilbench.records.compare import compare
from hilbench.records.directory import DirectoryStore
from hilbench.records.record import Record
from hilbench.records.store import select
from hilbench.records.thresholds import Thresholds, parse

from .conftest import DIGITS, made_record
from .dense_model import needs_tools
from .gated import Code, hilbench, run, suite

ROW = "dense on mps2-an386 with external"
SLOWER, LARGER, WRONG = Code(turns=202), Code(ballast=128), Code(last_bias=-300)


# ---- on an emulated board, with real builds


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the suite and the baseline of a run of it."""
    folder = tmp_path_factory.mktemp("gated")
    suite(folder)
    first = run(folder, Code(), "--hil-compare=baseline")
    assert first.returncode == 0, first.stdout
    assert "there is no baseline yet" in first.stdout, "the first night is told, and no failure"
    assert hilbench(folder, "baseline").returncode == 0
    return folder


@needs_tools
@pytest.mark.parametrize(
    ("code", "told"),
    [
        (SLOWER, r"instructions 2,\d{3} -> 2,\d{3} \(\+0\.\d %, allowed 0\), latency too, first_latency too"),
        pytest.param(LARGER, r"ram \d+ B -> \d+ B \(\+[\d.]+ %, allowed 0\)", marks=pytest.mark.slow),
        pytest.param(
            WRONG,
            r"accuracy 97\.50 % -> 85\.00 % \(-12\.50 pt, allowed 0\), fidelity too, fidelity_lsb too",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["a kernel 1 % slower", "64 bytes more of RAM", "a class less accurate"],
)
def test_a_seeded_regression_fails_with_one_line(baseline: Path, tmp_path: Path, code: Code, told: str):
    done = run(baseline, code, "--hil-compare=baseline", f"--hil-store={tmp_path}", f"--junitxml={tmp_path}/junit.xml")
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith(("WORSE", "error:"))]
    assert re.fullmatch(f"error: WORSE {ROW}: {told}", line), line
    (failure,) = ET.parse(tmp_path / "junit.xml").getroot().iter("failure")
    assert line in (failure.text or "")
    assert "Traceback" not in done.stdout + done.stderr
    again = hilbench(baseline, "compare", "baseline", str(tmp_path))
    assert again.returncode == 1
    assert [one for one in again.stdout.splitlines() if one.startswith("WORSE")] == [line.removeprefix("error: ")]


@needs_tools
@pytest.mark.slow
def test_what_is_allowed_does_not_fail(baseline: Path, tmp_path: Path):
    (baseline / "dense.hil.yaml").rename(tmp_path / "dense.hil.yaml")
    suite(baseline, "    fail: {instructions: 2%}\n")
    store = f"--hil-store={tmp_path}/records"
    try:
        by_the_suite = run(baseline, SLOWER, "--hil-compare=baseline", store)
        by_option = run(baseline, SLOWER, "--hil-compare=baseline", "--hil-fail=instructions:5,gone", store)
    finally:
        (tmp_path / "dense.hil.yaml").replace(baseline / "dense.hil.yaml")
    assert by_the_suite.returncode == 0
    assert "worse within what is allowed" in by_the_suite.stdout
    assert by_option.returncode == 1
    assert "allowed 5)" in by_option.stdout


@needs_tools
def test_a_clean_rerun_on_an_emulated_board_is_the_same(baseline: Path, tmp_path: Path):
    done = run(baseline, Code(), "--hil-compare=baseline", "--hil-fail=default,gone,new", f"--hil-store={tmp_path}")
    assert done.returncode == 0
    assert "1 row compared: 1 the same" in done.stdout


@needs_tools
@pytest.mark.slow
def test_a_hundred_clean_reruns_on_an_emulated_board_never_fail():
    plan = Plan(DIGITS, "digits", catalog.board("mps2-an386"), "qemu", "tvm", samples=10)
    before = bench.run(plan)
    for _ in range(100):
        comparison = compare([before], [bench.run(plan)], Thresholds())
        assert comparison.failures == []
        assert {difference.verdict for difference in comparison.pairs[0].differences} == {"same"}


# ---- in pytest, on this computer


HOST = ("--board=host", "--hil-samples=10", "-p", "no:cacheprovider")


@pytest.fixture(scope="module")
def on_host() -> Record:
    """The record of a run on this computer."""
    return bench.run(Plan(DIGITS, "digits", catalog.board("host"), "host", "tflm", samples=10))


def held_to(pytester: pytest.Pytester, record: Record, **values: float) -> None:
    """Make `record` the baseline, with other values of metrics."""
    metrics = {name: record.metrics[name].model_copy(update={"value": value}) for name, value in values.items()}
    changed = record.model_copy(update={"metrics": {**record.metrics, **metrics}})
    DirectoryStore(pytester.path / ".hilbench/baseline").put(changed)


def test_latest_is_what_was_newest_before_this_run(pytester: pytest.Pytester, on_host: Record):
    store = DirectoryStore(pytester.path / ".hilbench/records")
    store.put(on_host)
    result = pytester.runpytest_subprocess(DIGITS, *HOST, "--hil-compare=latest", "--hil-fail=first_latency:2%")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["compared with latest", "  first_latency*untested *2%", "1 row compared: *"])
    result.stdout.fnmatch_lines(["*UNTESTED digits on host with tflm: first_latency *allowed 2%): one observation"])
    assert len(list(select(store))) == 2


def test_what_is_gone_fails_the_session_where_that_is_asked(pytester: pytest.Pytester, on_host: Record):
    held_to(pytester, on_host.model_copy(update={"task": "another"}))
    asked = pytester.runpytest_subprocess(DIGITS, *HOST, "--hil-compare=baseline", "--hil-fail=gone")
    assert asked.ret == 1
    asked.stdout.fnmatch_lines(["  gone: only before*", "GONE another on host with tflm"])


def test_a_test_with_the_fixture_is_held_to_earlier_runs_too(pytester: pytest.Pytester, on_host: Record):
    held_to(pytester, on_host, accuracy=1.1)
    pytester.makepyfile(f"def test_it(hil_bench):\n    hil_bench({str(DIGITS)!r}, samples=10)\n")
    result = pytester.runpytest_subprocess(*HOST, "--hil-compare=baseline")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["WORSE digits on host with tflm: accuracy 110.00 % -> *"])
    assert "Traceback" not in result.stdout.str()


@pytest.mark.slow
def test_workers_of_xdist_judge_as_one_process_does(pytester: pytest.Pytester, on_host: Record):
    held_to(pytester, on_host, accuracy=1.1)
    result = pytester.runpytest_subprocess(DIGITS, *HOST, "--hil-compare=baseline", "-n2")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["error: WORSE digits on host with tflm: accuracy *", "1 row compared: 1 failed"])


def test_a_word_on_the_command_line_leaves_the_thresholds_of_the_ini_file_as_they_are(pytester: pytest.Pytester):
    pytester.makeini("[pytest]\nhil_fail = latency:2%, flash:512\nhil_compare = latest\n")
    held = gate(pytester.parseconfig("--hil-fail=gone"))
    assert held is not None and held.thresholds == parse(["latency:2%,flash:512,gone"])


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("branch:mian", "*there is no record of the branch 'mian'*"),
        ("baseline", "*x.json: *the document: Invalid JSON*"),
    ],
)
def test_what_would_leave_the_gate_open_is_an_error_before_anything_runs(
    pytester: pytest.Pytester, ref: str, message: str
):
    store = DirectoryStore(pytester.path / ".hilbench/records")
    store.put(made_record().model_copy(update={"source": {"branch": "main"}}))
    (pytester.path / ".hilbench/baseline").mkdir()
    (pytester.path / ".hilbench/baseline/x.json").write_text('{"schema": "hilbench.rec')
    result = pytester.runpytest_inprocess(DIGITS, *HOST, f"--hil-compare={ref}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])
    assert len(list(select(store))) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hil-compare=latst"], "'latst' is no file*"),
        (["--hil-compare=brunch:main"], "there is no store 'brunch'*"),
        (["--hil-compare=latest", "--hil-fail=latncy:2%"], "there is no metric 'latncy'*"),
        (["--hil-compare=latest", "--hil-fail=latency:2mss"], "latency: *no unit 'mss'*"),
        (["--hil-fail=latency:2%"], "--hil-fail says when to fail, but nothing is compared"),
    ],
)
def test_a_wrong_option_is_one_message_before_anything_runs(
    pytester: pytest.Pytester, options: list[str], message: str
):
    result = pytester.runpytest_inprocess(DIGITS, *HOST, *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{message}"])
    assert not (pytester.path / ".hilbench").exists()
