"""Every board with a port of its own: its image lies where the board has memory, its vectors lead where they must, its
clocks and its line run as its file says. What silicon would do is played by `soc_on_host`."""

from __future__ import annotations

import ctypes
import re
import struct
from dataclasses import dataclass
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from hilbench import bench, catalog
from hilbench.catalog.board import Board
from hilbench.errors import BuildError, DeviceFault, TargetCrashed
from hilbench.images.image import Image
from tests.firmware_images import answer, make, needs_qemu, running
from tests.soc_on_host import Soc, needs_cc, on_host
from tests.test_end_to_end import plan

PORTED = {
    name: board for name, board in catalog.boards().items() if board.port is not None and not board.core_info.is_host
}
FAST = ("microbit", "nano33", "pico")
every_board = pytest.mark.parametrize(
    "name", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in sorted(PORTED)]
)
INTERRUPTS = {"microbit": (2, 26), "nano33": (2, 48), "nrf52840-dk": (2, 48), "pico": (20, 26)}
"""The UART's interrupt, and how many there are: nrfx's mdk/nrf51.h and nrf52840.h, pico-sdk's regs/intctrl.h."""
PEND_SV = 14
BOOT_BYTES = 256


@dataclass(frozen=True)
class Built:
    """An image's ELF, read."""

    board: Board
    symbols: dict[str, int]
    sections: dict[str, tuple[int, bytes]]
    segments: tuple[tuple[int, int, int, int], ...]

    def words(self, name: str, symbol: str) -> tuple[int, ...]:
        """Return the words of a section from a symbol on."""
        base, data = self.sections[name]
        data = data[self.symbols[symbol] - base :]
        return struct.unpack(f"<{len(data) // 4}I", data)


@pytest.fixture
def built(name: str, image_cache: Path) -> Built:
    with make(name, image_cache, "echo").path.open("rb") as file:
        elf = ELFFile(file)
        symbols = {s.name: s["st_value"] for s in elf.get_section_by_name(".symtab").iter_symbols()}
        sections = {s.name: (s["sh_addr"], s.data()) for s in elf.iter_sections() if s["sh_flags"] & 2}
        loaded = (s for s in elf.iter_segments() if s["p_type"] == "PT_LOAD" and s["p_memsz"])
        segments = tuple((s["p_paddr"], s["p_filesz"], s["p_vaddr"], s["p_memsz"]) for s in loaded)
    return Built(PORTED[name], symbols, sections, segments)


@needs_qemu
@every_board
def test_all_that_is_loaded_or_used_is_in_the_boards_memories(built: Built) -> None:
    memory = built.board.memory
    assert memory is not None
    for paddr, filesz, vaddr, memsz in built.segments:
        region = memory.code if vaddr < memory.code.end and vaddr >= memory.code.base else memory.data
        assert region.base <= vaddr
        assert vaddr + memsz <= region.end
        assert filesz == 0 or memory.code.base <= paddr
        assert filesz == 0 or paddr + filesz <= memory.code.end


@needs_qemu
@every_board
def test_below_the_models_stack_there_is_no_memory(built: Built) -> None:
    assert built.board.memory is not None
    data, stack = built.board.memory.data, built.board.memory.stack
    assert built.symbols["hb_port_stack_bottom"] == data.base
    assert built.symbols["hb_port_stack_top"] == data.base + stack
    others = [region for region in (built.board.memory.code,) if region.end > data.base - 64 * 1024]
    assert all(region.base >= data.end for region in others)


@needs_qemu
@every_board
def test_every_vector_leads_to_its_handler(name: str, built: Built) -> None:
    stack, reset, *vectors = built.words(".vectors", "hb_vectors")
    assert stack == built.symbols["hb_port_handler_stack_top"]
    assert stack % 8 == 0
    assert reset == built.symbols["Reset_Handler"] | 1
    service, uart, fault = (built.symbols[s] | 1 for s in ("hb_agent_service", "hb_port_uart_interrupt", "fault_entry"))
    slots = {index + 2: vector for index, vector in enumerate(vectors)}
    assert slots.pop(PEND_SV) == service
    (at,) = (index for index, vector in slots.items() if vector == uart)
    assert at >= 16
    del slots[at]
    assert set(slots.values()) <= {fault}
    if name in INTERRUPTS:
        irq, interrupts = INTERRUPTS[name]
        assert at == 16 + irq
        assert len(vectors) + 2 >= 16 + interrupts


