"""The house rules that a program can hold: linters, import weight, and layers."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT, run_python

ROOMS = ("catalog", "frameworks", "images", "targets", "link", "measure", "meters", "records", "reports")


def tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


@pytest.mark.parametrize("arguments", [["check"], ["format", "--check"]])
def test_ruff(arguments: list[str]):
    done = subprocess.run([tool("ruff"), *arguments, "."], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_mypy_strict():
    done = subprocess.run([tool("mypy")], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_clang_format():
    files = [
        str(path)
        for folder in ("firmware", "tests")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in (".c", ".h", ".cc")
    ]
    done = subprocess.run(
        [tool("clang-format"), "--dry-run", "--Werror", *files], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_importing_hilbench_is_light():
    code = "import sys, hilbench, hilbench.bench; print(*sys.modules)"
    loaded = set(run_python(code).stdout.split())
    assert "hilbench.bench" in loaded
    assert not {"tensorflow", "tvm", "pyocd", "tflite_micro", "tflite"} & loaded


def rooms_imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    modules = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules += [f"{node.module}.{alias.name}" for alias in node.names]
    return {module.split(".")[1] for module in modules if module.startswith("hilbench.")}


def test_an_import_never_runs_upward():
    upward = [
        f"{path.relative_to(ROOT)} imports {room}"
        for index, name in enumerate(ROOMS)
        for path in (ROOT / "hilbench" / name).rglob("*.py")
        for room in rooms_imported(path) & {*ROOMS[index + 1 :], "bench", "selection", "export", "pytest_plugin", "cli"}
    ]
    assert upward == []


def test_modules_and_functions_stay_short():
    long = []
    for path in (ROOT / "hilbench").rglob("*.py"):
        text = path.read_text()
        if text.count("\n") > 400:
            long.append(str(path.relative_to(ROOT)))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 60:
                long.append(f"{path.relative_to(ROOT)}: {node.name}")
    assert long == []
