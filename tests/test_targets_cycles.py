# SPDX-License-Identifier: Apache-2.0
"""Cycles of code whose timing the cores' manuals give, instruction by instruction."""

from __future__ import annotations

import pytest

from trit.targets.microcontroller.cores import CORES
from trit.targets.microcontroller.cycles import TIMINGS, estimate
from trit.targets.microcontroller.execution import Block, instructions

pytest.importorskip("capstone", reason="capstone is not installed: pip install 'trit[mcu]'")

# ldr r0, [r1]; adds r0, r0, r2; muls r0, r3; push {r4, r5, lr}; bne .-8
THUMB = bytes.fromhex("0868 8018 5843 30b5 fad1")
# lw a0, 0(a1); add a0, a0, a2 (which waits for it); mul a0, a0, a3; c.addi a0, 1; bne a0, a1, .-14
RISCV = bytes.fromhex("03a50500 3305c500 3305d502 0505 e319b5fe")


@pytest.mark.parametrize(
    ("core", "code", "low", "high"),
    [
        ("cortex-m0plus", THUMB, 2 + 1 + 1 + 4 + 1, 2 + 1 + 1 + 4 + 1),
        ("cortex-m3", THUMB, 2 + 1 + 1 + 4 + 1, 2 + 1 + 1 + 4 + 1),
        ("cortex-m4", THUMB, 2 + 1 + 1 + 4 + 1, 2 + 1 + 1 + 4 + 1),
        ("rv32imac-zbb", RISCV, 1 + 2 + 1 + 1 + 1, 1 + 2 + 1 + 1 + 1),
    ],
)
def test_the_manuals_cycles(core: str, code: bytes, low: float, high: float) -> None:
    straight, jumping = Block(0x100, code, 3, 0), Block(0x100, code, 3, 2)
    refill = TIMINGS[core].refill
    assert instructions(CORES[core].family, [straight]) == 15
    assert estimate(core, [straight]) == (3 * low, 3 * high)
    assert estimate(core, [jumping]) == (3 * low + 2 * refill.low, 3 * high + 2 * refill.high)


def test_only_the_most_waits_for_flash() -> None:
    fast, slow = estimate("cortex-m4", [Block(0, THUMB, 1, 0)]), estimate("cortex-m4", [Block(0, THUMB, 1, 0)], 5, 33)
    assert slow.low == fast.low
    assert slow.high == fast.high + 5 * (1 + 3)  # one line of code, three of data


def test_every_core_has_a_timing() -> None:
    assert TIMINGS.keys() == CORES.keys()
