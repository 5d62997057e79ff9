"""The linker's map: every byte of an output section once, whatever the map looks like."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench.images.map import Output, Piece, read

# As GNU ld 2.40 writes it: names that are too long for their column, equal strings that are kept once, fill, what the
# script puts down, an empty section, and a section that nobody named.
MAP = """\
Archive member included to satisfy reference by file (symbol)

lib/libc.a(memcpy.o)          model/kernels.c.obj (memcpy)

Discarded input sections

 .text          0x00000000       0x40 model/unused.c.obj

Memory Configuration

Name             Origin             Length             Attributes
code             0x00000000         0x00400000         xr

Linker script and memory map

LOAD model/kernels.c.obj
START GROUP
LOAD lib/libc.a
END GROUP

.hb_model       0x00001000       0x70
 *(.text .text.* .rodata .rodata.*)
 .text          0x00001000       0x10 model/my kernels (1).c.obj
                0x00001000                kernel
 .rodata.a_name_that_is_long
                0x00001010        0x9 lib/libx.a(conv.o)
                                 0x12 (size before relaxing)
 *fill*         0x00001019        0x3 00
 .rodata.str1.1
                0x0000101c        0x5 lib/libx.a(conv.o)
 .rodata.str1.1
                0x00001021       0x20 lib/libx.a(pool.o)
 .text.pool     0x00001021        0xf lib/libx.a(pool.o)
 .text.gone     0x00001030        0x0 lib/libx.a(pool.o)
                0x00001030                        . = ALIGN (0x4)
                0x00001030        0x4 LONG 0x20004000 ADDR (.hb_agent_data)
 .text.veneer   0x00001034       0x3c linker stubs

.hb_runtime_data
                0x20004008        0x8 load address 0x00005680
 *libc.a:*(.data .data.*)
 COMMON         0x20004008        0x8 lib/libc.a(memcpy.o)

.hb_runtime_bss
 *libc.a:*(.bss .bss.* COMMON)

.surprise       0x00002000        0x0

/DISCARD/
 *(.comment .note*)
OUTPUT(image.elf elf32-littlearm)
LOAD linker stubs

.comment        0x00000000       0x27
 .comment       0x00000000       0x27 model/kernels.c.obj
"""


def spans(output: Output) -> list[tuple[str, int]]:
    return [(f"{piece.origin} {piece.section}" if piece else "", size) for piece, size in output.spans()]


def test_every_kind_of_line_is_understood():
    model, data, surprise, comment = read(MAP)
    assert (model.name, model.address, model.size) == (".hb_model", 0x1000, 0x70)
    assert spans(model) == [
        ("model/my kernels (1).c.obj .text", 0x10),
        ("lib/libx.a(conv.o) .rodata.a_name_that_is_long", 0x9),
        ("", 0x3),
        ("lib/libx.a(conv.o) .rodata.str1.1", 0x5),
        ("lib/libx.a(pool.o) .text.pool", 0xF),
        ("", 0x4),
        ("linker stubs .text.veneer", 0x3C),
    ]
    assert (data.name, data.address, data.size) == (".hb_runtime_data", 0x20004008, 8)
    assert spans(data) == [("lib/libc.a(memcpy.o) COMMON", 8)]
    assert (surprise.name, surprise.size, spans(surprise)) == (".surprise", 0, [])
    assert comment.name == ".comment"


@pytest.mark.parametrize(
    "text", ["", "\n", MAP[: MAP.index("OUTPUT(")], MAP.replace("Linker script", "Something"), "\0"]
)
def test_what_is_no_map_or_is_cut_short_tells_nothing(text: str):
    assert read(text) == ()


def test_numbers_of_64_bits_are_read():
    wide = re.sub(r"0x([0-9a-f]{8})\b", r"0x00000000\1", MAP)
    assert [spans(output) for output in read(wide)] == [spans(output) for output in read(MAP)]


numbers = st.integers(0, 300)
outputs = st.builds(
    Output,
    st.just(".x"),
    numbers,
    numbers,
    st.lists(st.builds(Piece, st.sampled_from([".text", ".rodata"]), st.just("a.o"), numbers, numbers)).map(tuple),
)


@given(outputs)
def test_spans_cover_every_byte_once_whatever_the_pieces_claim(output: Output):
    found = list(output.spans())
    assert sum(size for _, size in found) == output.size
    assert all(size > 0 for _, size in found)
    assert all(size <= piece.size for piece, size in found if piece)


@given(st.lists(st.tuples(st.sampled_from(MAP.splitlines()), st.booleans())), st.text())
def test_a_map_with_lines_lost_doubled_or_out_of_order_is_no_error(lines: list[tuple[str, bool]], noise: str):
    text = "\n".join(line + noise if noisy else line for line, noisy in lines)
    for output in read(f"Linker script and memory map\n{text}\nOUTPUT(x)"):
        assert sum(size for _, size in output.spans()) == output.size


@given(st.data())
def test_a_damaged_map_is_no_error(data: st.DataObject):
    begin = data.draw(st.integers(0, len(MAP)))
    end = data.draw(st.integers(begin, len(MAP)))
    read(MAP[:begin] + data.draw(st.text(max_size=20)) + MAP[end:])
