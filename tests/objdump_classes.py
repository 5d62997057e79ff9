"""The class that an instruction has by its name in objdump's listing: a second opinion on the decoder's."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hilbench.measure.cycles.instruction import Kind

_CONDITION = "(eq|ne|cs|cc|hs|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le|al|t|e)?"

# Names without condition, width (.w, .n) and data type; the first pattern that fits the whole name counts.
_CORE = [
    (Kind.LOOP, "le|letp|wls|wlstp.*|bf|bfl|bfx|bflx|bfcsel"),
    (Kind.NOTHING, "nop|yield|wfe|wfi|sev|esb|csdb|sg|hint|dbg|bti|pacbti|pac|aut"),
    (Kind.BARRIER, "dmb|dsb|isb|clrex|ssbb|pssbb"),
    (Kind.SYSTEM, "svc|bkpt|udf|cpsi[ed]|mrs|msr|hlt|tta?t?"),
    (Kind.IF_THEN, "it[te]*"),
    (Kind.BRANCH_ZERO, "cbn?z"),
    (Kind.BRANCH_TABLE, "tb[bh]"),
    (Kind.BRANCH_REGISTER, "bx(ns)?"),
    (Kind.CALL_REGISTER, "blx(ns)?"),
    (Kind.MOVE, "movs?|mvns?|movw|movt|clrm|dls|dlstp|lctp"),
    (Kind.SHIFT, "(lsl|lsr|asr|ror|rrx)s?|asrl|lsll|lsrl|[su]q?r?sh[lr]l?|sqrshrl?|uqrshll?"),
    (Kind.ALU, "(add|sub|adc|sbc|rsb|neg|and|orr|orn|eor|bic)s?|addw|subw|adr|cmp|cmn|tst|teq|csel|csinc|csinv|csneg|"
               "cset|csetm|cinc|cinv|cneg"),
    (Kind.BITFIELD, "bfi|bfc|sbfx|ubfx"),
    (Kind.EXTEND, "[su]xta?[bh](16)?"),
    (Kind.REVERSE, "rev|rev16|revsh|rbit"),
    (Kind.COUNT_ZEROS, "clz"),
    (Kind.SATURATE, "[su]sat(16)?|qd?(add|sub)"),
    (Kind.PARALLEL, "(s|u|q|uq|sh|uh)(add16|add8|asx|sax|sub16|sub8)|sel|pkhbt|pkhtb|usad8|usada8"),
    (Kind.MULTIPLY, "muls?"),
    (Kind.MULTIPLY_ADD, "mla|mls"),
    (Kind.LONG_MULTIPLY, "[su]mull"),
    (Kind.LONG_MULTIPLY_ADD, "[su]mlal|umaal|smlal[bt][bt]|sml[as]ldx?"),
    (Kind.DSP_MULTIPLY, "sml[as]dx?|smu[as]dx?|smul[btw][bt]|smla[btw][bt]|smm(ul|la|ls)r?"),
    (Kind.DIVIDE, "[su]div"),
    (Kind.PRELOAD, "pldw?|pli"),
    (Kind.LOAD, "ldr(s?[bh])?t?"),
    (Kind.LOAD_DOUBLE, "ldrd"),
    (Kind.LOAD_MULTIPLE, "ldm(ia|db|fd|ea)?|pop"),
    (Kind.LOAD_EXCLUSIVE, "ldrex[bh]?|lda(ex)?[bh]?"),
    (Kind.STORE, "str[bh]?t?"),
    (Kind.STORE_DOUBLE, "strd"),
    (Kind.STORE_MULTIPLE, "stm(ia|db|fd|ea)?|push"),
    (Kind.STORE_EXCLUSIVE, "strex[bh]?|stl(ex)?[bh]?"),
    (Kind.COPROCESSOR, "(mcr|mrc|cdp|ldc|stc)2?l?|mcrr2?|mrrc2?|(ld|st)f[sdep]"),
    (Kind.CALL, "bl"),
    (Kind.BRANCH, "b"),
]  # fmt: skip
_FLOATING = [
    (Kind.FP_ADD, "vadd|vsub"),
    (Kind.FP_MULTIPLY, "vn?mul"),
    (Kind.FP_MULTIPLY_ADD, "vn?ml[as]"),
    (Kind.FP_FUSED, "vfn?m[as]"),
    (Kind.FP_DIVIDE, "vdiv"),
    (Kind.FP_ROOT, "vsqrt"),
    (Kind.FP_COMPARE, "vcmpe?"),
    (Kind.FP_CONVERT, "vcvt[rbtanpm]?|vrint[rzxanpm]"),
    (Kind.FP_MOVE, "vabs|vneg|vsel|vmaxnm|vminnm|vmovx|vins|vscclrm"),
    (Kind.FP_STATUS, "vmrs|vmsr"),
    (Kind.FP_LOAD, "vldr"),
    (Kind.FP_STORE, "vstr"),
    (Kind.FP_LOAD_MULTIPLE, "vldm(ia|db)?|vpop|vlldm|fldm.*"),
    (Kind.FP_STORE_MULTIPLE, "vstm(ia|db)?|vpush|vlstm|fstm.*"),
]


@dataclass(frozen=True)
class Listed:
    """One line of a listing."""

    address: int
    code: bytes
    name: str
    operands: str


def listing(*arguments: str | Path) -> Iterator[Listed]:
    """Yield the instructions in `arm-none-eabi-objdump -d`'s listing; no data, nothing that it calls undefined."""
    done = subprocess.run(["arm-none-eabi-objdump", *map(str, arguments)], capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        parts = line.split("\t")
        if len(parts) < 3 or not parts[0].strip().endswith(":"):
            continue
        halves = parts[1].split()
        code = b"".join(int(half, 16).to_bytes(2, "little") for half in halves if len(half) == 4)
        name, operands = parts[2].strip(), " ".join(parts[3:])
        if not name.startswith((".", "<")) and "UNDEFINED" not in line:
            yield Listed(int(parts[0].strip()[:-1], 16), code, name, operands)


def kind(one: Listed) -> Kind | None:
    """Return the class of an instruction, None for one that is not in any table here."""
    name = one.name.removesuffix(".w").removesuffix(".n")
    base, *types = name.split(".")
    if base.startswith("v") or base.startswith("f"):
        return _floating(base, types, one.operands)
    if re.fullmatch("b" + _CONDITION.removesuffix("?"), base) and base not in ("bt", "be"):
        # In an IT block objdump gives the condition of the block to a plain branch.
        plain = one.code[1] >> 3 == 0b11100 if len(one.code) == 2 else one.code[3] >> 4 & 1
        return Kind.BRANCH if plain else Kind.BRANCH_IF
    if base.startswith("mov") and re.search(", (lsl|lsr|asr|ror|rrx)", one.operands):
        return Kind.SHIFT
    return _find(_CORE, base)


def _floating(base: str, types: list[str], operands: str) -> Kind | None:
    if re.fullmatch("vpst[te]*|vpnot|vctp", base):
        return Kind.VECTOR_PREDICATE
    if re.search(r"\bq\d", operands) and not re.search(r"\bq\d\[", operands):
        if base.startswith(("vldr", "vld2", "vld4")):
            return Kind.VECTOR_LOAD
        return Kind.VECTOR_STORE if base.startswith(("vstr", "vst2", "vst4")) else Kind.VECTOR
    if re.fullmatch("vmov" + _CONDITION, base):
        return _moved(operands)
    return _find(_FLOATING, base)


def _moved(operands: str) -> Kind:
    """Return the class of a VMOV: by what it moves."""
    registers = re.findall(r"\b([qdsr]\d+|lr|sp|ip|sl|fp)(\[\d+\])?", operands.split(";")[0])
    lanes = [lane for name, lane in registers if name.startswith("q")]
    core = [name for name, _ in registers if name[0] not in "qds" or name in ("sl", "sp")]
    if len(lanes) == 2:
        return Kind.VECTOR
    if lanes and not all(lanes):
        return Kind.VECTOR
    return (Kind.FP_MOVE, Kind.FP_TRANSFER, Kind.FP_TRANSFER_DOUBLE)[len(core)]


def _find(table: list[tuple[Kind, str]], name: str) -> Kind | None:
    exact = next((kind for kind, pattern in table if re.fullmatch(pattern, name)), None)
    return exact or next((kind for kind, pattern in table if re.fullmatch(f"({pattern}){_CONDITION}", name)), None)
