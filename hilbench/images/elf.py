"""Reads the ELF of an image: its manifest, what each section costs in memory, and which source line an address is.

Only Arm ELFs of 32 bits, little-endian. Reads what pyelftools parses; writes and changes nothing.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any, Self

from elftools.common.exceptions import DWARFError, ELFError
from elftools.construct import ConstructError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from hilbench.errors import ModelError

MANIFEST = ".hb_manifest"
BESIDE = ".hb_manifest_beside"
"""Where the manifest is of an image that others finished: not loaded, and it counts for more than one inside."""
_BROKEN = (
    *(ELFError, DWARFError, ConstructError),
    *(ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError),
)
"""What pyelftools raises on damaged input: its own errors, and those of code that trusted what it read."""
_NOT_OURS = "name an ELF that `hilbench build` wrote"
_AGENT = frozenset({".vectors", ".hb_agent", MANIFEST, ".hb_agent_data", ".hb_agent_bss", ".hb_handler_stack"})
_STACK = ".hb_stack"
_SPARE = "hb_port_spare_begin", "hb_port_spare_end"


@dataclass(frozen=True)
class Place:
    """Where an address is in the source; None for what the ELF does not say. `file` is as the compiler named it."""

    address: int
    function: str | None = None
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        """Return such as `hb_model_invoke at model/kernels.c:321`: of the file's folders, only the last."""
        name = self.function or "?"
        return f"{name} at {'/'.join(PurePosixPath(self.file).parts[-2:])}:{self.line}" if self.file else name


@dataclass(frozen=True)
class Section:
    """An allocated section. `owner` is "agent", "stack" or "model", which is all the rest.

    `in_flash`: it has to be kept when power is off. `in_ram`: it is written while running, or copied to RAM.
    """

    name: str
    address: int
    size: int
    owner: str
    in_flash: bool
    in_ram: bool
    is_code: bool


@dataclass(frozen=True)
class Sizes:
    """Bytes by part. Every allocated section counts once: to the stack, to the agent, or else to the model:
    that is here also its kernels and its runtime, which `parts` tells apart.

    `flash_*` is what must be kept when power is off: code, constants, and the initial values of data. `ram_*` is what
    is written while running: data and zero-initialised data. `stack_reserved` is the model's stack, which is in neither
    `ram_model` nor `ram_agent`. `sections` are the allocated sections by name, as the linker laid them out.
    `spare_bytes` is the RAM that no section sets aside, where the model takes its arena from there (`hb_model.h`).
    """

    flash_model: int
    flash_agent: int
    ram_model: int
    ram_agent: int
    stack_reserved: int
    sections: dict[str, int] = field(default_factory=dict, compare=False)
    spare_bytes: int | None = None

    @property
    def spare_used(self) -> bool:
        """Whether the model takes its arena from RAM that no section sets aside."""
        return self.spare_bytes is not None

    @property
    def flash_total(self) -> int:
        """All of the image that is kept in flash."""
        return self.flash_model + self.flash_agent

    @property
    def ram_total(self) -> int:
        """All of RAM that the image sets aside, the stack included."""
        return self.ram_model + self.ram_agent + self.stack_reserved


@dataclass(frozen=True)
class _Function:
    name: str
    size: int


