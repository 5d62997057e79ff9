"""The pytest plug-in: options, ids, skips, messages and exit codes, in a pytest of its own."""

import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from hilbench.records.directory import DirectoryStore
from hilbench.records.store import select

from .conftest import DIGITS

HOST = ("--board=host", "--hil-samples=12")


@pytest.fixture
def suite(pytester: pytest.Pytester) -> Path:
    """A copy of the digits suite in a folder of its own, to be changed at will."""
    folder = pytester.path / "suites"
    (folder / "digits").mkdir(parents=True)
    for name in ("digits.tflite", "inputs.npy", "labels.npy"):
        (folder / "digits" / name).write_bytes((DIGITS.parent / "digits" / name).read_bytes())
    (folder / "digits.hil.yaml").write_text(DIGITS.read_text())
    return folder / "digits.hil.yaml"


def test_a_run_on_the_host_prints_a_table_and_keeps_a_record(pytester: pytest.Pytester, suite: Path):
    result = pytester.runpytest_subprocess(suite, *HOST, "-v", "--junitxml=junit.xml")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["*digits.hil.yaml::digits[[]host-tflm[]] PASSED*", "digits on host *first 12 of 500 samples", "*1 record in *"]
    )
    (record,) = select(DirectoryStore(pytester.path / ".hilbench" / "records"))
    assert record.metrics["fidelity"].value == 1.0
    assert record.metrics["latency"].basis == "host"
    assert record.dataset.samples == 12
    assert record.samples.labels == tuple(np.load(suite.parent / "digits" / "labels.npy")[:12].tolist())
    properties = {
        p.get("name"): p.get("value") for p in ET.parse(pytester.path / "junit.xml").getroot().iter("property")
    }
    assert properties["digits[host-tflm].fidelity"] == "1.0 share (counted)"
    assert Path(properties["digits[host-tflm].record"]).exists()


def test_a_failed_expectation_fails_with_one_short_message(pytester: pytest.Pytester, suite: Path):
    suite.write_text(suite.read_text().replace("min: 0.97", "min: 1.01"))
    result = pytester.runpytest_subprocess(suite, "--board=host")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["error: digits[[]host-tflm[]]: accuracy is 0.988 (counted), expected at least 1.01"])
    assert "Traceback" not in result.stdout.str()
    assert list(select(DirectoryStore(pytester.path / ".hilbench" / "records"))), "what was measured is kept"


def test_a_bar_for_accuracy_means_all_samples_and_is_not_held_against_some(pytester: pytest.Pytester, suite: Path):
    suite.write_text(suite.read_text().replace("accuracy: {min: 0.97}", "accuracy: {min: 1.01}"))
    result = pytester.runpytest_subprocess(suite, *HOST)
    result.assert_outcomes(passed=1)
    (kept,) = select(DirectoryStore(pytester.path / ".hilbench" / "records"))
    assert set(kept.bars) == {"fidelity"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--board=mps2-an836"], "there is no board 'mps2-an836'*"),
        (["--board=nothing-like-it"], "there is no board 'nothing-like-it'*"),
        (["--board=host@qemu"], "the board 'host' has no target 'qemu'*"),
        (["--board=host", "--framework=tlfm"], "there is no framework 'tlfm'*"),
        (["--board=host", "--hil-samples=0"], "hil-samples is 0: a whole number of at least 1 is needed"),
        (["--board=host", "--hil-models=nowhere"], "'*nowhere' is not a folder"),
        (["--board=host", "--hil-firmware=nowhere"], "--hil-firmware: '*nowhere' is not a folder"),
        (["--hil-samples=0"], "hil-samples is 0: *"),
        (["--hil-models=nowhere"], "'*nowhere' is not a folder"),
        (["--board=host", "--hil-store=nothing:x.db"], "there is no store 'nothing'*"),
    ],
)
def test_a_wrong_option_is_one_message_and_exit_code_4(
    pytester: pytest.Pytester, suite: Path, options: list[str], message: str
):
    result = pytester.runpytest_subprocess(suite, *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{message}"])
    assert "Traceback" not in result.stderr.str() + result.stdout.str()


def test_a_near_miss_names_the_board_that_was_meant(pytester: pytest.Pytester, suite: Path):
    result = pytester.runpytest_subprocess(suite, "--board=mps2-an368")
    result.stderr.fnmatch_lines(["*did you mean 'mps2-an386'?"])


def test_a_typo_in_a_suite_is_told_with_its_line(pytester: pytest.Pytester, suite: Path):
    lines = suite.read_text().splitlines()
    number = next(i for i, line in enumerate(lines, 1) if line.strip().startswith("accuracy:"))
    lines[number - 1] = lines[number - 1].replace("accuracy:", "acuracy:")
    suite.write_text("\n".join(lines))
    result = pytester.runpytest_subprocess(suite, *HOST)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines([f"*digits.hil.yaml:{number}:*unknown key 'acuracy'*", "*did you mean 'accuracy'?"])
    assert "Traceback" not in result.stdout.str()


def test_a_model_that_is_not_the_one_named_is_refused(pytester: pytest.Pytester, suite: Path):
    model = suite.parent / "digits" / "digits.tflite"
    model.write_bytes(model.read_bytes()[:-1] + b"\x55")
    result = pytester.runpytest_subprocess(suite, *HOST)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["error: *digits.tflite*"])
    assert "Traceback" not in result.stdout.str()


