"""The STM32 ports set the clocks of the board files, within what the manuals allow, and say so when they cannot."""

from __future__ import annotations

import ctypes
import re
import struct
import threading
import time
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from hilbench.catalog import board
from hilbench.counts import Probe
from hilbench.errors import BuildError, DeviceFault
from hilbench.link.client import Client
from hilbench.targets.qemu import Qemu, QemuSettings
from tests.firmware_images import answer, make, needs_qemu, running
from tests.soc_on_host import needs_cc, on_host
from tests.stm32_silicon import F405, F446, F746, FAMILIES, H743, HSI, L4R5, L476, MHZ, MSI, PLL, Limits, Silicon

BOARDS: dict[str, Limits] = {
    "netduinoplus2": F405,
    "stm32f4-discovery": F405,
    "nucleo-f446re": F446,
    "nucleo-l476rg": L476,
    "nucleo-l4r5zi": L4R5,
    "stm32f746g-disco": F746,
    "nucleo-h743zi": H743,
}
every_board = pytest.mark.parametrize("name", BOARDS)
one_of_each_uart = pytest.mark.parametrize("name", ["netduinoplus2", "nucleo-l4r5zi", "nucleo-h743zi"])
PIN = re.compile(r"P([A-K])(\d+)")


def silicon(name: str, folder: Path, clock_hz: int | None = None) -> Silicon:
    """The board's port, compiled for this computer, on a chip that has just been reset."""
    of = board(name).model_copy(update={"clock_hz": clock_hz or board(name).clock_hz})
    assert of.port is not None
    family = FAMILIES[of.port.name]
    defines = of.port.defines
    return family(
        on_host(of, folder).library,
        hse_hz=defines.get("hse_hz", 0),
        hse_bypass=bool(defines.get("hse_bypass", 0)),
        reset={**family.VALUES, defines["uart_base"] + (0 if of.port.name == "stm32f4" else 0x1C): 0xC0},
    )


def uart_baud(chip: Silicon, name: str) -> float:
    """What the UART's divider makes of the clock of its bus. "USART baud rate generation" of each manual."""
    of = board(name)
    assert of.port is not None
    base = of.port.defines["uart_base"]
    clock = getattr(chip.clocks(), FAMILIES[of.port.name].UART_CLOCK[base][2])
    divider = chip[base + (0x08 if of.port.name == "stm32f4" else 0x0C)]
    is_lpuart = base == 0x40008000
    assert (0x300 <= divider < 1 << 20) if is_lpuart else (16 <= divider < 1 << 16)
    return float(clock * (256 if is_lpuart else 1) / divider)


@needs_cc
@every_board
@pytest.mark.parametrize("after", ["a reset", "a boot loader"])
def test_the_core_runs_at_the_clock_of_the_board_file(name: str, after: str, tmp_path: Path) -> None:
    chip, limits = silicon(name, tmp_path), BOARDS[name]
    if after == "a boot loader":
        chip.boot_loader()  # type: ignore[attr-defined]
    chip.start()
    clocks = chip.clocks()
    assert clocks.source == PLL
    clock_hz = board(name).clock_hz
    assert clock_hz is not None
    msi = 1465 * 32_768 / 48e6 if "nucleo-l4" in name else 1.0  # locked to LSE: 0.011 % fast
    assert clocks.core == pytest.approx(clock_hz * msi, rel=1e-9)
    mhz = {key: getattr(clocks, key) / MHZ / 1.0002 for key in ("core", "flash", "apb1", "apb2", "pll_input", "vco")}
    assert mhz["core"] <= limits.core and mhz["apb1"] <= limits.apb1 and mhz["apb2"] <= limits.apb2
    assert limits.pll_input[0] <= clocks.pll_input / MHZ and mhz["pll_input"] <= limits.pll_input[1]
    assert limits.vco[0] <= mhz["vco"] <= limits.vco[1]


@needs_cc
@every_board
def test_flash_and_voltage_are_ready_before_the_clock_goes_up(name: str, tmp_path: Path) -> None:
    chip, limits = silicon(name, tmp_path), BOARDS[name]
    chip.start()
    clocks, at_switch = chip.clocks(), chip.at_switch
    assert at_switch is not None
    needed = next(states for mhz, states in limits.wait_states if clocks.flash / MHZ / 1.0002 <= mhz)
    assert chip.wait_states_at_switch == needed == chip.wait_states()
    assert at_switch.apb1 / MHZ <= limits.apb1 and at_switch.apb2 / MHZ <= limits.apb2
    if clocks.core / MHZ / 1.0002 > limits.boost_above:
        assert chip.boosted_at_switch and chip.boosted()
    if limits is L4R5:
        assert at_switch.core / MHZ / 1.0002 <= 60, "half speed for 1 us: RM0432, Dynamic voltage scaling management"


