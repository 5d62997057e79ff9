"""The numbers that host and device share."""

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench import resources
from hilbench.link import protocol
from hilbench.link.protocol import BUILD_ID_BYTES

PAYLOADS = [
    protocol.Hello,
    protocol.Info,
    protocol.Start,
    protocol.Started,
    protocol.Data,
    protocol.Placed,
    protocol.Poll,
    protocol.Read,
    protocol.Block,
    protocol.Ack,
    protocol.Result,
    protocol.Fault,
]
_LIMITS = {"B": 0xFF, "H": 0xFFFF, "I": 0xFFFFFFFF}


def _letters(payload):
    """Return the struct letter of each field, with repeat counts written out."""
    count = ""
    for letter in payload.layout.format.removeprefix("<"):
        if letter.isdigit():
            count += letter
            continue
        yield from [letter] if letter == "s" else letter * int(count or 1)
        count = ""


@st.composite
def payloads(draw):
    kind = draw(st.sampled_from(PAYLOADS))
    build_id = st.binary(min_size=BUILD_ID_BYTES, max_size=BUILD_ID_BYTES)
    values = [draw(build_id if letter == "s" else st.integers(0, _LIMITS[letter])) for letter in _letters(kind)]
    if any(field.name == "data" for field in fields(kind)):
        values.append(draw(st.binary(max_size=600)))
    return kind(*values)


def test_the_agents_header_holds_the_same_numbers():
    header = Path(resources.FIRMWARE, "agent", "hb_protocol.h").read_text()
    assert header == protocol.c_header(), "run `python -m hilbench.link.protocol > firmware/agent/hb_protocol.h`"


@given(payloads())
def test_a_payload_survives_packing(payload):
    assert type(payload).unpack(payload.pack()) == payload


@given(payloads(), st.data())
def test_a_payload_cut_short_is_none(payload, data):
    head = payload.pack()[: payload.layout.size]
    cut = data.draw(st.integers(0, len(head) - 1))
    assert type(payload).unpack(head[:cut]) is None


@pytest.mark.parametrize("kind", [kind for kind in PAYLOADS if "data" not in kind.__dataclass_fields__])
def test_a_payload_of_fixed_size_with_more_behind_it_is_none(kind):
    assert kind.unpack(bytes(kind.layout.size)) is not None
    assert kind.unpack(bytes(kind.layout.size + 1)) is None


def test_device_frames_have_the_top_bit_and_host_frames_do_not():
    host = {"HELLO", "START", "DATA", "POLL", "READ", "RESET", "PLACED"}
    assert {frame.name for frame in protocol.Frame if not frame & 0x80} == host
