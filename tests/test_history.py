"""Histories: what can be compared is one series in the order of time, and `hilbench trend` tells its steps."""

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from hilbench.cli import cli, main
from hilbench.cli.trend import sparkline
from hilbench.errors import UsageError
from hilbench.measure.direction import lower_is_better, worse
from hilbench.measure.statistics import REPEATS_DIFFER
from hilbench.records.directory import DirectoryStore
from hilbench.records.history import Series, histories
from hilbench.records.record import Record

from .conftest import ROOT, made_record, run_python


def run(number: int, metrics: dict[str, dict] | None = None, **changes: object) -> Record:
    """A run on the `number`-th day from a commit of its own; `metrics` change those of the made-up record."""
    document = made_record().model_dump(mode="json", by_alias=True)
    for name, words in (metrics or {}).items():
        document["metrics"].setdefault(name, {}).update(words)
    day = np.datetime64("2026-01-01") + number
    document |= {"id": f"{day}-{number}", "started": f"{day}T03:04:05+00:00",
                 "source": {"commit": f"{number:08x}" + "0" * 32, "dirty": "no"}}  # fmt: skip
    for key, value in changes.items():
        document[key] = {**(document[key] or {}), **value} if isinstance(value, dict) else value
    return Record.model_validate(document)


def counted(values: Sequence[float]) -> Iterator[Record]:
    for number, value in enumerate(values):
        yield run(number, {"instructions": {"value": value}})


def only(records: Iterator[Record] | list[Record], metric: str = "instructions") -> list[Series]:
    return histories(records, [metric])


def test_points_are_in_the_order_of_time_whatever_that_of_the_records():
    (series,) = only(list(counted([1, 2, 3]))[::-1])
    assert series.values == [1, 2, 3] and series.new == ()


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"model": {"sha256": "9" * 64}}, "model"),
        ({"dataset": {"sha256": "9" * 64}}, "data"),
        ({"dataset": {"inputs_sha256": "9" * 64}}, "inputs"),
        ({"dataset": {"samples": 1}}, "samples"),
        ({"board": {"clock_hz": 1_000_000}}, "clock"),
    ],
)
def test_what_cannot_be_compared_begins_a_series_that_says_why(changes: dict, name: str):
    first, second = only([run(0), run(1, **changes)])
    assert (first.new, second.new) == ((), (name,))
    assert first.changes == second.changes == []


def test_estimates_of_two_models_or_two_bases_are_never_one_series():
    records = [run(0), run(1, {"latency": {"model": "another"}}),
               run(2, {"latency": {"basis": "measured", "model": None, "error": None}},
                   target={"kind": "qemu", "silicon": True})]  # fmt: skip
    assert [series.new for series in only(records, "latency")] == [(), ("estimate",), ("basis", "estimate")]


def test_a_model_that_comes_back_goes_on_with_its_series():
    other = {"sha256": "9" * 64}
    first, second = only([run(0), run(1, model=other), run(2), run(3, model=other)])
    assert (len(first.points), len(second.points)) == (2, 2)


@pytest.mark.parametrize(
    "changes",
    [{"task": "other"}, {"suite": "other"}, {"board": {"id": "other"}}, {"framework": {"variant": "tvm:a=1"}},
     {"target": {"kind": "renode"}}, {"target": {"stand_in": "another"}}],
    ids=str,
)  # fmt: skip
def test_each_task_board_target_and_framework_has_rows_of_its_own(changes: dict):
    assert len({series.row for series in only([run(0), run(1, **changes)])}) == 2


def test_a_new_emulator_or_framework_version_is_what_may_be_found():
    (series,) = only([run(0), run(1, {"instructions": {"value": 5}}, target={"version": "9"},
                                  framework={"version": "2"})])  # fmt: skip
    assert [change.index for change in series.changes] == [1]


def test_a_change_is_between_two_commits():
    (series,) = only(counted([100] * 5 + [103] * 2))
    (change,) = series.changes
    assert series.commits(change) == ("00000004", "00000005")
    assert series.worse(change) is True
    assert series.worsened_within(2) == change and series.worsened_within(1) is None


def test_what_was_measured_is_noisy_and_so_is_what_is_estimated_from_it():
    measured = {"value": 1.0, "unit": "s", "basis": "measured", "outliers": []}
    silicon = {"kind": "probe", "silicon": True}
    energy = {"value": 2.0, "unit": "J", "basis": "estimated", "model": "m", "outliers": []}
    records = [run(n, {"latency": measured, "energy": energy}, target=silicon) for n in range(2)]
    assert [series.exact for series in histories(records, ["latency", "energy", "instructions"])] == [
        False,
        False,
        True,
    ]


