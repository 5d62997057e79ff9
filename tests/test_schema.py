"""The JSON Schemas accept every shipped file and refuse what they should."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from hilbench import resources
from hilbench.catalog.schema import board_schema, suite_schema

BOARDS = sorted(resources.BOARDS.glob("*.yaml"))
SUITES = sorted(resources.SUITES.glob("*.hil.yaml"))


def check(document: Any, schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(schema).validate(document)


@pytest.mark.parametrize("schema", [board_schema, suite_schema])
def test_a_schema_is_a_valid_schema(schema: Callable[[], dict[str, Any]]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_every_shipped_board_fits_the_schema(path: Path) -> None:
    check(yaml.safe_load(path.read_text()), board_schema())


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_every_shipped_suite_fits_the_schema(path: Path) -> None:
    check(yaml.safe_load(path.read_text()), suite_schema())


@pytest.mark.parametrize(
    "change",
    [
        lambda board: board.update(cloc_hz=1),
        lambda board: board.pop("clock_hz"),
        lambda board: board.pop("memory"),
        lambda board: board.update(core="cortex-m4"),
        lambda board: board.update(counter="nanoseconds"),
        lambda board: board.update(targets={}),
        lambda board: board["targets"].update(quemu={}),
        lambda board: board["targets"].update(qemu={"machne": "x"}),
        lambda board: board["memory"]["code"].update(size="4 Q"),
        lambda board: board["port"]["defines"].update(Uart=1),
        lambda board: board.update(id="An386"),
    ],
)
def test_a_wrong_board_does_not_fit(change: Callable[[Any], Any]) -> None:
    board = yaml.safe_load((resources.BOARDS / "mps2-an386.yaml").read_text())
    changed = copy.deepcopy(board)
    change(changed)
    check(board, board_schema())
    with pytest.raises(jsonschema.ValidationError):
        check(changed, board_schema())


@pytest.mark.parametrize(
    "change",
    [
        lambda suite: suite.update(folder="x"),
        lambda suite: suite.update(tasks=[]),
        lambda suite: suite["tasks"][0].pop("model"),
        lambda suite: suite["tasks"][0]["model"].update(sha256="12"),
        lambda suite: suite["tasks"][0]["dataset"].pop("arrays"),
        lambda suite: suite["tasks"][0]["dataset"].update(random={"seed": 1}),
        lambda suite: suite["tasks"][0]["expect"].update(latncy={"max": 1}),
        lambda suite: suite["tasks"][0]["expect"].update(latency={}),
        lambda suite: suite["tasks"][0]["latency"].update(repeats=1),
        lambda suite: suite["tasks"][0].update(accuracy="top2"),
    ],
)
def test_a_wrong_suite_does_not_fit(change: Callable[[Any], Any]) -> None:
    suite = yaml.safe_load((resources.SUITES / "digits.hil.yaml").read_text())
    check(suite, suite_schema())
    change(suite)
    with pytest.raises(jsonschema.ValidationError):
        check(suite, suite_schema())