@needs_qemu
@every_board
def test_the_vectors_are_aligned_as_vtor_needs_it(built: Built) -> None:
    table = 4 * len(built.words(".vectors", "hb_vectors"))
    alignment = max(128, 1 << (table - 1).bit_length())  # Armv7-M ARM DDI 0403E, B3.2.5
    assert built.symbols["hb_vectors"] % alignment == 0


@needs_qemu
@every_board
def test_digits_fits_with_room_to_spare(name: str) -> None:
    pytest.importorskip("tvm")
    memory = PORTED[name].memory
    assert memory is not None
    sizes = bench.built_image(plan(name)).elf.sizes()
    assert sizes.flash_model + sizes.flash_agent < memory.code.size // 4
    assert sizes.ram_model + sizes.ram_agent + sizes.stack_reserved < memory.data.size * 3 // 4


# ---- the SoCs' registers, by their manuals

CLOCK_HFCLKRUN, CLOCK_HFCLKSTAT = 0x40000408, 0x4000040C


@pytest.fixture
def soc(name: str, tmp_path: Path) -> Soc:
    started = on_host(PORTED[name], tmp_path)
    started.start()
    return started


def pins(board: Board, text: str) -> list[int]:
    """Return the pins that a board file tells its reader, as its port is told them."""
    return [int(port) * 32 + int(pin) for port, pin in re.findall(r"\bP(\d)\.(\d\d)\b", text)]


@needs_cc
@pytest.mark.parametrize("name", ["microbit", "nano33", "nrf52840-dk"])
def test_an_nrf_runs_from_its_crystal_with_its_line_on_the_boards_pins(name: str, soc: Soc) -> None:
    board = PORTED[name]
    assert board.serial is not None
    assert soc[0x40000000] == 1  # HFCLKSTART
    assert (CLOCK_HFCLKSTAT, 1, 1) in soc.awaited
    assert soc[0x4001E540] == (1 if board.core == "cortex-m4f" else 0)  # NVMC.ICACHECNF
    tx, rx = pins(board, board.serial.pins)
    (trigger,) = pins(board, board.trigger)
    assert (soc[0x4000250C], soc[0x40002514]) == (tx, rx)  # PSELTXD, PSELRXD
    assert soc[0x40002508] == soc[0x40002510] == 0xFFFFFFFF  # RTS, CTS: none
    assert soc[0x40002500] == 4  # ENABLE
    for pin in (tx, trigger):
        assert soc[cnf(pin)] & 3 == 3, "an output"
    assert soc[cnf(rx)] == 3 << 2, "an input, pulled up"
    assert soc[gpio(trigger, 0x50C)] == 1 << trigger % 32  # OUTCLR
    soc.library.hb_port_trigger(1)
    assert soc[gpio(trigger, 0x508)] & 1 << trigger % 32  # OUTSET


@needs_cc
@pytest.mark.parametrize("name", ["microbit", "nano33"])
@pytest.mark.parametrize("left", [{}, {0x40000100: 1}], ids=["", "after a boot loader"])  # HFCLKSTARTED
def test_an_nrf_without_its_crystal_tells_so_on_an_open_line(name: str, left: dict[int, int], tmp_path: Path) -> None:
    soc = on_host(PORTED[name], tmp_path)
    soc[CLOCK_HFCLKRUN], soc[CLOCK_HFCLKSTAT] = 1, 1 << 16  # asked for; what runs is the RC oscillator
    for address, value in left.items():
        soc[address] = value
    soc.stuck = {CLOCK_HFCLKSTAT}
    assert soc.traps()
    assert (soc[0x40002008], soc[0x40002500]) == (1, 4)  # STARTTX, ENABLE
    assert soc[0x40002524] == 0x01D7E000  # 115200 baud


