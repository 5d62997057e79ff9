"""Shards: together they do what one run would do, and no test twice, with pytest-xdist too."""

import itertools
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import hilbench.pytest_plugin.collect  # noqa: F401 - what is imported here, no run in this process imports again
from hilbench.pytest_plugin.shard import chosen, keep_share

from .conftest import DIGITS

BOARDS = "--board=mps2-an385,mps2-an386,mps2-an500,mps2-an505"
NINE = "import pytest\n@pytest.mark.parametrize('n', range(9))\ndef test_it(n): pass"


def names(path: Path) -> list[str]:
    return [case.get("name") or "" for case in ET.parse(path).iter("testcase")]


def test_every_benchmark_and_test_is_in_exactly_one_share_of_any_number(pytester: pytest.Pytester):
    test = pytester.makepyfile(NINE)
    everything, _ = pytester.inline_genitems(DIGITS, test, BOARDS, "--framework=tvm,tflm")
    assert len(everything) == 8 + 9
    config = everything[0].config
    for count in (1, 2, 5, 17, 20):
        parts = []
        for index in range(1, count + 1):
            config.option.hil_shard = f"{index}/{count}"
            parts.append(list(everything))
            keep_share(config, parts[-1])
        assert sorted(one.nodeid for one in itertools.chain(*parts)) == sorted(one.nodeid for one in everything)
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        assert all(part == [one for one in everything if one in part] for part in parts), "order stays"


def test_shares_run_what_a_selection_leaves_and_junit_tells_each_test_once(pytester: pytest.Pytester):
    pytester.makepyfile(NINE)
    for index in (1, 2):
        done = pytester.runpytest_inprocess("-k", "not 0", f"--hil-shard={index}/2", f"--junitxml={index}.xml")
        done.assert_outcomes(passed=4, deselected=5)
    found = [name for index in (1, 2) for name in names(pytester.path / f"{index}.xml")]
    assert sorted(found) == [f"test_it[{n}]" for n in range(1, 9)]


def test_a_shard_without_a_test_passes_and_a_run_without_any_fails(pytester: pytest.Pytester):
    pytester.makepyfile("def test_it(): pass")
    assert pytester.runpytest_inprocess("--hil-shard=2/2").ret == 0
    assert pytester.runpytest_inprocess("--hil-shard=1/2", "-k", "nothing").ret == 5


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/b", "1/2/3", "²/3"])
def test_what_is_no_shard_is_refused(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch, text: str):
    monkeypatch.setattr(pytestconfig.option, "hil_shard", text)
    with pytest.raises(pytest.UsageError, match=r"--hil-shard is '.*': I/N is needed with 1 <= I <= N, such as 2/4"):
        chosen(pytestconfig)


def test_what_is_no_shard_is_one_message(pytester: pytest.Pytester):
    done = pytester.runpytest_inprocess("--hil-shard=3/2")
    assert done.ret == 4
    (line,) = filter(None, done.errlines)
    assert line == "ERROR: --hil-shard is '3/2': I/N is needed with 1 <= I <= N, such as 2/4"


@pytest.mark.slow
def test_workers_of_xdist_agree(pytester: pytest.Pytester):
    pytester.makepyfile(NINE)
    for index in (1, 2):
        done = pytester.runpytest_subprocess("-n2", f"--hil-shard={index}/2", f"--junitxml={index}.xml")
        assert done.ret == 0
    assert sorted(names(pytester.path / "1.xml") + names(pytester.path / "2.xml")) == [
        f"test_it[{n}]" for n in range(9)
    ]
    assert pytester.runpytest_subprocess("-n2", "--hil-shard=2/2", "-k", "test_it and 1").ret == 0
    assert pytester.runpytest_subprocess("-n2", "--hil-shard=1/2", "-k", "nothing").ret == 5


@pytest.mark.slow
def test_shards_of_benchmarks_run(pytester: pytest.Pytester, tmp_path: Path):
    """Two shards of two boards, run: each record is there once."""
    for i in (1, 2):
        pytester.runpytest_subprocess(
            str(DIGITS), "--board=mps2-an386,mps2-an500", "--framework=tvm", "--hil-samples=3",
            f"--hil-store={tmp_path}", f"--hil-shard={i}/2",
        ).assert_outcomes(passed=1)  # fmt: skip
    assert len(list(tmp_path.glob("*-mps2-an386-*.json"))) == len(list(tmp_path.glob("*-mps2-an500-*.json"))) == 1
