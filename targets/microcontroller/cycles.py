# SPDX-License-Identifier: Apache-2.0
"""Cycles of the instructions that ran, from the cores' documented timing: a range where the documents give one.

Left out: interrupts, other users of the bus, and flash lines that a cache loses and fetches again. Where a core's maker
publishes no timing, or it may issue two instructions at once, the range is wide and its origin `assumed`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from trit.runtime.errors import MissingExtra
from trit.targets.figure import Origin
from trit.targets.microcontroller.cores import CORES, Family
from trit.targets.microcontroller.execution import Block, split

FLASH_LINE = 16  # bytes that flash delivers at once, or a cache fetches


class Range(NamedTuple):
    """Cycles: the fewest and the most."""

    low: float
    high: float

    def times(self, count: float) -> Range:
        return Range(self.low * count, self.high * count)

    def plus(self, other: Range) -> Range:
        return Range(self.low + other.low, self.high + other.high)


class Instruction(NamedTuple):
    """`registers` are those of a list; an instruction that is not decoded has no mnemonic."""

    mnemonic: str
    operands: str

    @property
    def registers(self) -> int:
        """Registers of the list in braces."""
        found = re.search(r"\{(.*)\}", self.operands)
        return found[1].count(",") + 1 if found else 1


@dataclass(frozen=True)
class Timing:
    """Cycles of each instruction after the one before it, and what a jump that is taken adds.

    Without a cost the simulator counts cycles itself.
    """

    cost: Callable[[Instruction, Instruction | None], Range] | None
    refill: Range
    origin: Origin
    source: str


def estimate(core: str, blocks: Sequence[Block], wait_states: float = 0, data_bytes: int = 0) -> Range:
    """Cycles of the blocks; the most fetch each line of code, and of `data_bytes` in flash, once at full wait."""
    timing, family = TIMINGS[core], CORES[core].family
    if timing.cost is None:
        return Range(1, 1).times(sum(block.cycles for block in blocks))
    total = Range(0, 0)
    for block in blocks:
        decoded = decode(family, block)
        cost = Range(0, 0)
        for before, instruction in zip([None, *decoded], decoded, strict=False):
            cost = cost.plus(timing.cost(instruction, before))
        total = total.plus(cost.times(block.runs)).plus(timing.refill.times(block.taken))
    lines = len({at // FLASH_LINE for block in blocks for at in range(block.address, block.address + len(block.code))})
    return total.plus(Range(0, wait_states * (lines + -(-data_bytes // FLASH_LINE))))


def decode(family: Family, block: Block) -> list[Instruction]:
    try:
        import capstone as cs
    except ImportError as error:
        raise MissingExtra("capstone", "mcu") from error
    if family == "riscv":
        decoder = cs.Cs(cs.CS_ARCH_RISCV, cs.CS_MODE_RISCV32 | cs.CS_MODE_RISCVC)
    else:
        decoder = cs.Cs(cs.CS_ARCH_ARM, cs.CS_MODE_THUMB | cs.CS_MODE_MCLASS)
    found, at = [], block.address
    for code in split(family, block.code):  # one by one: what capstone does not know ends no block
        _, _, mnemonic, operands = next(decoder.disasm_lite(code, at), (0, 0, "", ""))
        found.append(Instruction(mnemonic, operands))
        at += len(code)
    return found


ONE, TWO = Range(1, 1), Range(2, 2)
_LOADS = ("ldr", "vldr")
_MULTIPLE = ("ldm", "stm", "push", "pop", "vldm", "vstm", "vpush", "vpop")


def _is(instruction: Instruction | None, names: tuple[str, ...]) -> bool:
    return instruction is not None and instruction.mnemonic.startswith(names)


def _cortex_m0plus(now: Instruction, _before: Instruction | None) -> Range:
    """Cortex-M0+ Technical Reference Manual r0p1, table 3-1, single-cycle multiplier; jumps without their refill."""
    if _is(now, _MULTIPLE):
        return Range(*[1 + now.registers + ("pc" in now.operands)] * 2)
    if _is(now, ("ldr", "str")) or now.mnemonic == "bl":
        return TWO
    if _is(now, ("mrs", "msr", "dmb", "dsb", "isb")):
        return Range(3, 3)
    return ONE


def _cortex_m4(now: Instruction, before: Instruction | None) -> Range:
    """Cortex-M4 Technical Reference Manual r0p1, table 3-1 and 7-1; jumps without their refill."""
    if _is(now, _MULTIPLE):
        return Range(*[1 + now.registers] * 2)
    if _is(now, ("ldrd", "strd")):
        return Range(3, 3)
    if _is(now, _LOADS):  # one cycle less behind another load or store
        return Range(1 if _is(before, ("ldr", "str", "vldr", "vstr")) else 2, 2)
    if _is(now, ("str", "vstr")):
        return Range(1, 2)
    if _is(now, ("udiv", "sdiv")):
        return Range(2, 12)
    if _is(now, ("vdiv", "vsqrt")):
        return Range(14, 14)
    if _is(now, ("vmla", "vmls", "vfma", "vfms", "vnml")):
        return Range(3, 3)
    if _is(now, ("it",)):
        return Range(0, 1)
    return ONE


def _cortex_m3(now: Instruction, before: Instruction | None) -> Range:
    """Cortex-M3 Technical Reference Manual r2p1, table 3-1."""
    if _is(now, ("umull", "smull")):
        return Range(3, 5)
    if _is(now, ("umlal", "smlal")):
        return Range(4, 7)
    if _is(now, ("mla", "mls")):
        return TWO
    return _cortex_m4(now, before)


def _two_at_once(now: Instruction, before: Instruction | None) -> Range:
    """At best half a cycle, as one of a pair; at most what the Cortex-M4 takes."""
    return Range(0.5, _cortex_m4(now, before).high)


def _cortex_m55(now: Instruction, before: Instruction | None) -> Range:
    """A Helium instruction has two beats a cycle for 128 bits, and may overlap by one with the next.

    capstone takes its loads and stores for a coprocessor's: ldc2 and stc2 are those that gather four words.
    """
    if _is(now, ("ldc2", "stc2")):
        return Range(2, 4)
    vector = not now.mnemonic or _is(now, ("ldc", "stc")) or re.search(r"\bq\d", now.operands) is not None
    return Range(1, 2) if vector else _cortex_m4(now, before)


def _uses_loaded(now: Instruction, before: Instruction | None) -> bool:
    if before is None or not before.mnemonic.removeprefix("c.").startswith("l") or "(" not in before.operands:
        return False
    return re.search(rf"\b{before.operands.split(',')[0]}\b", now.operands) is not None


def _hazard3(now: Instruction, before: Instruction | None) -> Range:
    """Hazard3 documentation, instruction cycle counts, with the fast multiplier; jumps without their refill."""
    if _is(now, ("div", "rem")):
        return Range(18, 19)
    return TWO if _uses_loaded(now, before) else ONE


def _riscv_unknown(now: Instruction, before: Instruction | None) -> Range:
    if _is(now, ("div", "rem")):
        return Range(2, 33)
    return Range(1, 2 if _uses_loaded(now, before) else 1)


TIMINGS = {
    "cortex-m0plus": Timing(_cortex_m0plus, ONE, "published", "Cortex-M0+ Technical Reference Manual"),
    "cortex-m3": Timing(_cortex_m3, Range(1, 3), "published", "Cortex-M3 Technical Reference Manual"),
    "cortex-m4": Timing(_cortex_m4, Range(1, 3), "published", "Cortex-M4 Technical Reference Manual"),
    "cortex-m7": Timing(_two_at_once, Range(0, 3), "assumed", "no timing is published: half to all of the Cortex-M4's"),
    "cortex-m33": Timing(_cortex_m4, Range(1, 3), "assumed", "no timing is published: taken to be the Cortex-M4's"),
    "cortex-m55": Timing(_cortex_m55, Range(1, 3), "assumed", "no timing is published: the Cortex-M4's, Helium 1 to 4"),
    "rv32imac": Timing(_riscv_unknown, Range(0, 3), "assumed", "no timing is published: a short in-order pipeline"),
    "rv32imac-zbb": Timing(_hazard3, Range(0, 1), "published", "Hazard3 documentation"),
    "atmega328p": Timing(None, Range(0, 0), "simulated", "counted by simavr"),
    "atmega2560": Timing(None, Range(0, 0), "simulated", "counted by simavr"),
}
