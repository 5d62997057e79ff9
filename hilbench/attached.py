"""Where boards are attached, as a user says it for one run: `--hil-port=/dev/ttyACM0`, `--hil-port=nano33=E6614103`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hilbench.errors import UsageError


def for_board(given: Mapping[str, Iterable[str]], board: str) -> tuple[tuple[str, str], ...]:
    """Return the settings in `given` (by name, a list of `VALUE` and `BOARD=VALUE`) that are meant for `board`.

    What names the board counts for more than what names none. Raises `UsageError` for two of the same weight.
    """
    found: dict[str, str] = {}
    for name, values in given.items():
        own, common = [], []
        for value in values:
            before, equals, after = value.partition("=")
            if equals and "/" not in before and ":" not in before:
                own += [after] if before == board else []
            else:
                common.append(value)
        for several in (own, common):
            if len(several) > 1:
                flag = f"--hil-{name}"
                raise UsageError(
                    f"{flag} is given twice for {board}: {' and '.join(several)}",
                    hint=f"several boards: {flag}=BOARD=VALUE for each",
                )
        if own or common:
            found[name] = (own or common)[0]
    return tuple(found.items())
