import struct
from dataclasses import fields

import pytest

from hilbench.images.elf import Elf
from hilbench.link.protocol import Fault
from hilbench.targets.crash import fault_reason, fault_report, places
from hilbench.targets.qemu import Qemu, QemuSettings
from tests.bare_programs import BOARD, FOLDER, build, needs_compiler, needs_qemu

NAMES = [field.name for field in fields(Fault)]


@pytest.fixture(scope="module")
def faults(tmp_path_factory) -> Elf:
    return Elf.open(build("faults", tmp_path_factory.mktemp("faults")))


def provoke(elf: Elf, kind: str) -> dict[str, int]:
    """Run the program in QEMU, let it fault, and return the registers that its handler sends."""
    received = b""
    with Qemu().run(elf.path, BOARD, QemuSettings(machine="mps2-an386")) as machine:
        while not received.endswith(b"ready\n"):
            received += machine.stream.read(5) or pytest.fail(f"silence after {received!r}: {machine.crash()}")
        machine.stream.write(kind.encode())
        received = b""
        while len(received) < Fault.layout.size:
            received += machine.stream.read(5) or pytest.fail(f"silence after {received!r}: {machine.crash()}")
    return dict(zip(NAMES, struct.unpack("<14I", received), strict=True))


@pytest.mark.parametrize(
    ("kind", "reason", "pc", "lr"),
    [
        ("u", "UsageFault: UNDEFINSTR", "undefined_instruction", "run"),
        ("b", "BusFault: PRECISERR: data access where there is no memory: 0xdead0000", "read_nowhere", "run"),
        ("d", "UsageFault: DIVBYZERO", "divide", "run"),
        ("a", "UsageFault: UNALIGNED", "unaligned", "run"),
        ("f", "UsageFault: NOCP", "without_fpu", "run"),
        ("t", "UsageFault: INVSTATE", None, "not_thumb"),
        ("n", "BusFault: IBUSERR", "outside of all functions", "fetch_nowhere"),
        ("x", "MemManage: IACCVIOL", "outside of all functions", "fetch_from_device"),
    ],
)
@needs_compiler
@needs_qemu
def test_a_real_fault_is_named_and_found_in_the_source(faults, kind, reason, pc, lr):
    report = fault_report(provoke(faults, kind), faults)
    assert report.kind == "fault"
    assert report.reason.startswith(reason)
    assert "; " not in report.reason
    pc_place, lr_place = report.places
    assert pc is None or pc_place.startswith(f"pc 0x{report.registers['pc']:08x} {pc}")
    assert lr_place.startswith(f"lr 0x{report.registers['lr']:08x} {lr} at bare/faults.c:")
    for name in ("pc=", "cfsr="):
        assert name in str(report)


@needs_compiler
@needs_qemu
def test_lr_names_the_line_of_the_call_and_not_the_next(faults):
    _, caller = places(faults, provoke(faults, "b"))
    line = int(caller.rpartition(":")[2])
    assert "read_nowhere();" in (FOLDER / "faults.c").read_text().splitlines()[line - 1]


@pytest.mark.parametrize(
    ("bit", "name"),
    [
        *((0, "IACCVIOL"), (1, "DACCVIOL"), (3, "MUNSTKERR"), (4, "MSTKERR"), (5, "MLSPERR")),
        *((8, "IBUSERR"), (9, "PRECISERR"), (10, "IMPRECISERR"), (11, "UNSTKERR"), (12, "STKERR"), (13, "LSPERR")),
        *((16, "UNDEFINSTR"), (17, "INVSTATE"), (18, "INVPC"), (19, "NOCP"), (20, "STKOF")),
        *((24, "UNALIGNED"), (25, "DIVBYZERO")),
    ],
)
def test_every_cause_has_the_name_that_the_manual_gives_it(bit, name):
    kind = "MemManage" if bit < 8 else "BusFault" if bit < 16 else "UsageFault"
    assert fault_reason({"cfsr": 1 << bit}).startswith(f"{kind}: {name}: ")


def test_all_causes_are_named_when_there_are_several():
    reason = fault_reason({"cfsr": 1 << 1 | 1 << 12, "hfsr": 1 << 30})
    assert "DACCVIOL" in reason
    assert "STKERR" in reason
    assert "HardFault" not in reason


def test_an_address_is_told_only_where_the_manual_says_it_is_valid():
    assert fault_reason({"cfsr": 1 << 1 | 1 << 7, "mmfar": 0x1234}).endswith(": 0x00001234")
    assert fault_reason({"cfsr": 1 << 9 | 1 << 15, "bfar": 0x5678}).endswith(": 0x00005678")
    for cfsr in (1 << 1, 1 << 9, 1 << 10 | 1 << 15, 1 << 0 | 1 << 7):
        assert "0x" not in fault_reason({"cfsr": cfsr, "mmfar": 0x1234, "bfar": 0x5678})


def test_hard_faults_without_a_cause_are_named():
    assert "VECTTBL" in fault_reason({"cfsr": 0, "hfsr": 2})
    assert "DEBUGEVT" in fault_reason({"cfsr": 0, "hfsr": 1 << 31})
    assert (
        fault_reason({"cfsr": 0, "hfsr": 1 << 30}) == "a fault with no cause given (CFSR 0x00000000, HFSR 0x40000000)"
    )


def test_a_fault_can_be_told_without_its_elf():
    report = fault_report({"pc": 0x100, "cfsr": 1 << 25}, None)
    assert report.places == ()
    assert "DIVBYZERO" in str(report)
    assert "pc=00000100" in str(report)


@needs_compiler
@pytest.mark.parametrize("lr", [0xFFFF_FFF9, 0xFFFF_FFED, 0xFEFF_FFFF, 0x2000_0001, 0])
def test_an_lr_that_is_no_code_is_not_taken_for_a_place(faults, lr):
    assert [place[:2] for place in places(faults, {"pc": faults.symbol("run"), "lr": lr})] == ["pc"]


@needs_compiler
def test_a_pc_that_is_no_code_is_told(faults):
    assert places(faults, {"pc": 0xDEAD_BEEE}) == ("pc 0xdeadbeee outside of all functions",)
    assert places(faults, {}) == ()
