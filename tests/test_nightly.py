"""Nightly benchmarks: the workflow is one that GitHub takes, asks for what exists, and the script beside it runs."""

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from hilbench.cli import cli
from hilbench.pytest_plugin.options import OPTIONS

from . import dense_model
from .conftest import ROOT, made_record
from .dense_model import EXAMPLE, needs_tools

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
NIGHTLY = ROOT / ".github" / "workflows" / "nightly.yml"
SCRIPT = ROOT / "docs" / "examples" / "nightly.sh"
PYTESTS_OWN = {"--junitxml"}


def loaded(path: Path) -> dict[str, Any]:
    document = yaml.safe_load(path.read_text())
    document["on"] = document.pop(True)  # YAML 1.1 takes the word for a truth value
    return document


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in loaded(path)["jobs"].values() for step in job.get("steps", ())]


def scripts() -> dict[str, str]:
    found = {f"{path.name}: {step.get('name', step.get('id'))}": step["run"]
             for path in WORKFLOWS for step in steps(path) if "run" in step}  # fmt: skip
    return found | {"nightly.sh": SCRIPT.read_text()}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_the_workflow_is_valid(path: Path):
    tool = Path(sys.executable).with_name("check-jsonschema")
    if not tool.exists():
        pytest.skip("no check-jsonschema, which has GitHub's schema of workflows")
    done = subprocess.run(
        [tool, "--builtin-schema", "vendor.github-workflows", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", scripts())
def test_shell_steps_are_shell_without_values_pasted_in(name: str):
    text = scripts()[name]
    assert "${{" not in text, "a value in a script is code of whoever gives it: use env"
    shell = "sh" if name == "nightly.sh" else "bash"
    done = subprocess.run([shell, "-n"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def commands(text: str) -> list[list[str]]:
    """The calls of `hilbench` and `pytest` in a script as words, lines that go on joined."""
    text = re.sub(r"^ *#.*$", "", re.sub(r"\\\n", " ", text), flags=re.MULTILINE)
    calls = re.findall(r"(?:^|[;&|{] *|then )\s*((?:hilbench|pytest|set) [^;|&\n]*)", text, flags=re.MULTILINE)
    return [call.split() for call in calls]


@pytest.mark.parametrize("name", scripts())
def test_every_command_and_option_exists(name: str):
    ours = {option.flag for option in OPTIONS} | PYTESTS_OWN
    for words in commands(scripts()[name]):
        options = {match[0] for word in words if (match := re.match(r"--[a-z][a-z-]+|-[a-z]$", word))}
        if words[0] != "hilbench":
            assert options <= ours, words
            continue
        command: click.Command = cli.commands[words[1]]
        if isinstance(command, click.Group):
            command = command.commands[words[2]]
        known = {flag for parameter in command.params for flag in parameter.opts}
        assert options <= known, words


def test_the_scripts_call_what_they_should():
    """So that the test above cannot pass by finding nothing."""
    for text in (SCRIPT.read_text(), "\n".join(step["run"] for step in steps(NIGHTLY) if "run" in step)):
        called = {tuple(words[: 1 + (words[0] == "hilbench")]) for words in commands(text)}
        assert {("pytest",), ("hilbench", "trend"), ("hilbench", "baseline"), ("hilbench", "publish")} <= called


def test_inputs_are_declared_used_and_given():
    document, text = loaded(NIGHTLY), NIGHTLY.read_text()
    declared = set(document["on"]["workflow_call"]["inputs"])
    assert declared == set(re.findall(r"inputs\.([a-z-]+)", text))
    for path in WORKFLOWS:
        for job in loaded(path)["jobs"].values():
            assert set(job.get("with", ())) <= declared


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_rights_are_the_least_and_actions_are_official_and_pinned(path: Path):
    document = loaded(path)
    assert document["permissions"] == {"contents": "read"}
    for job in document["jobs"].values():
        given = job.get("permissions", {})
        assert set(given) <= {"contents", "pages", "id-token"} and given.get("contents", "read") == "read"
    for step in steps(path):
        assert re.fullmatch(r"actions/[a-z-]+(/[a-z]+)?@v\d+", step.get("uses", "actions/none@v1"))
    assert "secrets" not in path.read_text()


def test_the_workflow_installs_what_the_makefile_does():
    (debian,) = re.findall(r"^DEBIAN := (.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert debian in NIGHTLY.read_text()


def nightly(folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(["sh", SCRIPT], cwd=folder, capture_output=True, text=True, check=False,
                          env={**os.environ, "PATH": tools, "SUITES": "dense.hil.yaml", "FRAMEWORKS": "external",
                               "BOARDS": "mps2-an386,mps2-an500", **env})  # fmt: skip


@needs_tools
@pytest.mark.slow
def test_the_script_passes_again_and_fails_for_a_regression(tmp_path: Path):
    dense_model.suite(tmp_path)
    good, slower = tmp_path / "good", tmp_path / "slower"
    shutil.copytree(EXAMPLE, good)
    shutil.copytree(EXAMPLE, slower)
    source, loop = slower / "dense.c", "for (volatile int wait = 0; wait < 100; wait++) {}"
    source.write_text(source.read_text().replace("int hb_model_invoke(void) {", f"int hb_model_invoke(void) {{ {loop}"))
    state = tmp_path / ".hilbench" / "nightly"

    first = nightly(tmp_path, HILBENCH_EXTERNAL=str(good))
    assert first.returncode == 0, first.stdout + first.stderr
    baseline = sorted((state / "baseline").glob("*.json"))
    assert len(baseline) == 2

    again = nightly(tmp_path, HILBENCH_EXTERNAL=str(good), TRUNK="0", SITE="site")
    assert again.returncode == 0, again.stdout + again.stderr
    assert (tmp_path / "site" / "index.html").exists()

    worse = nightly(tmp_path, HILBENCH_EXTERNAL=str(slower))
    assert worse.returncode == 1, worse.stdout + worse.stderr
    assert len(re.findall(r"instructions +▁▁█ .* 3 values, 1 change", worse.stdout)) == 2
    assert sorted((state / "baseline").glob("*.json")) == baseline, "what got worse is no baseline"
    last = max((state / "nights").iterdir(), key=lambda night: night.stat().st_mtime)
    assert [suite.get("failures") for suite in ET.parse(last / "junit.xml").iter("testsuite")] == ["2"]

    accepted = subprocess.run(
        [Path(sys.executable).with_name("hilbench"), "baseline", last / "records", f"--baseline={state / 'baseline'}"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert accepted.returncode == 0, accepted.stderr
    assert nightly(tmp_path, HILBENCH_EXTERNAL=str(slower)).returncode == 0


@needs_tools
@pytest.mark.slow
def test_what_cannot_be_run_at_all_ends_with_more_than_one(tmp_path: Path):
    assert nightly(tmp_path, SUITES="nothing.hil.yaml").returncode > 1


def test_caches_and_artifacts_name_their_caller():
    """Two workflows of one repository, or two calls of one workflow, have a history each."""
    document = loaded(NIGHTLY)
    for step in steps(NIGHTLY):
        given = step.get("with", {})
        for key in ("key", "restore-keys", "pattern", *(["name"] if "artifact" in step.get("uses", "") else [])):
            if key in given:
                assert "${{ env.NAME }}" in given[key], step["name"]
    (plan,) = (step for step in document["jobs"]["plan"]["steps"] if step.get("id") == "plan")
    assert plan["env"]["CALLER"] == "${{ github.workflow }} ${{ inputs.name }}"
    for job in ("bench", "report"):
        assert document["jobs"][job]["env"]["NAME"] == "${{ needs.plan.outputs.name }}"
        assert "plan" in document["jobs"][job]["needs"]


def test_a_callers_name_becomes_one_that_caches_and_artifacts_may_have(tmp_path: Path):
    (script,) = (step["run"] for step in steps(NIGHTLY) if step.get("id") == "plan")
    found = []
    for caller in ("CI: nightly, all ", "CI: nightly; all ", ".github/workflows/x.yml boards", "Ünïcode ", "x" * 300):
        out = tmp_path / "out"
        out.write_text("")
        subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script], check=True,
                       env={**os.environ, "CALLER": caller, "SHARDS": "2", "GITHUB_OUTPUT": str(out)})  # fmt: skip
        outputs = dict(line.split("=", 1) for line in out.read_text().splitlines())
        assert outputs["shards"] == "[1,2]"
        assert re.fullmatch(r"[A-Za-z0-9-]{1,60}", outputs["name"])
        found.append(outputs["name"])
    assert len(set(found)) == len(found)


@pytest.mark.slow
def test_what_creeps_under_what_is_allowed_fails_where_the_whole_history_is_looked_at(tmp_path: Path):
    (tmp_path / "test_it.py").write_text("def test_it(): pass\n")
    store = tmp_path / ".hilbench" / "nightly" / "records"
    store.mkdir(parents=True)
    counted = made_record().metrics["instructions"]
    for day in range(1, 9):
        crept = counted.model_copy(update={"value": round(counted.value * 1.01**day)})
        record = made_record().model_copy(update={
            "id": f"r{day}", "started": f"2026-01-0{day}T00:00:00+00:00",
            "metrics": {**made_record().metrics, "instructions": crept},
        })  # fmt: skip
        (store / f"r{day}.json").write_text(record.to_json())
    env = {"SUITES": "test_it.py", "FRAMEWORKS": "tvm", "BOARDS": "mps2-an386", "FAIL": "instructions:2%"}
    assert nightly(tmp_path, **env).returncode == 0
    failed = nightly(tmp_path, **env, FAIL_SINCE="7")
    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert "error: worse within the last 7 values: instructions of " in failed.stderr