def test_without_a_board_tasks_are_skipped_and_say_what_to_type(pytester: pytest.Pytester, suite: Path):
    result = pytester.runpytest_subprocess(suite, "-rs")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["SKIPPED*digits.hil.yaml:1: no board chosen: --board=qemu*"])
    result = pytester.runpytest_subprocess(suite, "--hil-require")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["error: no board chosen*"])


def test_what_cannot_run_here_is_a_skip_and_with_require_a_failure(pytester: pytest.Pytester, suite: Path):
    options = [suite, "--board=qemu", "--framework=tflm", "-rs"]
    result = pytester.runpytest_subprocess(*options)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["not run: tflm on mps2-an386 (digits): *"])
    result = pytester.runpytest_subprocess(*options, "--hil-require")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["error: *tflm*"])
    assert "Traceback" not in result.stdout.str()


def test_boards_frameworks_and_samples_come_from_the_ini_file_too(pytester: pytest.Pytester, suite: Path):
    pytester.makeini("[pytest]\nhil_board = host, host\nhil_framework = tflm\nhil_samples = 11\nhil_store = kept\n")
    result = pytester.runpytest_subprocess(suite)
    assert result.ret == 0
    (record,) = select(DirectoryStore(pytester.path / "kept"))
    assert record.dataset.samples == 11


def test_a_python_test_runs_a_benchmark_through_the_fixture(pytester: pytest.Pytester, suite: Path):
    path = pytester.makepyfile(
        f"""
        def test_it(hil_bench):
            record = hil_bench({str(suite)!r}, board="host", samples=11)
            assert record.metrics["accuracy"].value > 0.5
        def test_unknown(hil_bench):
            hil_bench({str(suite)!r}, "nothing", board="host")
        """
    )
    result = pytester.runpytest_subprocess(path)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*has no task 'nothing'*", "digits on host*"])


def test_xdist_workers_share_the_table(pytester: pytest.Pytester, suite: Path):
    result = pytester.runpytest_subprocess(suite, *HOST, "-n", "2", "-p", "xdist")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["digits on host*", "*1 record in*"])


def test_a_store_that_cannot_be_is_refused_before_anything_runs(pytester: pytest.Pytester, suite: Path):
    (pytester.path / "file").write_text("in the way")
    result = pytester.runpytest_subprocess(suite, *HOST, "--hil-store=file")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *file: this is no folder, and records are kept in one"])


def test_a_record_that_cannot_be_stored_is_still_shown(pytester: pytest.Pytester, suite: Path):
    pytester.makeconftest(
        """
        import shutil
        from pathlib import Path
        def pytest_runtest_setup(item):
            shutil.rmtree("kept", ignore_errors=True)
            Path("kept").write_text("in the way")
        """
    )
    result = pytester.runpytest_subprocess(suite, *HOST, "--hil-store=kept")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["error: *the record could not be written*", "digits on host*"])
    assert "record in" not in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


