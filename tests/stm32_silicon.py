"""STM32 clock trees as the reference manuals describe them: flags that follow what is on, and what the registers say.

For a port that `soc_on_host` runs. Nothing here comes from the firmware: addresses, fields and limits are the manuals'.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from tests.soc_on_host import Soc

HSI, HSE, MSI, PLL = "HSI", "HSE", "MSI", "PLL"
MHZ = 1_000_000
Buses = dict[int, tuple[int, int, str]]
"""UARTs: the register that clocks each, the bit there, and the bus."""


@dataclass(frozen=True)
class Clocks:
    """What a clock tree is set to: hertz, and the clock that drives the SoC."""

    source: str
    core: float
    flash: float
    apb1: float
    apb2: float
    pll_input: float
    vco: float


@dataclass
class Silicon(Soc):
    """A chip: its reset values, an external clock of `hse_hz` (bypass or crystal), and flags that follow."""

    hse_hz: float = 0
    hse_bypass: bool = False
    oscillates: bool = True
    at_switch: Clocks | None = None
    wait_states_at_switch: int = -1
    boosted_at_switch: bool = False
    reset: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        for address, value in self.reset.items():
            self[address] = value

    def start(self) -> None:
        """Do as `Soc.start`, unless the clocks did not start, which would trap."""
        self.library.hb_soc_start()
        assert self.library.soc_is_at_speed() & 1, "the port has given up: it would trap"
        self.library.hb_soc_open_line()
        self.library.hb_soc_listen()

    def _awaits(self, address: int, mask: int, value: int) -> None:
        self.awaited.append((address, mask, value))
        self.follow()

    def bits(self, address: int, shift: int, width: int) -> int:
        return self[address] >> shift & ((1 << width) - 1)

    def put(self, address: int, shift: int, width: int, value: int) -> None:
        mask = ((1 << width) - 1) << shift
        self[address] = self[address] & ~mask | value << shift

    def follow(self) -> None:
        """Let the flags follow."""
        raise NotImplementedError

    def clocks(self) -> Clocks:
        """Return what the registers say."""
        raise NotImplementedError

    def hse_runs(self, cr: int) -> bool:
        """HSEON, HSEBYP of RCC_CR: 16 and 18 in all families."""
        return self.oscillates and bool(self.bits(cr, 16, 1)) and bool(self.bits(cr, 18, 1)) == self.hse_bypass

    def switches(self) -> None:
        """Remember how all was set when the PLL began to drive the SoC."""
        self.at_switch = self.clocks()
        self.wait_states_at_switch = self.wait_states()
        self.boosted_at_switch = self.boosted()

    def wait_states(self) -> int:
        raise NotImplementedError

    def boosted(self) -> bool:
        raise NotImplementedError


def ahb(code: int) -> int:
    """HPRE, in every family's RCC_CFGR: 0xxx is 1, 1000 is 2, 1001 is 4, ..., without 32."""
    return 1 if code < 8 else (2, 4, 8, 16, 64, 128, 256, 512)[code - 8]


def apb(code: int) -> int:
    """PPRE: 0xx is 1, 100 is 2, 101 is 4, ..."""
    return 1 if code < 4 else 2 << (code - 4)


class F4F7(Silicon):
    """RM0090, RM0390 and RM0385, "RCC registers", "PWR registers", "FLASH_ACR"."""

    CR, PLLCFGR, CFGR, PWR_CR, PWR_CSR, ACR = 0x40023800, 0x40023804, 0x40023808, 0x40007000, 0x40007004, 0x40023C00
    UART_CLOCK: ClassVar[Buses] = {
        0x40011000: (0x40023844, 4, "apb2"),
        0x40004400: (0x40023840, 17, "apb1"),
    }
    GPIO, GPIO_CLOCK = 0x40020000, 0x40023830
    VALUES: ClassVar[dict[int, int]] = {CR: 0x83, PLLCFGR: 0x24003010, PWR_CR: 0xC000, PWR_CSR: 0x4000}

    def follow(self) -> None:
        self.put(self.CR, 1, 1, self.bits(self.CR, 0, 1))
        self.put(self.CR, 17, 1, self.hse_runs(self.CR))
        from_hse = self.bits(self.PLLCFGR, 22, 1)
        feeds = self.bits(self.CR, 17, 1) if from_hse else self.bits(self.CR, 1, 1)
        self.put(self.CR, 25, 1, self.bits(self.CR, 24, 1) and feeds)
        self.put(self.PWR_CSR, 16, 1, self.bits(self.PWR_CR, 16, 1) and self.bits(self.CR, 24, 1))
        self.put(self.PWR_CSR, 17, 1, self.bits(self.PWR_CR, 17, 1) and self.bits(self.PWR_CSR, 16, 1))
        wanted = self.bits(self.CFGR, 0, 2)
        if self.bits(self.CR, (1, 17, 25)[wanted], 1) and wanted != self.bits(self.CFGR, 2, 2):
            self.put(self.CFGR, 2, 2, wanted)
            if wanted == 2:
                self.switches()

    def clocks(self) -> Clocks:
        pll = self[self.PLLCFGR]
        pll_input = (self.hse_hz if pll >> 22 & 1 else 16 * MHZ) / (pll & 63)
        vco = pll_input * (pll >> 6 & 511)
        source = (HSI, HSE, PLL)[self.bits(self.CFGR, 2, 2)]
        system = {HSI: 16 * MHZ, HSE: self.hse_hz, PLL: vco / (2 * (pll >> 16 & 3) + 2)}[source]
        core = system / ahb(self.bits(self.CFGR, 4, 4))
        apb1, apb2 = core / apb(self.bits(self.CFGR, 10, 3)), core / apb(self.bits(self.CFGR, 13, 3))
        return Clocks(source, core, core, apb1, apb2, pll_input, vco)

    def wait_states(self) -> int:
        return self.bits(self.ACR, 0, 4)

    def boosted(self) -> bool:
        return self.bits(self.PWR_CSR, 16, 2) == 3

    def boot_loader(self) -> None:
        """PLL on HSE, as a USB boot loader leaves it that takes HSE for the other kind."""
        self[self.CR] = 0x03030083 | (not self.hse_bypass) << 18
        self[self.PLLCFGR] = 0x24403C08
        self[self.CFGR] = 0x0000940A
        self[self.ACR] = 0x705


