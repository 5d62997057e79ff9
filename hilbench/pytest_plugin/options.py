"""The plug-in's options, each declared once: for the command line, the ini file and the documentation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hilbench.places import PLACES


@dataclass(frozen=True)
class Option:
    """`--flag` on the command line and `ini` in the ini file (`hil_*`); the command line wins."""

    flag: str
    ini: str
    help: str
    kind: Literal["list", "string", "path", "paths", "int", "flag"] = "string"
    metavar: str | None = None

    @property
    def dest(self) -> str:
        """The name under which pytest keeps the command line's value."""
        return self.ini


OPTIONS = (
    Option("--board", "hil_board", "run on BOARD[@TARGET]; repeatable, with commas and globs", "list", "BOARD"),
    Option(
        "--framework", "hil_framework", "run through FRAMEWORK[:KEY=VALUE]; repeatable, with commas", "list", "NAME"
    ),
    Option("--hil-samples", "hil_samples", "use only the first N samples of each data set", "int", "N"),
    Option("--hil-models", "hil_models", "look here for models that suites name by hash; repeatable", "paths", "DIR"),
    Option("--hil-firmware", "hil_firmware", "run the precompiled images of DIR: no compiler needed", "path", "DIR"),
    *(Option(place.flag, place.ini, place.help, "path", "PATH") for place in PLACES),
    Option("--hil-store", "hil_store", "keep records here (default: .hilbench/records)", "path", "STORE"),
    Option("--hil-port", "hil_port", "a board's serial line: device, URL or USB serial number", "list", "[BOARD=]PORT"),
    Option("--hil-probe", "hil_probe", "a board's debug probe, by its serial number", "list", "[BOARD=]ID"),
    Option("--hil-place", "hil_place", "a board's place in a labgrid farm", "list", "[BOARD=]PLACE"),
    Option("--hil-loader", "hil_loader", "a board's boot loader, by its USB serial number", "list", "[BOARD=]ID[,ID]"),
    Option("--hil-wait", "hil_wait", "wait so many seconds for a board that is in use (600)", "string", "SECONDS"),
    Option("--hil-channel", "hil_channel", "how inputs reach the device: auto, serial or memory", "string", "CHANNEL"),
    Option(
        "--hil-meter",
        "hil_meter",
        "measure energy with a power meter: docs/energy.md",
        "string",
        "METER",
    ),
    Option("--hil-compare", "hil_compare", "compare with earlier runs: docs/gate.md", "string", "REF"),
    Option("--hil-fail", "hil_fail", "how much worse is allowed, as in flash:512; repeatable", "list", "WHEN"),
    Option("--hil-baseline", "hil_baseline", "the baseline (default: .hilbench/baseline)", "path", "STORE"),
    Option("--hil-report", "hil_report", "write a report: FILE.html, .md or .csv; repeatable", "paths", "FILE"),
    Option("--hil-profile", "hil_profile", "also show what each operator of a model takes", "flag"),
    Option("--hil-shard", "hil_shard", "run the I-th of N equal shares of all tests: docs/ci.md", "string", "I/N"),
    Option("--hil-require", "hil_require", "what cannot be run here fails instead of being skipped", "flag"),
)


def add_options(parser: Any) -> None:
    """Tell pytest's `parser` of all options."""
    group = parser.getgroup("hilbench", "hilbench: benchmarks on boards and emulators")
    for option in OPTIONS:
        if option.kind == "flag":
            group.addoption(option.flag, dest=option.dest, action="store_true", default=None, help=option.help)
            parser.addini(option.ini, option.help, type="bool", default=False)
            continue
        action = "append" if option.kind in ("list", "paths") else "store"
        kind = int if option.kind == "int" else str
        group.addoption(
            option.flag, dest=option.dest, action=action, type=kind, metavar=option.metavar, help=option.help
        )
        ini_type = {"list": "args", "paths": "paths", "path": "string", "int": "string"}.get(option.kind, "string")
        parser.addini(option.ini, option.help, type=ini_type, default=None)


def value(config: Any, ini: str) -> Any:
    """Return an option's value: the command line's, else the ini file's, else None (an empty list for lists)."""
    given = config.getoption(ini, default=None)
    if given is not None:
        return given
    return ini_value(config, ini)


def ini_value(config: Any, ini: str) -> Any:
    """Return what the ini file says of an option, whatever the command line does; None or an empty list if nothing."""
    kept = config.getini(ini)
    # An ini file parts a list at spaces, and people write "a, b".
    return [part.rstrip(",") if isinstance(part, str) else part for part in kept] if isinstance(kept, list) else kept


def given_any(config: Any) -> bool:
    """Say whether any option was given, on the command line or in the ini file."""
    values = (value(config, option.ini) for option in OPTIONS)
    return any(given is not False and given not in (None, "", []) for given in values)


def place(config: Any, ini: str) -> str | None:
    """Return an option that names a folder or a store, None when it is not given.

    A relative folder on the command line is relative to where pytest was started, in the ini file to that file.
    """
    given = value(config, ini)
    if not given:
        return None
    from_command_line = config.getoption(ini, default=None) is not None
    base = config.invocation_params.dir if from_command_line or config.inipath is None else config.inipath.parent
    return given if ":" in given else str(base / given)


def places(config: Any) -> dict[str, Path | None]:
    """Return the options of `hilbench.places` by name, None for those not given."""
    given = {each.name: place(config, each.ini) for each in PLACES}
    return {name: Path(path) if path else None for name, path in given.items()}


def number(config: Any, ini: str) -> int | None:
    """Return an option that is a count of at least 1, None when it is not given. Raises `ValueError`, saying which."""
    given = value(config, ini)
    if given in (None, ""):
        return None
    try:
        count = int(given)
    except ValueError:
        count = 0
    if count < 1:
        raise ValueError(f"{ini.replace('_', '-')} is {given!r}: a whole number of at least 1 is needed")
    return count


def seconds(text: str, flag: str) -> float:
    """Return an option that is a time in seconds. Raises `ValueError`, saying which."""
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < float("inf"):
        raise ValueError(f"{flag} is {text!r}: a number of seconds is needed, 0 not to wait")
    return found
