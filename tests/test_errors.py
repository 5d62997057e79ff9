"""Errors: whatever a message quotes, a terminal only shows it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench.errors import BuildError, DeviceFault, HilbenchError, ModelError, printable


def test_control_characters_are_shown_as_escapes():
    error = ModelError("a \x1b[2J b\x07", where="x\x9b.c\r", hint="say \u202egnp")
    assert str(error) == "x\\x9b.c\\r: a \\x1b[2J b\\x07\n  hint: say \\u202egnp"
    assert (error.what, error.where, error.hint) == ("a \\x1b[2J b\\x07", "x\\x9b.c\\r", "say \\u202egnp")
    assert error.args == (error.what,)


def test_what_people_write_is_left_alone():
    text = "größe 3 µs, 12 345 B…\n  hint: «ja»"
    assert str(BuildError(text)) == text


@pytest.mark.parametrize("kind", [HilbenchError, lambda text: DeviceFault(text, {})])
@given(text=st.text(st.characters()))
def test_no_message_holds_what_a_terminal_acts_upon(kind, text: str):
    assert all(line.isprintable() for line in str(kind(text)).split("\n"))
    assert printable(printable(text)) == printable(text)
