"""What the documents show is what the program prints."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from hilbench.pytest_plugin.options import OPTIONS

from .conftest import DIGITS, ROOT


def shape(text: str) -> list[str]:
    """The text without what differs between machines: numbers, and the width of columns."""
    lines = (re.sub(r"[\d.]+", "#", re.sub(r"[ ━─]+", " ", line)).strip() for line in text.splitlines())
    return [line for line in lines if line]


def test_the_readme_shows_what_make_bench_prints(tmp_path: Path):
    readme = (ROOT / "README.md").read_text()
    shown = re.search(r"<!-- bench:begin -->\n```\n(.*?)\n```\n<!-- bench:end -->", readme, re.DOTALL)
    assert shown
    (command,) = re.findall(r"\$\(BIN\)/pytest (suites/.*)", (ROOT / "Makefile").read_text())
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *command.split(), "-p", "no:cacheprovider", f"--hil-store={tmp_path}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    printed = done.stdout[done.stdout.index("digits on") : done.stdout.index("record in")]
    assert shape(printed) == [*shape(shown[1]), "#"], "the last line is how many records there are"


def test_every_option_is_documented():
    text = (ROOT / "docs" / "bench.md").read_text()
    for option in OPTIONS:
        assert f"`{option.flag}" in text
        assert f"`{option.ini}`" in text


@pytest.mark.parametrize(
    "path", [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"], ids=lambda path: path.name
)
def test_links_between_documents_lead_somewhere(path: Path):
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_the_readme_example_of_a_python_test_runs(pytester: pytest.Pytester):
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    pytester.makepyfile(example.replace("suites/digits.hil.yaml", str(DIGITS)))
    pytester.runpytest_subprocess("--hil-samples=20").assert_outcomes(passed=1)