def test_a_count_that_differs_between_repeats_of_one_input_is_noisy_and_no_alarm_every_night():
    draw = np.random.default_rng(1)
    words = [{"value": 300_000 + int(draw.integers(-50, 50)), "detail": REPEATS_DIFFER} for _ in range(30)]
    (series,) = only([run(number, {"instructions": word}) for number, word in enumerate(words)])
    assert not series.exact
    assert series.changes == [] and series.worsened_within(3) is None


def test_energy_of_a_measured_latency_is_noisy_also_without_an_interval():
    energy = {"unit": "J", "basis": "estimated", "n": 1, "model": "measured latency at the data sheet's current"}
    records = [run(n, {"energy": {"value": 2.0 + n % 2, **energy}}) for n in range(8)]
    (series,) = only(records, "energy")
    assert not series.exact and series.changes == []


def test_accuracies_that_mean_two_things_are_two_series_and_older_records_go_on_with_theirs():
    def scored(number: int, by: str | None, detail: str, value: float) -> Record:
        return run(number, {"accuracy": {"value": value, "detail": detail}}, scored_by=by)

    old, new = scored(0, None, "top-1", 0.958), scored(1, "top1", "top-1", 0.958)
    first, second = only([old, new, scored(2, "balanced", "balanced", 0.5)], "accuracy")
    assert (len(first.points), second.new) == (2, ("meaning",))


def test_fidelity_to_another_reference_is_another_series():
    fidelity = {"fidelity": {"value": 1.0, "unit": "share", "basis": "counted"}}
    records = [run(n, fidelity, reference={"name": name, "versions": {}}) for n, name in enumerate(("tflite", "other"))]
    assert [series.new for series in only(records, "fidelity")] == [(), ("meaning",)]


@pytest.mark.parametrize(
    ("values", "last", "worse"),
    [
        ([100.0] * 9 + [110.0, 109.999], 5, True),
        ([100.0] * 9 + [110.0, 109.999], 1, False),
        ([100.0] * 9 + [110.0, 99.0], 5, False),
        ([100.0] * 9 + [110.0, 100.0 + 1e-12], 5, False),
        ([100.0] * 9 + [101.0, 102.0], 5, True),
        ([100.0, 110.0], 99, True),
        ([100.0], 1, False),
    ],
)
def test_what_came_back_in_part_is_worse(values: list[float], last: int, worse: bool):
    (series,) = only(list(counted(values)))
    assert bool(series.worsened_within(last)) == worse


@pytest.mark.parametrize(("back", "worse"), [(108, True), (100, False)])
def test_noisy_values_that_came_back_in_part_are_worse_too(back: float, worse: bool):
    draw = np.random.default_rng(2)
    levels = [100.0] * 40 + [120.0] * 12 + [back] * 12
    latency = {"unit": "s", "basis": "measured", "model": None, "error": None}
    silicon = {"kind": "probe", "silicon": True}
    days = [run(n, {"latency": {"value": draw.normal(level, 1), **latency}}, target=silicon)
            for n, level in enumerate(levels)]  # fmt: skip
    (series,) = only(days, "latency")
    assert len(series.changes) == 2
    assert bool(series.worsened_within(30)) == worse


def test_directions():
    assert [lower_is_better(name) for name in ("latency", "accuracy", "arena_asked")] == [True, False, None]
    assert lower_is_better("accuracy", "1") is True, "a squared error"
    assert worse("accuracy", 0.9, 0.8) and not worse("flash", 9, 8) and worse("nothing", 1, 2) is None


def test_every_metric_of_a_real_run_has_a_direction():
    """All metrics that a suite can bound; `arena_asked` alone is neither good nor bad."""
    from typing import get_args

    from hilbench.catalog import suite

    assert all(lower_is_better(name) is not None for name in get_args(suite.Metric))


# ---- the command


def trend(store: Path, *options: str) -> Result:
    return CliRunner().invoke(cli, ["trend", str(store), *options], catch_exceptions=False)


def stored(folder: Path, values: Sequence[float]) -> Path:
    store = DirectoryStore(folder)
    for record in counted(values):
        store.put(record)
    return folder


def test_a_step_is_told_in_80_columns(tmp_path: Path):
    result = trend(stored(tmp_path, [1_000_000] * 6 + [1_050_000] * 6))
    assert result.exit_code == 0
    assert "digits on mps2-an386 with tvm (qemu)" in result.output
    assert "  instructions  ▁▁▁▁▁▁██████" in result.output
    assert "    2026-01-07  1.00 M -> 1.05 M  +5 %  worse  00000005..00000006" in result.output
    assert max(map(len, result.output.splitlines())) <= 80


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--metric=latncy"], "no record has the metric 'latncy'"),
        (["--task=digit"], "no record has the task 'digit'"),
        (["--board=mps2"], "no record has the board 'mps2'"),
        (["--framework=tv"], "no record has the framework 'tv'"),
        (["--branch=mian"], "no record has the branch 'mian'"),
        (["--since=yesterday"], "--since: 'yesterday' is no date"),
    ],
)
def test_a_word_that_no_record_has_never_passes_a_gate(tmp_path: Path, options: list[str], message: str):
    store = stored(tmp_path, [1_000_000] * 6 + [1_050_000] * 6)
    with pytest.raises(UsageError, match=message):
        trend(store, *options, "--fail-since=10")


