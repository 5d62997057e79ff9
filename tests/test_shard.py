"""Shards: together they do what one run would do, and no test twice, with pytest-xdist too."""

import itertools
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from .conftest import DIGITS

BOARDS = "--board=mps2-an385,mps2-an386,mps2-an500,mps2-an505"


def collected(pytester: pytest.Pytester, *options: str) -> list[str]:
    result = pytester.runpytest("--collect-only", "-q", "-p", "no:cacheprovider", *options)
    return [line for line in result.outlines if "::" in line]


def shards(pytester: pytest.Pytester, count: int, *options: str) -> list[list[str]]:
    return [collected(pytester, *options, f"--hil-shard={i}/{count}") for i in range(1, count + 1)]


@pytest.mark.parametrize("count", [2, 5])
def test_every_benchmark_is_in_exactly_one_shard(pytester: pytest.Pytester, count: int):
    options = (str(DIGITS), BOARDS, "--framework=tvm,tflm")
    everything, parts = collected(pytester, *options), shards(pytester, count, *options)
    assert len(everything) == 8
    assert sorted(itertools.chain(*parts)) == sorted(everything)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert all(part == [one for one in everything if one in part] for part in parts), "order stays"


def test_ordinary_tests_are_dealt_too_and_after_a_selection(pytester: pytest.Pytester):
    pytester.makepyfile("import pytest\n@pytest.mark.parametrize('n', range(9))\ndef test_it(n): assert n")
    parts = shards(pytester, 2, "-k", "not 0")
    assert sorted(map(len, parts)) == [4, 4]


def test_workers_of_xdist_agree_and_junit_tells_each_test_once(pytester: pytest.Pytester):
    pytester.makepyfile("import pytest\n@pytest.mark.parametrize('n', range(11))\ndef test_it(n): pass")
    names = []
    for i in (1, 2):
        result = pytester.runpytest_subprocess("-n2", f"--hil-shard={i}/2", f"--junitxml={i}.xml")
        assert result.ret == 0
        names += [case.get("name") for case in ET.parse(pytester.path / f"{i}.xml").iter("testcase")]
    assert sorted(names) == sorted(f"test_it[{n}]" for n in range(11))


@pytest.mark.parametrize("xdist", [(), pytest.param(("-n2",), marks=pytest.mark.slow)], ids=["alone", "xdist"])
def test_a_shard_without_a_test_passes_and_a_run_without_any_fails(pytester: pytest.Pytester, xdist: tuple[str, ...]):
    pytester.makepyfile("def test_it(): pass")
    run = pytester.runpytest_subprocess if xdist else pytester.runpytest_inprocess
    assert [run(*xdist, f"--hil-shard={i}/2").ret for i in (1, 2)] == [0, 0]
    assert run(*xdist, "--hil-shard=1/2", "-k", "nothing").ret == 5


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/b", "1/2/3", "²/3"])
def test_what_is_no_shard_is_one_message(pytester: pytest.Pytester, text: str):
    result = pytester.runpytest(f"--hil-shard={text}")
    assert result.ret == 4
    (line,) = [line for line in result.errlines if line]
    assert re.fullmatch(r"ERROR: --hil-shard is .*: I/N is needed with 1 <= I <= N, such as 2/4", line)


@pytest.mark.slow
def test_shards_of_benchmarks_run(pytester: pytest.Pytester, tmp_path: Path):
    """Two shards of two boards, run: each record is there once."""
    for i in (1, 2):
        pytester.runpytest_subprocess(
            str(DIGITS), "--board=mps2-an386,mps2-an500", "--framework=tvm", "--hil-samples=3",
            f"--hil-store={tmp_path}", f"--hil-shard={i}/2",
        ).assert_outcomes(passed=1)  # fmt: skip
    assert len(list(tmp_path.glob("*-mps2-an386-*.json"))) == len(list(tmp_path.glob("*-mps2-an500-*.json"))) == 1