@needs_cc
@every_board
def test_what_makes_code_fast_is_on(name: str, tmp_path: Path) -> None:
    chip = silicon(name, tmp_path)
    chip.start()
    accelerator = chip.bits(chip.ACR, 8, 5)  # type: ignore[attr-defined]
    if BOARDS[name] in (F746, H743):
        assert ctypes.c_bool.in_dll(chip.library, "host_caches_on").value
    else:  # FLASH_ACR: PRFTEN, ICEN, DCEN, ICRST, DCRST; the L4's estimates are without prefetch
        assert accelerator == (0b00110 if BOARDS[name] in (L476, L4R5) else 0b00111)


@needs_cc
def test_prefetch_stays_off_where_it_does_not_work(tmp_path: Path) -> None:
    chip = silicon("stm32f4-discovery", tmp_path)
    chip[0xE0042000] = 0x20000411  # revision A: ES0182
    chip.start()
    assert chip.bits(0x40023C00, 8, 3) == 0b110


@needs_cc
@pytest.mark.parametrize(
    ("name", "device", "mhz", "scale_1"),
    [
        *(("stm32f4-discovery", device, 168, 0b01) for device in (0x411, 0x413)),
        *(("nucleo-f446re", 0x421, mhz, 0b11) for mhz in (120, 144, 168, 180)),
        ("stm32f746g-disco", 0x449, 216, 0b11),
    ],
)
@pytest.mark.parametrize("before", [0b00, 0b01, 0b10, 0b11])
def test_the_regulator_is_in_scale_1_whatever_it_was_in_before(
    name: str, device: int, mhz: int, scale_1: int, before: int, tmp_path: Path
) -> None:
    # "PWR power control register (PWR_CR)", VOS: one bit in RM0090 for F405 and F407, two in RM0390 and RM0385.
    chip = silicon(name, tmp_path, mhz * MHZ)
    chip[0xE0042000] = device  # DBGMCU_IDCODE
    chip.put(0x40007000, 14, 2, before)
    chip.start()
    assert chip.bits(0x40007000, 14, 2) == scale_1


