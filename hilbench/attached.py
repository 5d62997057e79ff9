"""Where boards are attached, as a user says it for one run: `--hil-port=/dev/ttyACM0`, `--hil-port=nano33=E6614103`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hilbench import plugins
from hilbench.catalog import Choice
from hilbench.errors import UsageError, nearest
from hilbench.targets.base import Target


def for_board(given: Mapping[str, Iterable[str]], board: str) -> tuple[tuple[str, str], ...]:
    """Return the settings in `given` (by name, a list of `VALUE` and `BOARD=VALUE`) that are meant for `board`.

    What names the board counts for more than what names none. Raises `UsageError` for two of the same weight.
    """
    found: dict[str, str] = {}
    for name, values in given.items():
        own: list[str] = []
        common: list[str] = []
        for value in values:
            named, word = _parted(value)
            if named in ("", board):
                (own if named else common).append(word)
        for several in (own, common):
            if len(several) > 1:
                raise UsageError(
                    f"--hil-{name} is given twice for {board}: {' and '.join(several)}",
                    hint=f"several boards: --hil-{name}=BOARD=VALUE for each",
                )
        if own or common:
            found[name] = (own or common)[0]
    return tuple(found.items())


def require_use(name: str, values: Iterable[str], boards: Iterable[Choice], known: Iterable[str]) -> None:
    """Raise `UsageError` for a setting that no target of the chosen `boards` has, or for a board that nobody knows."""
    chosen = list(boards)
    for value in values:
        board, word = _parted(value)
        if not word:
            raise UsageError(f"--hil-{name}={value}: nothing is named", hint=f"--hil-{name}=[BOARD=]{name.upper()}")
        if board and board not in known:
            raise UsageError(f"--hil-{name}={value}: there is no board '{board}'", hint=nearest(board, known))
        meant = [choice for choice in chosen if board in ("", choice.board.id)]
        if meant and not any(name in _settings(choice) for choice in meant):
            told = ", ".join(str(choice) for choice in meant)
            others = [f"--board={one.board.id}@{other}" for one in meant for other in one.board.targets
                      if name in _settings(Choice(one.board, other))]  # fmt: skip
            raise UsageError(f"--hil-{name}={value}: {told} has no {name}", hint=", or ".join(others) or "leave it out")


def _parted(value: str) -> tuple[str, str]:
    """Return the board that `value` names, '' for none, and the rest. Paths and URLs may hold `=` too."""
    board, equals, word = value.partition("=")
    return (board, word) if equals and "/" not in board and ":" not in board else ("", value)


def _settings(choice: Choice) -> Iterable[str]:
    target: Target = plugins.load("targets", choice.target)()
    return target.Settings.model_fields
