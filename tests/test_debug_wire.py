"""Messages between hilbench and the process that runs pyOCD."""

import contextlib
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench.errors import TargetError, Unavailable
from hilbench.targets.debug.wire import Channel, error_in, error_message


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=9), max_size=4), st.binary(max_size=3000))
def test_messages_arrive_as_they_were_sent(message, data):
    ours, theirs = (Channel(end) for end in socket.socketpair())
    ours.send(message, data)
    ours.send({}, b"")
    assert theirs.receive(1) == (message, data)
    assert theirs.receive(1) == ({}, b"")
    ours.close()
    with pytest.raises(EOFError):
        theirs.receive(1)
    theirs.close()


@given(st.binary(min_size=8, max_size=40))
def test_what_is_no_message_is_an_error_and_never_a_hang(data):
    ours, theirs = socket.socketpair()
    ours.sendall(data)
    ours.close()
    channel = Channel(theirs)
    with contextlib.suppress(EOFError, ValueError):
        message, _ = channel.receive(1)
        assert isinstance(message, dict)
    channel.close()


@pytest.mark.parametrize("error", [Unavailable("not here", hint="plug it in"), TargetError("failed", where="a.elf")])
def test_errors_arrive_as_they_were_raised(error):
    arrived = error_in(error_message(error))
    assert type(arrived) is type(error) and str(arrived) == str(error)
    assert error_in({"result": None}) is None
