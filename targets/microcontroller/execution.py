# SPDX-License-Identifier: Apache-2.0
"""What a simulator tells of a program's run: the blocks of instructions it executed, step by step of the plan."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from trit.targets.microcontroller.cores import Family

Scores = npt.NDArray[Any]


class Block(NamedTuple):
    """Instructions that ran one after the other, from the target of a jump or the end of another block on."""

    address: int
    code: bytes
    runs: int
    taken: int  # times it was left for another place than its end
    cycles: int = 0  # where the simulator counts them


@dataclass(frozen=True)
class Execution:
    """A run from reset to exit: scores of its images, flat, and the blocks between two marks.

    The program sets a mark before each step of each image and after the last.
    """

    scores: Scores
    steps: list[list[Block]]
    exit_status: int
    text: str

    @property
    def stack(self) -> int:
        """Bytes of stack, the most that were used; the program says so."""
        found = re.search(r"^stack (\d+) bytes$", self.text, re.MULTILINE)
        return int(found[1]) if found else 0


def printed_scores(text: str) -> Scores:
    """The program prints its scores as `score 3f800000 ...`, a line an image."""
    bits = [int(word, 16) for line in re.findall(r"^score((?: [0-9a-f]{8})+)$", text, re.M) for word in line.split()]
    return np.array(bits, "<u4").view("<f4")


def instructions(family: Family, blocks: list[Block]) -> int:
    """Instructions executed. One whose condition fails counts: it is issued and takes a cycle."""
    return sum(block.runs * sum(1 for _ in split(family, block.code)) for block in blocks)


def split(family: Family, code: bytes) -> Iterator[bytes]:
    """The code's instructions, of 2 or 4 bytes each, without half a one at its end."""
    at = 0
    while at < len(code):
        size = 4 if _is_long(family, code[at] | code[at + 1] << 8) else 2
        if at + size <= len(code):
            yield code[at : at + size]
        at += size


def _is_long(family: Family, first: int) -> bool:
    """Does the instruction that begins with these 16 bits have 32?"""
    match family:
        case "riscv":
            return first & 3 == 3
        case "cortex-m":
            return first >> 11 >= 0b11101
        case "avr":  # lds, sts; jmp, call
            return first & 0xFC0F == 0x9000 or first & 0xFE0C == 0x940C
