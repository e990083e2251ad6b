# SPDX-License-Identifier: Apache-2.0
"""Places tensors in one block of memory so that those alive at the same time do not overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Lifetime:
    """A tensor of `size` bytes, written by step `first` and read last by step `last`."""

    size: int
    first: int
    last: int


def place(tensors: Sequence[Lifetime], alignment: int) -> tuple[list[int], int]:
    """Offsets in the order of `tensors`, multiples of `alignment`, and the size of the block.

    Greedy by size: the largest tensor first, each at the lowest offset that is free throughout its lifetime
    (Pisarchyk & Lee 2020, "Efficient Memory Management for Deep Neural Net Inference", section 5.2).
    """
    offsets = [0] * len(tensors)
    placed: list[int] = []
    for index in sorted(range(len(tensors)), key=lambda i: -tensors[i].size):
        tensor = tensors[index]
        neighbours = sorted(
            (offsets[i], offsets[i] + tensors[i].size)
            for i in placed
            if tensors[i].first <= tensor.last and tensor.first <= tensors[i].last
        )
        offset = 0
        for begin, end in neighbours:
            if offset + tensor.size <= begin:
                break
            offset = max(offset, -(-end // alignment) * alignment)
        offsets[index] = offset
        placed.append(index)
    return offsets, max((offsets[i] + tensors[i].size for i in placed), default=0)