class L4(Silicon):
    """RM0351 and RM0432, "RCC registers", "PWR registers", "FLASH_ACR"; LSE is the crystal."""

    CR, CFGR, PLLCFGR, BDCR, ACR = 0x40021000, 0x40021008, 0x4002100C, 0x40021090, 0x40022000
    PWR_CR1, PWR_CR2, PWR_CR5 = 0x40007000, 0x40007004, 0x40007080
    UART_CLOCK: ClassVar[Buses] = {
        0x40004400: (0x40021058, 17, "apb1"),
        0x40008000: (0x4002105C, 0, "apb1"),
    }
    GPIO, GPIO_CLOCK = 0x48000000, 0x4002104C
    VALUES: ClassVar[dict[int, int]] = {CR: 0x63, PLLCFGR: 0x1000, ACR: 0x600, PWR_CR1: 0x200, PWR_CR5: 0x100}
    LSE_HZ = 32_768
    # "MSI clock"; locked, it is a multiple of LSE: data sheets, "MSI oscillator characteristics".
    RANGES: ClassVar[dict[int, tuple[float, int]]] = {6: (4 * MHZ, 122), 11: (48 * MHZ, 1465)}

    def follow(self) -> None:
        self.put(self.CR, 1, 1, self.bits(self.CR, 0, 1))
        self.put(self.BDCR, 1, 1, self.bits(self.BDCR, 0, 1) and self.bits(self.PWR_CR1, 8, 1) and self.oscillates)
        self.put(self.CR, 25, 1, self.bits(self.CR, 24, 1) and self.bits(self.PLLCFGR, 0, 2) == 1)
        wanted = self.bits(self.CFGR, 0, 2)
        if self.bits(self.CR, (1, 10, 17, 25)[wanted], 1) and wanted != self.bits(self.CFGR, 2, 2):
            self.put(self.CFGR, 2, 2, wanted)
            if wanted == 3:
                self.switches()

    def msi(self) -> float:
        """By RCC_CR's range only where MSIRGSEL says so; locked by MSIPLLEN, for which LSE must run."""
        nominal, multiple = self.RANGES[self.bits(self.CR, 4, 4) if self.bits(self.CR, 3, 1) else 6]
        locked = self.bits(self.CR, 2, 1) and self.bits(self.BDCR, 1, 1)
        return multiple * self.LSE_HZ if locked else nominal

    def clocks(self) -> Clocks:
        pll = self[self.PLLCFGR]
        pll_input = self.msi() / ((pll >> 4 & 15) + 1)
        vco = pll_input * (pll >> 8 & 127)
        source = {0: MSI, 3: PLL}[self.bits(self.CFGR, 2, 2)]
        assert source == MSI or pll >> 24 & 1, "PLLREN"
        system = self.msi() if source == MSI else vco / (2 * (pll >> 25 & 3) + 2)
        core = system / ahb(self.bits(self.CFGR, 4, 4))
        apb1, apb2 = core / apb(self.bits(self.CFGR, 8, 3)), core / apb(self.bits(self.CFGR, 11, 3))
        return Clocks(source, core, core, apb1, apb2, pll_input, vco)

    def wait_states(self) -> int:
        return self.bits(self.ACR, 0, 4)

    def boosted(self) -> bool:
        return self.bits(self.PWR_CR5, 8, 1) == 0

    def boot_loader(self) -> None:
        """PLL on MSI, at 72 MHz."""
        self[self.CR] = 0x03000063
        self[self.PLLCFGR] = 0x01002401
        self[self.CFGR] = 0x0000000F
        self[self.ACR] = 0x604