@dataclass(frozen=True)
class Elf:
    """An Arm ELF, held in memory. Make one with `Elf.open(path)`. All but `locate` raise `ModelError` on damage."""

    path: Path
    _file: Any = field(repr=False, compare=False)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the ELF at `path`. Raises `ModelError` when it cannot be read, or is no ELF for a Cortex-M."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ModelError(f"cannot be read: {error.strerror}", where=str(path)) from error
        if not data.startswith(b"\x7fELF"):
            raise ModelError("this is not an ELF file", where=str(path), hint=_NOT_OURS)
        with _reading(path):
            elf = ELFFile(BytesIO(data))
            machine, bits, little = elf.get_machine_arch(), elf.elfclass, elf.little_endian
            names = [section.name for section in elf.iter_sections()]
        if machine != "ARM" or bits != 32 or not little:
            order = "little" if little else "big"
            raise ModelError(
                f"this is an ELF for {machine}, {bits} bits, {order}-endian: not for a Cortex-M",
                where=str(path),
                hint=_NOT_OURS,
            )
        if not names:
            raise ModelError("this ELF has no sections", where=str(path), hint="do not strip its section headers")
        return cls(path, elf)

    def manifest(self) -> bytes:
        """Return the bytes of the manifest inside. Raises `ModelError` when there is none, or only a part."""
        with _reading(self.path):
            section = self._manifest_section()
            data = b"" if section is None else bytes(section.data())
        if section is None:
            raise ModelError(f"this ELF has no manifest (section {MANIFEST})", where=str(self.path), hint=_NOT_OURS)
        if len(data) != section["sh_size"]:
            raise ModelError(f"its manifest (section {MANIFEST}) is cut short", where=str(self.path), hint=_NOT_OURS)
        data = data.rstrip(b"\0")  # the linker may align what follows
        if not data:
            raise ModelError(f"its manifest (section {MANIFEST}) is empty", where=str(self.path), hint=_NOT_OURS)
        return data

    def has_manifest(self) -> bool:
        """Say whether there is a manifest inside."""
        with _reading(self.path):
            return self._manifest_section() is not None

    def section(self, name: str) -> bytes | None:
        """Return the bytes of the first section of that name; None if there is none."""
        with _reading(self.path):
            section = self._file.get_section_by_name(name)
            return None if section is None else bytes(section.data())

    def allocated(self) -> list[Section]:
        """Return the sections that take memory on the device, in the order of the file."""
        with _reading(self.path):
            return [self._section(section) for section in self._allocated()]

    def contents(self) -> list[tuple[int, bytes]]:
        """Return what has to be in the device's memory before it starts: address and bytes of each piece, ascending.

        Pieces are sections where they are loaded (data with initial values: in flash); neighbours are joined.
        """
        with _reading(self.path):
            sections = [section for section in self._allocated() if not _is_zeroed(section)]
            pieces = sorted((self._load_address(section), bytes(section.data())) for section in sections)
            wanted_bytes = sum(section["sh_size"] for section in sections)
        if sum(len(data) for _, data in pieces) != wanted_bytes:
            raise ModelError("this ELF is cut short", where=str(self.path), hint=_NOT_OURS)
        joined: list[tuple[int, bytes]] = []
        for address, data in pieces:
            if joined and joined[-1][0] + len(joined[-1][1]) == address:
                first, before = joined.pop()
                address, data = first, before + data
            joined.append((address, data))
        return joined

    def sizes(self) -> Sizes:
        """Return what the image costs in flash and RAM, in bytes."""
        flash = {"model": 0, "agent": 0, "stack": 0}
        ram = dict(flash)
        sections: dict[str, int] = {}
        for section in self.allocated():
            sections[section.name] = sections.get(section.name, 0) + section.size
            flash[section.owner] += section.size if section.in_flash else 0
            ram[section.owner] += section.size if section.in_ram else 0
        spare = [self.symbol(name) for name in _SPARE]
        return Sizes(
            flash_model=flash["model"],
            flash_agent=flash["agent"] + flash["stack"],
            ram_model=ram["model"],
            ram_agent=ram["agent"],
            stack_reserved=ram["stack"],
            sections=sections,
            spare_bytes=None if spare[0] is None else max((spare[1] or 0) - spare[0], 0),
        )

    def symbol(self, name: str) -> int | None:
        """Return the address of the symbol `name` (of a function, without the Thumb bit); None if there is none."""
        with _reading(self.path):
            return next((_address(symbol) for symbol in self._symbols if symbol.name == name), None)

    def locate(self, address: int) -> Place:
        """Return function, file and line of the instruction at `address`; a Thumb bit in it is ignored.

        The function is that of the symbol table; the line may be of another one that the compiler put inside it.
        """
        address &= ~1
        function, file, line = None, None, None
        with contextlib.suppress(*_BROKEN):  # a crash report with less in it is better than none
            function = self._function_at(address)
            if function is not None:
                file, line = self._line_at(address)
        return Place(address, function, file, line)

    def _manifest_section(self) -> Any:
        return self._file.get_section_by_name(BESIDE) or self._file.get_section_by_name(MANIFEST)

    def _allocated(self) -> Iterator[Any]:
        return (s for s in self._file.iter_sections() if s["sh_flags"] & SH_FLAGS.SHF_ALLOC and s["sh_size"])

    def _section(self, section: Any) -> Section:
        name, initialised = section.name, not _is_zeroed(section)
        return Section(
            name=name,
            address=section["sh_addr"],
            size=section["sh_size"],
            owner="agent" if name in _AGENT else "stack" if name == _STACK else "model",
            in_flash=initialised,
            in_ram=not initialised or self._is_copied(section),
            is_code=bool(section["sh_flags"] & SH_FLAGS.SHF_EXECINSTR),
        )

    def _is_copied(self, section: Any) -> bool:
        """Say whether an initialised section is used in RAM: copied there from flash, or data to be written."""
        if section["sh_flags"] & SH_FLAGS.SHF_WRITE and section["sh_type"] == "SHT_PROGBITS":
            return True
        loads = (s for s in self._file.iter_segments() if s["p_type"] == "PT_LOAD" and s.section_in_segment(section))
        return any(segment["p_paddr"] != segment["p_vaddr"] for segment in loads)

    def _load_address(self, section: Any) -> int:
        """Return where a section is loaded; where it is used may be elsewhere."""
        for segment in self._file.iter_segments():
            if segment["p_type"] == "PT_LOAD" and segment.section_in_segment(section):
                return int(segment["p_paddr"] - segment["p_vaddr"] + section["sh_addr"])
        return int(section["sh_addr"])

    @cached_property
    def _symbols(self) -> list[Any]:
        """All symbols that are defined; none in an ELF that was stripped."""
        table = self._file.get_section_by_name(".symtab")
        return [symbol for symbol in (table.iter_symbols() if table else ()) if symbol["st_shndx"] != "SHN_UNDEF"]

    @cached_property
    def _functions(self) -> tuple[list[int], list[_Function]]:
        """All functions: their addresses in ascending order, and beside them their names and sizes."""
        found = {
            _address(symbol): _Function(symbol.name, symbol["st_size"])
            for symbol in self._symbols
            if symbol["st_info"]["type"] == "STT_FUNC"
        }
        starts = sorted(found)
        return starts, [found[start] for start in starts]

    def _function_at(self, address: int) -> str | None:
        starts, functions = self._functions
        index = bisect_right(starts, address) - 1
        if index < 0:
            return None
        inside = address - starts[index] < (functions[index].size or 2)  # assembly may give no size
        return functions[index].name if inside else None

    @cached_property
    def _dwarf(self) -> Any:
        return self._file.get_dwarf_info() if self._file.has_dwarf_info() else None

    @cached_property
    def _ranges(self) -> Any:
        """The table from addresses to compile units, where the compiler wrote one."""
        return self._dwarf.get_aranges()

    def _line_at(self, address: int) -> tuple[str | None, int | None]:
        if self._dwarf is None:
            return None, None
        offset = self._ranges.cu_offset_at_addr(address) if self._ranges else None
        units = self._dwarf.iter_CUs() if offset is None else [self._dwarf.get_CU_at(offset)]
        for unit in units:
            program = self._dwarf.line_program_for_CU(unit)
            found = _row_at(program, address) if program else None
            if found:
                return _file_name(program.header, found.file), found.line
        return None, None


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise ModelError(f"this ELF is damaged: {error}", where=str(path), hint=_NOT_OURS) from error