class WithoutClocks(Soc):
    """An emulator: what is written to the RP2040's XOSC is gone, and nothing that is waited for comes."""

    def _awaits(self, address: int, mask: int, value: int) -> None:
        self[0x40024000] = 0


@needs_cc
@pytest.mark.parametrize("name", ["microbit", "nano33", "pico"])
def test_a_port_goes_on_where_an_emulator_has_no_clocks(name: str, tmp_path: Path) -> None:
    assert not WithoutClocks(on_host(PORTED[name], tmp_path).library).traps()


@needs_cc
@pytest.mark.parametrize(
    ("stuck", "ref", "hz"),
    [(0x40024004, 0, 6_500_000), (0x40028000, 2, 12_000_000)],
    ids=["no crystal", "no PLL"],  # XOSC_STATUS, PLL_CS
)
def test_an_rp2040_whose_clock_does_not_start_tells_so_on_an_open_line(
    stuck: int, ref: int, hz: int, tmp_path: Path
) -> None:
    soc = on_host(PORTED["pico"], tmp_path)
    soc.stuck = {stuck}
    assert soc.traps()
    assert (soc[0x40008030], soc[0x4000803C]) == (ref, 0), "the core never leaves a clock that runs"
    baud = hz * 4 / (soc[0x40034024] * 64 + soc[0x40034028])
    assert baud == pytest.approx(PORTED["pico"].baud, rel=0.02)
    assert soc[0x40034030] == 0x101  # CR: on, TX


