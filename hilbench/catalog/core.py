"""The processor cores that boards have: what a compiler and a framework need to know about each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Core:
    """One processor core as built into a board (with or without FPU), and GCC's flags for it.

    `dsp` is the Armv7E-M/Armv8-M DSP extension (SMLAD), `mve` Helium. `single_issue` cores retire at most one
    instruction a cycle, so an instruction count is a lower bound of their cycles.
    """

    name: str
    title: str
    gcc_flags: tuple[str, ...] = ()
    fpu: bool = False
    dsp: bool = False
    mve: bool = False
    single_issue: bool = True

    @property
    def is_host(self) -> bool:
        """True for the computer that hilbench itself runs on."""
        return self.name == "host"


_THUMB = "-mthumb"
_HARD = "-mfloat-abi=hard"

CORES: dict[str, Core] = {
    core.name: core
    for core in (
        Core("cortex-m0", "Cortex-M0", ("-mcpu=cortex-m0", _THUMB, "-mfloat-abi=soft")),
        Core("cortex-m0plus", "Cortex-M0+", ("-mcpu=cortex-m0plus", _THUMB, "-mfloat-abi=soft")),
        Core("cortex-m3", "Cortex-M3", ("-mcpu=cortex-m3", _THUMB, "-mfloat-abi=soft")),
        Core("cortex-m4f", "Cortex-M4F", ("-mcpu=cortex-m4", _THUMB, _HARD, "-mfpu=fpv4-sp-d16"), fpu=True, dsp=True),
        Core(
            "cortex-m7f",
            "Cortex-M7F",
            ("-mcpu=cortex-m7", _THUMB, _HARD, "-mfpu=fpv5-d16"),
            fpu=True,
            dsp=True,
            single_issue=False,
        ),
        # Some pairs of 16-bit instructions are dual-issued.
        Core(
            "cortex-m33f",
            "Cortex-M33F",
            ("-mcpu=cortex-m33", _THUMB, _HARD, "-mfpu=fpv5-sp-d16"),
            fpu=True,
            dsp=True,
            single_issue=False,
        ),
        # Armv8.1-M: -mcpu alone selects the FPU and MVE (Helium); some instruction pairs are dual-issued.
        Core(
            "cortex-m55f",
            "Cortex-M55F",
            ("-mcpu=cortex-m55", _THUMB, _HARD, "-mfpu=auto"),
            fpu=True,
            dsp=True,
            mve=True,
            single_issue=False,
        ),
        Core("host", "this computer"),
    )
}