def _is_zeroed(section: Any) -> bool:
    return bool(section["sh_type"] == "SHT_NOBITS")


def _address(symbol: Any) -> int:
    is_function = symbol["st_info"]["type"] == "STT_FUNC"
    return int(symbol["st_value"]) & ~1 if is_function else int(symbol["st_value"])


def _row_at(program: Any, address: int) -> Any:
    """Return the row of the line program that covers `address`, or None.

    A sequence that begins at 0 belongs to code that the linker left out: no instruction of a Cortex-M is at 0, where
    the vector table is (or nothing).
    """
    first = previous = None
    for state in (entry.state for entry in program.get_entries() if entry.state is not None):
        if previous is not None and first and previous.address <= address < state.address:
            return previous
        first = state.address if previous is None else first
        previous = None if state.end_sequence else state
    return None


def _file_name(header: Any, index: int) -> str | None:
    """Return the name of file `index`. DWARF 5 counts files and folders from 0, earlier ones from 1 (DWARF 5, 6.2.4).

    The version is that of the line program, which the assembler writes: the compile unit may have another one.
    """
    base = 0 if header["version"] >= 5 else 1
    files, folders = header["file_entry"], header["include_directory"]
    if not 0 <= index - base < len(files):
        return None
    entry = files[index - base]
    name: str = entry.name.decode(errors="replace")
    folder = entry.dir_index - base
    if entry.dir_index == 0 or not 0 <= folder < len(folders):  # folder 0 is where the compiler ran
        return name
    return str(PurePosixPath(folders[folder].decode(errors="replace")) / name)