def test_a_store_without_records_has_no_history_yet(tmp_path: Path):
    result = trend(tmp_path, "--task=digits", "--fail-since=10")
    assert (result.exit_code, result.output) == (0, "no values: nothing in the store is what was asked for\n")


def test_a_step_too_small_for_friendly_units_shows_all_digits(tmp_path: Path):
    assert "1000000 -> 1000001  +0.0001 %" in trend(stored(tmp_path, [1_000_000, 1_000_001])).output


@pytest.mark.parametrize(
    ("values", "options", "code"),
    [
        ([1, 1, 2], (), 0),
        ([1, 1, 2], ("--fail-on-latest",), 1),
        ([1, 1, 2, 2], ("--fail-on-latest",), 0),
        ([1, 1, 2, 2], ("--fail-since=2",), 1),
        ([1, 1, 2, 1], ("--fail-since=4",), 0),
        ([100, 100, 100, 110, 109.9], ("--fail-since=2",), 1),
        ([2, 2, 1], ("--fail-on-latest",), 0),
        ([1, 1, 2], ("--fail-on-latest", "--metric=flash"), 0),
        ([1, 1, 2], ("--fail-since=0",), 2),
        ([1, 1, 2], ("--fail-since=2", "--fail-on-latest"), 2),
    ],
    ids=str,
)
def test_exit_codes_for_ci(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    values: list[float],
    options: tuple[str, ...],
    code: int,
):
    monkeypatch.setattr("sys.argv", ["hilbench", "trend", str(stored(tmp_path, values)), *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    assert code != 1 or "worse within the last" in capsys.readouterr().err


def test_json_has_values_and_changes(tmp_path: Path):
    (series,) = json.loads(trend(stored(tmp_path, [4, 4, 3]), "--json", "--metric=instructions").output)
    assert (series["task"], series["metric"], series["basis"]) == ("digits", "instructions", "counted")
    assert [point["value"] for point in series["values"]] == [4, 4, 3]
    (change,) = series["changes"]
    assert (change["index"], change["before"], change["after"], change["worse"]) == (2, 4, 3, False)
    assert [commit[:8] for commit in change["commits"]] == ["00000001", "00000002"]


def test_filters_leave_out_the_rest(tmp_path: Path):
    stored(tmp_path, [1, 2])
    assert "instructions" in trend(tmp_path, "--task=digits", "--board=mps2-an386", "--framework=tvm").output
    assert "1 value" in trend(tmp_path, "--since=2026-01-02", "--metric=instructions").output


def test_a_damaged_record_is_a_warning(tmp_path: Path):
    stored(tmp_path, [1, 2])
    (tmp_path / "2026-01-09-x.json").write_text("{}")
    result = trend(tmp_path)
    assert result.exit_code == 0 and "warning: 1 record cannot be read" in result.stderr


def test_a_record_of_the_future_is_a_warning_and_not_the_latest(tmp_path: Path):
    stored(tmp_path, [1, 2])
    DirectoryStore(tmp_path).put(run(9, {"instructions": {"value": 1}}, started="9999-01-01T00:00:00+00:00"))
    result = trend(tmp_path, "--fail-on-latest", "--metric=instructions")
    assert result.exit_code == 1, "the last value is 2"
    assert "warning: left out: 1 record dated in the future" in result.stderr


def test_a_terminal_without_blocks_gets_digits(tmp_path: Path):
    stored(tmp_path, [1, 1, 2])
    code = f"import sys; sys.argv = ['hilbench', 'trend', {str(tmp_path)!r}]; from hilbench.cli import main; main()"
    done: subprocess.CompletedProcess[str] = run_python(code, PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and "118 " in done.stdout


def test_sparkline():
    assert sparkline([1, 2, 3, 8]) == "▁▂▃█"
    assert sparkline([5, 5]) == "▁▁"
    assert len(sparkline(list(range(1000)))) == 24
    assert sparkline([-1.7e308, 1.7e308]) == "▁█"


def test_the_document_shows_what_is_printed(tmp_path: Path):
    (shown,) = re.findall(r"```\n(digits on .*?)```", (ROOT / "docs" / "trend.md").read_text(), re.DOTALL)
    printed = trend(stored(tmp_path, [1_000_000] * 6 + [1_050_000] * 6)).output.splitlines()
    assert set(shown.splitlines()) <= set(printed)