def gpio(pin: int, register: int) -> int:
    return 0x50000000 + 0x300 * (pin // 32) + register


def cnf(pin: int) -> int:
    return gpio(pin, 0x700 + 4 * (pin % 32))


# nRF52840 Product Specification 1.7, UART, BAUDRATE.
@needs_cc
@pytest.mark.parametrize(
    ("baud", "register"),
    [(9600, 0x00275000), (57600, 0x00EBF000), (115200, 0x01D7E000), (230400, 0x03AFB000), (1000000, 0x10000000)],
)
def test_an_nrfs_baud_is_the_one_that_nordic_lists(baud: int, register: int, tmp_path: Path) -> None:
    soc = on_host(at_baud("nano33", baud), tmp_path)
    soc.start()
    assert soc[0x40002524] == register


@needs_qemu
@pytest.mark.parametrize(("name", "baud"), [("nano33", 921600), ("microbit", 2000000), ("pico", 10000000)])
def test_a_baud_that_the_uart_cannot_have_does_not_build(name: str, baud: int, image_cache: Path, monkeypatch) -> None:
    monkeypatch.setattr("tests.firmware_images.board", lambda name: at_baud(name, baud))
    with pytest.raises(BuildError, match="baud: the UART"):
        make(name, image_cache, "echo")


def at_baud(name: str, baud: int) -> Board:
    board = PORTED[name]
    assert board.serial is not None
    return board.model_copy(update={"serial": board.serial.model_copy(update={"baud": baud})})


@needs_cc
@pytest.mark.parametrize("name", ["pico"])
def test_an_rp2040_runs_from_its_pll_at_the_boards_clock(name: str, soc: Soc) -> None:
    pll, clear = 0x40028000, 0x3000
    fbdiv, post = soc[pll + 8], soc[pll + 12]
    hz = 12_000_000 // (soc[pll] & 63) * fbdiv // ((post >> 16 & 7) * (post >> 12 & 7))
    assert hz == PORTED[name].clock_hz
    assert soc[pll + clear + 4] & 0x29 == 0x08  # PWR: POSTDIVPD was cleared last, after PD and VCOPD
    assert [address for address, _, _ in soc.awaited] == [
        *(0x40008044, 0x40008038, 0x4000C008),  # off the PLL: CLK_SYS_SELECTED, CLK_REF_SELECTED, RESET_DONE
        *(0x40024004, 0x40008038),  # the crystal: XOSC_STATUS, CLK_REF_SELECTED
        *(0x40028000, 0x40008044),  # the PLL: PLL_CS, CLK_SYS_SELECTED
    ]
    assert (soc[0x40008030], soc[0x4000803C], soc[0x40008048]) == (2, 1, 1 << 11)  # REF: crystal, SYS: PLL, PERI: SYS
    assert soc[0x4005802C] == 1 << 9 | 12  # WATCHDOG_TICK: 12 MHz / 12
    baud = hz * 4 / (soc[0x40034024] * 64 + soc[0x40034028])
    assert baud == pytest.approx(PORTED[name].baud, rel=0.02)
    assert (soc[0x40014004], soc[0x4001400C], soc[0x40014014]) == (2, 2, 5)  # GP0, GP1: UART; GP2: SIO
    assert soc[0x40034030] == 0x301  # CR: on, TX, RX


class Instant(ctypes.Structure):
    _fields_ = (("systick", ctypes.c_uint32), ("us", ctypes.c_uint64))


@needs_cc
@pytest.mark.parametrize("name", ["pico"])
@pytest.mark.parametrize(
    "cycles", [0, 1, 700, (1 << 24) - 1, 1 << 24, (1 << 24) + 1, 5 * (1 << 24) - 300, 125_000_000 * 3600]
)
@pytest.mark.parametrize("begin", [0, 5, 0xFFFFFF])
def test_an_rp2040_counts_windows_of_any_length_to_the_cycle(soc: Soc, cycles: int, begin: int) -> None:
    elapsed = soc.library.hb_soc_elapsed
    elapsed.restype = ctypes.c_int64
    for phase in (0, 60, 124):  # of the microsecond in which the window opens
        us = (cycles + phase) // 125
        first, last = Instant(begin, 7), Instant((begin - cycles) % (1 << 24), 7 + us)
        assert elapsed(ctypes.byref(first), ctypes.byref(last)) == cycles


class Cycles(ctypes.Structure):
    _fields_ = (("cycles", ctypes.c_uint32), ("found_on", ctypes.c_bool), ("left_on", ctypes.c_bool))


DEMCR, DWT_CTRL, DWT_CYCCNT = 0xE000EDFC, 0xE0001000, 0xE0001004
TRCENA, CYCCNTENA = 1 << 24, 1


def window(soc: Soc, meanwhile: dict[int, int]) -> tuple[int, bool]:
    """Return the cycles of a window in which `meanwhile` was written to registers, and whether the clock held."""
    begin, end = Cycles(), Cycles()
    soc.library.hb_soc_read_clock(ctypes.byref(begin))
    for address, value in meanwhile.items():
        soc[address] = value
    soc.library.hb_soc_read_clock(ctypes.byref(end))
    soc.library.hb_soc_elapsed.restype = ctypes.c_int64
    cycles = soc.library.hb_soc_elapsed(ctypes.byref(begin), ctypes.byref(end))
    soc.library.hb_port_clock_held.restype = ctypes.c_bool
    return cycles, soc.library.hb_port_clock_held()


@needs_cc
@pytest.mark.parametrize("name", ["nano33", "nucleo-h743zi"])
def test_a_window_in_which_a_debugger_stopped_the_counter_is_not_believed(soc: Soc) -> None:
    soc[DWT_CYCCNT] = 0xFFFFFFF0
    assert window(soc, {DWT_CYCCNT: 0x10}) == (0x20, True)
    assert window(soc, {DEMCR: 0})[1] is False
    assert (soc[DEMCR] & TRCENA, soc[DWT_CTRL] & 1) == (TRCENA, CYCCNTENA), "on again"
    assert window(soc, {})[1] is True, "it is told once"
    assert window(soc, {DWT_CTRL: 0})[1] is False
    soc[DEMCR] = soc[DWT_CTRL] = 0
    assert window(soc, {})[1] is True, "between two windows it may stop"


@needs_cc
@pytest.mark.parametrize("name", ["nano33"])
def test_an_emulator_without_a_counter_is_believed(soc: Soc) -> None:
    nothing = Cycles(0, False, False)
    soc.library.hb_soc_elapsed(ctypes.byref(nothing), ctypes.byref(nothing))
    assert window(soc, {})[1] is True


@needs_qemu
def test_a_sample_whose_clock_was_stopped_is_measured_again(image_cache: Path) -> None:
    with running(make("mps2-an386", image_cache, "clock_stops")) as board:
        inputs = [bytes([k] * 64) for k in range(3)]
        found = list(board.client.infer(inputs, depth=1))
    assert [one.output for one in found] == [answer(data, 12) for data in inputs]
    assert [one.invocation for one in found] == [0, 2, 3], "the second of them was run twice"


@needs_qemu
@pytest.mark.parametrize("name", ["pico"])
def test_an_rp2040s_boot_rom_takes_its_second_stage(built: Built) -> None:
    base, data = built.sections[".vectors"]
    assert built.board.memory is not None
    assert base == built.symbols["hb_boot"] & ~1 == built.board.memory.code.base
    assert built.symbols["hb_vectors"] == base + BOOT_BYTES
    crc = 0xFFFFFFFF  # RP2040 datasheet, 2.8.1.3.1
    for byte in data[: BOOT_BYTES - 4]:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 1 << 31 else 0)) & 0xFFFFFFFF
    assert struct.unpack_from("<I", data, BOOT_BYTES - 4) == (crc,)