def test_a_run_that_uses_nothing_of_ours_imports_nothing_of_ours(pytester: pytest.Pytester):
    pytester.makepyfile(
        """
        import sys
        def test_it():
            ours = sorted(name for name in sys.modules if name.startswith("hilbench"))
            assert ours == ["hilbench", "hilbench.places", "hilbench.pytest_plugin", "hilbench.pytest_plugin.options"]
            assert not {"numpy", "pydantic", "yaml", "rich"} & set(sys.modules)
        """
    )
    pytester.runpytest_subprocess("-p", "no:labgrid").assert_outcomes(passed=1)


def test_records_are_json_that_other_programs_can_read(pytester: pytest.Pytester, suite: Path):
    pytester.runpytest_subprocess(suite, *HOST)
    (path,) = (pytester.path / ".hilbench" / "records").iterdir()
    document = json.loads(path.read_text())
    assert document["schema"] == "hilbench.record/2"
    assert {metric["basis"] for metric in document["metrics"].values()} <= {"counted", "host"}


def test_a_test_that_compares_two_runs_shows_and_keeps_both(pytester: pytest.Pytester, suite: Path):
    path = pytester.makepyfile(
        f"""
        def test_it(hil_bench):
            few = hil_bench({str(suite)!r}, board="host", samples=11)
            more = hil_bench({str(suite)!r}, board="host", samples=12)
            assert few.dataset.samples < more.dataset.samples
        """
    )
    result = pytester.runpytest_subprocess(path)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["digits on host*first 11 of 500 samples", "digits on host*first 12 of 500 samples", "2 records in *"]
    )


def test_an_expected_metric_that_is_not_there_warns_and_with_require_fails(pytester: pytest.Pytester, suite: Path):
    suite.write_text(suite.read_text().replace("      fidelity: {min: 1.0}", "      cycles: {max: 1}"))
    result = pytester.runpytest_subprocess(suite, *HOST)
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*cycles was expected but is not available: host on host does not give it"])
    result = pytester.runpytest_subprocess(suite, *HOST, "--hil-require")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["error: digits[[]host-tflm[]]: cycles was expected but is not available*"])


def test_a_suite_in_no_commit_is_dirty(pytester: pytest.Pytester, suite: Path):
    def git(*arguments: str) -> None:
        pytester.run("git", "-c", "user.name=n", "-c", "user.email=e", *arguments)

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "empty")
    pytester.runpytest_subprocess(suite, *HOST)
    git("add", "suites")
    git("commit", "-q", "-m", "suites")
    pytester.runpytest_subprocess(suite, *HOST)
    records = select(DirectoryStore(pytester.path / ".hilbench" / "records"))
    assert [record.source["dirty"] for record in records] == ["yes", "no"]


def test_a_place_in_the_ini_file_is_relative_to_that_file(pytester: pytest.Pytester, suite: Path):
    pytester.makeini("[pytest]\nhil_store = kept\nhil_board = host, host\nhil_samples = 11\n")
    below = pytester.mkdir("below")
    pytester.run("sh", "-c", f"cd {below} && {sys.executable} -m pytest {suite}")
    assert len(list(select(DirectoryStore(pytester.path / "kept")))) == 1


def test_a_plugin_that_does_not_import_is_told(pytester: pytest.Pytester, suite: Path, monkeypatch: pytest.MonkeyPatch):
    info = pytester.mkdir("broken-1.0.dist-info")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[hilbench.frameworks]\nbad = no_such_module:Bad\n")
    monkeypatch.setenv("PYTHONPATH", str(pytester.path))
    result = pytester.runpytest_subprocess(suite, "--board=host", "--framework=bad")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*the framework 'bad' does not import: No module named 'no_such_module'"])


def test_output_that_cannot_show_every_character_is_no_reason_to_fail(
    pytester: pytest.Pytester, suite: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    result = pytester.runpytest_subprocess(suite, *HOST)
    assert result.ret == 0
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    result.stdout.fnmatch_lines(["digits on host*", "*1 record in*"])
