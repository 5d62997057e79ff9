"""`--hil-port`, `--hil-probe`, `--hil-place`: whose they are, and nothing that is typed is lost without a word."""

import pytest

from hilbench import catalog
from hilbench.attached import for_board, require_use
from hilbench.errors import UsageError

KNOWN = ("microbit", "nano33", "pico")


def test_what_names_a_board_is_its_own_and_the_rest_is_everybodys():
    given = {"port": ("/dev/ttyUSB0", "nano33=A50285BI"), "probe": ("pico=E66",)}
    assert dict(for_board(given, "nano33")) == {"port": "A50285BI"}
    assert dict(for_board(given, "pico")) == {"port": "/dev/ttyUSB0", "probe": "E66"}


@pytest.mark.parametrize("value", ["/dev/serial/by-id/a=b", "rfc2217://bench:4001?ign_set_control=1", "C:x=y"])
def test_a_path_or_url_with_an_equals_sign_names_no_board(value: str):
    assert dict(for_board({"port": (value,)}, "nano33")) == {"port": value}


@pytest.mark.parametrize("values", [("A", "B"), ("nano33=A", "nano33=B")])
def test_two_for_one_board_are_one_too_many(values: tuple[str, str]):
    with pytest.raises(UsageError, match="--hil-port is given twice for nano33: A and B"):
        for_board({"port": values}, "nano33")


def test_a_setting_that_the_target_does_not_have_is_told_with_one_that_has_it():
    chosen = catalog.resolve(["nano33@attach"])
    for value in ("E66", "nano33=E66"):
        with pytest.raises(UsageError, match="nano33@attach has no probe") as told:
            require_use("probe", [value], chosen, KNOWN)
        assert told.value.hint == "--board=nano33@probe"
    require_use("probe", ["E66"], catalog.resolve(["nano33@attach", "microbit@probe"]), KNOWN)
    require_use("probe", ["pico=E66"], chosen, KNOWN)


def test_a_mistyped_board_is_told():
    with pytest.raises(UsageError, match="there is no board 'nano3'") as told:
        require_use("port", ["nano3=A"], catalog.resolve(["nano33"]), KNOWN)
    assert told.value.hint == "did you mean 'nano33'?"