class H7(Silicon):
    """RM0433, "RCC registers", "PWR registers", "FLASH_ACR"."""

    CR, CFGR, D1CFGR, D2CFGR = 0x58024400, 0x58024410, 0x58024418, 0x5802441C
    PLLCKSELR, PLLCFGR, PLL1DIVR = 0x58024428, 0x5802442C, 0x58024430
    PWR_CSR1, PWR_CR3, PWR_D3CR, ACR = 0x58024804, 0x5802480C, 0x58024818, 0x52002000
    UART_CLOCK: ClassVar[Buses] = {0x40004800: (0x580244E8, 18, "apb1")}
    GPIO, GPIO_CLOCK = 0x58020000, 0x580244E0
    VALUES: ClassVar[dict[int, int]] = {
        CR: 0x5, PLLCKSELR: 0x02020200, PLLCFGR: 0x01FF0000, PLL1DIVR: 0x01010280,
        PWR_CSR1: 0x4000, PWR_CR3: 0x6, PWR_D3CR: 0x4000, ACR: 0x37,
    }  # fmt: skip

    def follow(self) -> None:
        self.put(self.CR, 2, 1, self.bits(self.CR, 0, 1))
        self.put(self.CR, 17, 1, self.hse_runs(self.CR))
        self.put(self.CR, 25, 1, self.bits(self.CR, 24, 1) and self.bits(self.CR, 17, 1))
        # "System supply startup": LDOEN alone, and only then another scale.
        self.put(self.PWR_CSR1, 13, 1, self.bits(self.PWR_CR3, 0, 3) == 2)
        self.put(self.PWR_D3CR, 13, 1, self.bits(self.PWR_CSR1, 13, 1))
        wanted = self.bits(self.CFGR, 0, 3)
        if self.bits(self.CR, {0: 2, 3: 25}[wanted], 1) and wanted != self.bits(self.CFGR, 3, 3):
            self.put(self.CFGR, 3, 3, wanted)
            if wanted == 3:
                self.switches()

    def clocks(self) -> Clocks:
        select, divide = self[self.PLLCKSELR], self[self.PLL1DIVR]
        pll_input = {0: 64 * MHZ, 2: self.hse_hz}[select & 3] / (select >> 4 & 63)
        vco = pll_input * ((divide & 511) + 1)
        source = {0: HSI, 3: PLL}[self.bits(self.CFGR, 3, 3)]
        assert source == HSI or self.bits(self.PLLCFGR, 16, 1), "DIVP1EN"
        system = 64 * MHZ if source == HSI else vco / ((divide >> 9 & 127) + 1)
        core = system / ahb(self.bits(self.D1CFGR, 8, 4))
        bus = core / ahb(self.bits(self.D1CFGR, 0, 4))
        apb1, apb2 = bus / apb(self.bits(self.D2CFGR, 4, 3)), bus / apb(self.bits(self.D2CFGR, 8, 3))
        return Clocks(source, core, bus, apb1, apb2, pll_input, vco)

    def wait_states(self) -> int:
        return self.bits(self.ACR, 0, 4)

    def boosted(self) -> bool:
        """In scale 1, which is 3."""
        return self.bits(self.PWR_D3CR, 13, 3) == 7

    def boot_loader(self) -> None:
        """PLL1 on HSE, taken for the other kind."""
        self[self.CR] = 0x03030025 | (not self.hse_bypass) << 18
        self[self.CFGR] = 0x1B
        self[self.D1CFGR] = 0x48


FAMILIES: dict[str, Any] = {"stm32f4": F4F7, "stm32f7": F4F7, "stm32l4": L4, "stm32h7": H7}


@dataclass(frozen=True)
class Limits:
    """What a part allows at 2.7 to 3.6 V. `wait_states`: (highest MHz, states), in the clock of the flash."""

    core: float
    apb1: float
    apb2: float
    pll_input: tuple[float, float]
    vco: tuple[float, float]
    wait_states: tuple[tuple[float, int], ...]
    boost_above: float = 0


def _steps(megahertz: float, last: float) -> tuple[tuple[float, int], ...]:
    return tuple((min(last, megahertz * (n + 1)), n) for n in range(int(-(-last // megahertz))))


F405 = Limits(168, 42, 84, (0.95, 2.1), (100, 432), _steps(30, 168), boost_above=168)
"""RM0090, table 10; DS8626, "Main PLL characteristics"."""
F446 = Limits(180, 45, 90, (0.95, 2.1), (100, 432), _steps(30, 180), boost_above=168)
"""RM0390, table 5; DS10693, "Main PLL characteristics"."""
F746 = Limits(216, 54, 108, (0.95, 2.1), (100, 432), _steps(30, 216), boost_above=180)
"""RM0385, table of wait states; DS10916, "Main PLL characteristics"."""
L476 = Limits(80, 80, 80, (4, 16), (64, 344), _steps(16, 80), boost_above=80)
"""RM0351, "Read access latency"; DS10198, "PLL characteristics"."""
L4R5 = Limits(120, 120, 120, (2.66, 8), (64, 344), _steps(20, 120), boost_above=80)
"""RM0432, "Read access latency"; DS12023, "PLL characteristics"."""
H743 = Limits(400, 100, 100, (2, 16), (192, 836), ((70, 0), (140, 1), (210, 2)))
"""RM0433, table 17, scale 1; DS12110, "PLL characteristics (wide VCO frequency range)"."""