@needs_cc
@every_board
def test_the_line_runs_at_its_baud_on_the_pins_that_the_board_file_tells(name: str, tmp_path: Path) -> None:
    of = board(name)
    assert of.port is not None and of.serial is not None
    family, base = FAMILIES[of.port.name], of.port.defines["uart_base"]
    chip = silicon(name, tmp_path)
    chip.start()
    assert uart_baud(chip, name) == pytest.approx(of.baud, rel=0.005)
    register, bit, _ = family.UART_CLOCK[base]
    assert chip.bits(register, bit, 1), "the UART's clock"
    cr1 = chip[base + (0x0C if of.port.name == "stm32f4" else 0)]
    enabled = 1 << (13 if of.port.name == "stm32f4" else 0)
    assert cr1 == enabled | 1 << 2 | 1 << 3 | 1 << 5, "UE, RE, TE, RXNEIE"
    pins = PIN.findall(of.serial.pins)
    assert len(pins) == 2 and re.search(r"\(TX\).*\(RX\)", of.serial.pins)
    for port, number in ((ord(letter) - ord("A"), int(digits)) for letter, digits in pins):
        gpio = family.GPIO + 0x400 * port
        assert chip.bits(family.GPIO_CLOCK, port, 1)
        assert chip.bits(gpio, 2 * number, 2) == 2, "MODER: alternate function"
        function = chip.bits(gpio + 0x20 + 4 * (number // 8), 4 * (number % 8), 4)
        assert function == (8 if base == 0x40008000 else 7)  # data sheets, "Alternate function"
    if "nucleo-l4r5zi" in name:
        assert chip.bits(0x40007004, 9, 1), "PWR_CR2.IOSV: port G has a supply of its own"


@needs_cc
@every_board
def test_the_trigger_is_the_pin_that_the_board_file_names(name: str, tmp_path: Path) -> None:
    of = board(name)
    assert of.port is not None
    family, chip = FAMILIES[of.port.name], silicon(name, tmp_path)
    ((letter, number),) = PIN.findall(of.trigger)
    port, bit = ord(letter) - ord("A"), int(number)
    gpio = family.GPIO + 0x400 * port
    chip.start()
    assert chip.bits(family.GPIO_CLOCK, port, 1) and chip.bits(gpio, 2 * bit, 2) == 1
    assert chip[gpio + 0x18] == 1 << (16 + bit), "low from the start"
    chip.library.hb_port_trigger(1)
    assert chip[gpio + 0x18] == 1 << bit
    chip.library.hb_port_trigger(0)
    assert chip[gpio + 0x18] == 1 << (16 + bit)


@needs_cc
@every_board
def test_a_clock_that_does_not_start_is_a_fault_told_at_the_right_baud(name: str, tmp_path: Path) -> None:
    chip = silicon(name, tmp_path)
    chip.oscillates = False
    assert chip.traps()
    clocks = chip.clocks()
    assert clocks.source in (HSI, MSI)
    # The L4's 4 MHz give 0.8 %.
    assert uart_baud(chip, name) == pytest.approx(board(name).baud, rel=0.01)


@needs_cc
@one_of_each_uart
def test_an_overrun_is_counted_and_does_not_interrupt_for_ever(name: str, tmp_path: Path) -> None:
    of = board(name)
    assert of.port is not None
    chip, base, first = silicon(name, tmp_path), of.port.defines["uart_base"], of.port.name == "stm32f4"
    status, data, clear = (base, base + 4, 0) if first else (base + 0x1C, base + 0x24, base + 0x20)
    chip.start()
    overruns = ctypes.c_uint32.in_dll(chip.library, "soc_uart_overruns")
    chip[data], chip[status] = ord("x"), 1 << 3 | 1 << 5  # ORE, RXNE
    handler = threading.Thread(target=chip.library.hb_port_uart_interrupt)
    handler.start()
    deadline = time.monotonic() + 10
    while overruns.value == 0 and time.monotonic() < deadline:
        time.sleep(0.001)
    chip[status] = 0xC0  # on silicon: DR was read, or ORECF written
    handler.join(10)
    assert not handler.is_alive()
    assert overruns.value > 0
    assert chip.received()[:1] == b"x"
    if not first:
        assert chip[clear] == 1 << 3


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("hse_hz", 8_500_000, "no whole number of MHz"),
        ("uart_base", 0x40005000, "uart_base of the board file is none of"),
    ],
)
@needs_qemu
def test_a_board_file_that_the_chip_cannot_follow_does_not_build(
    key: str, value: int, said: str, image_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = board("netduinoplus2")
    assert of.port is not None
    port = of.port.model_copy(update={"defines": {**of.port.defines, key: value}})
    monkeypatch.setattr("tests.firmware_images.board", lambda name: of.model_copy(update={"port": port}))
    with pytest.raises(BuildError, match=said):
        make("netduinoplus2", image_cache, "echo")


def counted(machine: str, image_cache: Path, inputs: list[bytes]) -> tuple[list[bytes], list[int]]:
    """The outputs of the model `echo`, and the instructions of each of its windows."""
    image = make(machine, image_cache, "echo", turns=100)
    with Qemu().count(image.path, board(machine), QemuSettings(machine=machine), Probe()) as run:
        client = Client(run.stream, timeout_s=20)
        client.hello(within_s=10)
        found = list(client.infer(inputs, repeats=2, depth=1))
        times = [time for one in found for times in one.times for time in times]
        assert all(times) if machine == "mps2-an386" else not any(times), (
            "no cycle counter on QEMU: nothing, not nonsense"
        )
        return [one.output for one in found], [window.instructions for window in run.windows()]


@needs_qemu
@needs_cc
def test_on_qemu_outputs_and_counts_are_those_of_the_machine_that_counts(image_cache: Path) -> None:
    inputs = [bytes(range(first, first + 64)) for first in range(5)]
    outputs, windows = counted("netduinoplus2", image_cache, inputs)
    assert outputs == [answer(data, 12) for data in inputs]
    assert (outputs, windows) == counted("mps2-an386", image_cache, inputs)
    assert len(windows) == 5 * 2 * 3


@needs_qemu
def test_on_qemu_a_fault_is_told_with_its_place(image_cache: Path) -> None:
    image = make("netduinoplus2", image_cache, "faults")
    with image.path.open("rb") as file:
        symbols = ELFFile(file).get_section_by_name(".symtab")
        places = [
            int(symbols.get_symbol_by_name(name)[0]["st_value"]) for name in ("fault_null_write", "fault_undefined")
        ]
    for kind, place in enumerate(places, 1):
        with running(image) as bench, pytest.raises(DeviceFault) as caught:
            list(bench.client.infer([struct.pack("<I60x", kind)]))
        assert caught.value.registers["pc"] == place


INTERRUPTS = {"netduinoplus2": (37, 82), "stm32f4-discovery": (38, 82), "nucleo-f446re": (38, 97),
              "nucleo-l476rg": (38, 82), "nucleo-l4r5zi": (70, 95), "stm32f746g-disco": (37, 98),
              "nucleo-h743zi": (39, 150)}  # fmt: skip
"""The UART's interrupt, and how many there are: "Interrupt and exception vectors" of each manual."""


@needs_qemu
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n != "nucleo-l4r5zi" else n for n in BOARDS]
)
def test_the_uarts_vector_is_where_the_manual_has_its_interrupt(name: str, image_cache: Path) -> None:
    with make(name, image_cache, "echo").path.open("rb") as file:
        elf = ELFFile(file)
        (handler,) = elf.get_section_by_name(".symtab").get_symbol_by_name("hb_port_uart_interrupt")
        vectors = elf.get_section_by_name(".vectors").data()
    words = struct.unpack(f"<{len(vectors) // 4}I", vectors)
    uart, interrupts = INTERRUPTS[name]
    assert [index for index, word in enumerate(words) if word == handler["st_value"]] == [16 + uart]
    assert len(words) >= 16 + interrupts
