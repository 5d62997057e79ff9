"""Running a record again, and the commands: the same on an emulator, refused on silicon, and what differs is listed."""

import io
import json
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from hilbench import catalog, rerun, resources
from hilbench.cli import main
from hilbench.errors import Unavailable
from hilbench.measure.metric import Metric
from hilbench.records.directory import DirectoryStore
from hilbench.records.evidence import Evidence
from hilbench.records.record import Record

from .generated_records import generated
from .real_records import RUNS, real, suite_file


def evidence(name: str) -> Evidence:
    return Evidence(catalog.suites([suite_file(RUNS[name][0])]))


def verify(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `hilbench` in this process."""
    out, err, argv = io.StringIO(), io.StringIO(), ["hilbench", *map(str, arguments)]
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", argv)
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
    return subprocess.CompletedProcess(argv, code, out.getvalue(), err.getvalue())


@pytest.mark.parametrize("name", ["anomaly", "host", "nano33"])
def test_an_emulator_does_all_of_it_again(name: str):
    checks = rerun.rerun(real(name), evidence(name))
    assert {one.state for one in checks} == {"ok"}, [one for one in checks if one.state != "ok"]
    names = {one.name for one in checks}
    assert {"rerun: image", "rerun: outputs", "rerun: accuracy", "rerun: fidelity"} <= names
    assert ("rerun: times" in names) == ("rerun: latency" in names) == (name != "host"), "a clock never repeats"
    assert ("rerun: flash" in names) == (name != "host")


def test_what_differs_is_listed_with_both_numbers():
    before = real("anomaly")
    metrics = {**before.metrics, "flash": Metric(value=1, unit="B", basis="counted")}
    times = ((*before.samples.times[0][:2], (73, 12345, 73)), *before.samples.times[1:])
    samples = before.samples.model_copy(update={"times": times, "outputs": "AAAA"})
    forged = before.model_copy(update={"metrics": metrics, "samples": samples})
    failed = {one.name: one.detail for one in rerun.compared(forged, before) if one.state == "failed"}
    assert failed.keys() == {"rerun: flash", "rerun: times", "rerun: outputs"}
    assert failed["rerun: flash"] == f"1.0 B (counted) before, {before.metrics['flash'].value} B (counted) now"
    assert failed["rerun: times"].startswith("instructions of timed sample 0: ((73, ")


def test_another_version_is_said_first_and_explains_another_image():
    before = real("anomaly")
    image = before.image.model_copy(update={"sha256": "0" * 64, "build_id": "1" * 32})
    target = before.target.model_copy(update={"version": "6.0"})
    versions, found, *_ = rerun.compared(before.model_copy(update={"image": image, "target": target}), before)
    assert (versions.name, versions.state) == ("rerun: versions", "unknown")
    assert versions.detail == f"qemu was 6.0, now {before.target.version}"
    assert (found.name, found.state) == ("rerun: image", "unknown")
    assert "it is another image: other versions" in found.detail
    image = before.image.model_copy(update={"sha256": "0" * 64})
    (found, *_) = rerun.compared(before.model_copy(update={"image": image}), before)
    assert found.state == "failed", "one build id, one image"


def test_silicon_is_refused_with_the_reason():
    silicon = next(record for record in generated(40) if record.target.silicon)
    with pytest.raises(Unavailable, match="no other run has the same times"):
        rerun.plan_of(silicon, Evidence())
    (refused,) = rerun.rerun(silicon, Evidence())
    assert (refused.name, refused.state) == ("rerun", "unknown")


def test_a_record_whose_suite_is_not_here_is_refused_with_the_reason():
    with pytest.raises(Unavailable, match="its model and data are in no suite here"):
        rerun.plan_of(real("anomaly"), Evidence(catalog.suites([resources.SUITES / "digits.hil.yaml"])))


# ---- the commands


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    for record in generated(3):
        DirectoryStore(folder).put(record)
    return folder


def damaged(record: Record, folder: Path) -> Path:
    metrics = {**record.metrics, "accuracy": record.metrics["accuracy"].model_copy(update={"value": 1.0})}
    return Path(DirectoryStore(folder).put(record.model_copy(update={"metrics": metrics})))


def test_a_line_a_record_and_no_more_where_all_holds(store: Path):
    done = verify("verify", store)
    assert (done.returncode, done.stderr) == (0, "")
    ids = sorted(path.stem for path in store.glob("*.json"))
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [["✓", one] for one in ids]


def test_a_record_is_a_file_a_folder_or_an_id(store: Path):
    path = next(iter(sorted(store.glob("*.json"))))
    by_file, by_id = verify("verify", path), verify("verify", path.stem, "--store", store)
    assert by_file.stdout == by_id.stdout != ""
    done = verify("verify", "nothing", "--store", store)
    assert done.returncode == 4
    assert "'nothing' is no file, folder or store, and no record's id" in done.stderr


def test_a_false_claim_ends_with_1_and_says_which(store: Path, tmp_path: Path):
    (record,) = generated(1)
    path = damaged(record, tmp_path)
    done = verify("verify", store, path)
    assert done.returncode == 1
    value = record.metrics["accuracy"].value
    assert f"✗ accuracy: value is claimed to be 1.0, and its samples give {value}" in done.stdout
    (row,) = json.loads(verify("verify", path, "--json").stdout)
    assert (row["record"], row["state"]) == (record.id, "failed")
    assert "accuracy" in [one["name"] for one in row["checks"] if one["state"] == "failed"]


def test_a_broken_seal_ends_with_1_and_what_is_no_text_with_4(tmp_path: Path):
    (record,) = generated(1)
    path = Path(DirectoryStore(tmp_path).put(record))
    path.write_text(path.read_text().replace("duration_s", "duration_S"))
    done = verify("verify", path)
    assert done.returncode == 1
    assert "its seal is broken" in done.stdout
    path.write_bytes(b"\xff\xfe")
    assert verify("verify", path).returncode == 4


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen")
def test_signing_and_asking_for_it(store: Path, tmp_path: Path):
    folder, key = tmp_path / "store", tmp_path / "key"
    shutil.copytree(store, folder)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key], check=True)
    signers = tmp_path / "signers"
    signers.write_text(f"bob@example.org {key.with_suffix('.pub').read_text()}")
    assert "✗ signature: there is no signature" in verify("verify", folder, "--signers", signers).stdout
    assert verify("sign", folder, "--key", key).returncode == 0
    done = verify("verify", folder, "--signers", signers)
    assert done.returncode == 0
    assert done.stdout.count("signed by bob@example.org") == 3


@pytest.mark.slow
def test_the_command_runs_it_again(tmp_path: Path):
    DirectoryStore(tmp_path).put(real("anomaly"))
    done = verify("verify", tmp_path, "--rerun", "--suite", suite_file("vibration"))
    assert done.returncode == 0, done.stdout
    plain = verify("verify", tmp_path)
    assert int(done.stdout.split()[2]) > int(plain.stdout.split()[2])