# ---- an Armv6-M core, on QEMU's micro:bit


@needs_qemu
@pytest.mark.slow
@pytest.mark.parametrize("codegen", ["c", "llvm"])
def test_digits_on_a_small_core_gives_the_outputs_of_the_reference(codegen: str) -> None:
    pytest.importorskip("tvm")
    record = bench.run(plan("microbit", options=(("codegen", codegen),)))
    assert record.metrics["fidelity_lsb"].value == 0
    assert record.metrics["instructions"].basis == "counted"
    assert record.metrics["instructions"].min > 500_000
    assert 0 < record.metrics["stack"].value < 1024


@needs_qemu
def test_sixteen_kilobytes_are_enough(image_cache: Path) -> None:
    data = PORTED["microbit"].memory.data  # type: ignore[union-attr]
    sizes = make("microbit", image_cache, "echo").elf.sizes()
    assert sizes.ram_agent + sizes.stack_reserved <= data.size // 2


@needs_qemu
def test_a_fault_of_an_armv6_m_core_is_told_with_its_place(image_cache: Path) -> None:
    image = make("microbit", image_cache, "faults")
    with running(image) as board, pytest.raises(DeviceFault) as caught:
        list(board.client.infer([b"\2" + bytes(63)]))
    registers = caught.value.registers
    assert registers["pc"] == image.elf.symbol("fault_undefined")
    assert (registers["cfsr"], registers["hfsr"]) == (0, 0), "it has no such registers"
    assert symbol(image, "hb_port_stack_bottom") < registers["sp"] < symbol(image, "hb_port_stack_top")


@needs_qemu
def test_a_stack_overflow_of_an_armv6_m_core_is_a_fault(image_cache: Path) -> None:
    image = make("microbit", image_cache, "faults")
    with running(image) as board, pytest.raises(DeviceFault) as caught:
        list(board.client.infer([b"\4" + bytes(63)]))
    assert abs(caught.value.registers["sp"] - symbol(image, "hb_port_stack_bottom")) < 256


def symbol(image: Image, name: str) -> int:
    address = image.elf.symbol(name)
    assert address is not None
    return address


@needs_qemu
def test_inputs_and_outputs_of_many_small_chunks_are_whole(image_cache: Path) -> None:
    with running(make("microbit", image_cache, "echo", input_bytes=1500, output_bytes=700)) as board:
        inputs = [bytes((index + k) % 256 for k in range(1500)) for index in range(12)]
        found = list(board.client.infer(inputs, repeats=2))
    assert [one.output for one in found] == [answer(data, 700) for data in inputs]


@needs_qemu
def test_a_stack_that_ends_on_a_small_core_is_an_error(image_cache: Path) -> None:
    with (
        running(make("microbit", image_cache, "stack")) as board,
        pytest.raises(TargetCrashed, match="overflowed its stack"),
    ):
        list(board.client.infer([struct.pack("<H", size) + bytes(62) for size in range(2700, 3072, 8)]))
