# SPDX-License-Identifier: Apache-2.0
"""Places tensors in one block of memory so that those alive at the same time do not overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from trit.runtime.session import Step

ATTEMPTS = 100


@dataclass(frozen=True)
class Lifetime:
    """A tensor of `size` bytes, written by step `first` and read last by step `last`."""

    size: int
    first: int
    last: int

    def meets(self, other: Lifetime) -> bool:
        """Is there a step in which both are alive?"""
        return self.first <= other.last and other.first <= self.last


def lower_bound(tensors: Sequence[Lifetime]) -> int:
    """Bytes that no placement can do without: max over steps of Σ size of the tensors alive."""
    changes: dict[int, int] = {}
    for tensor in tensors:
        changes[tensor.first] = changes.get(tensor.first, 0) + tensor.size
        changes[tensor.last + 1] = changes.get(tensor.last + 1, 0) - tensor.size
    return max(accumulate(changes[step] for step in sorted(changes)), default=0)


def held(steps: Sequence[Step]) -> list[Lifetime]:
    """What the arena of an open plan holds: the outputs of all steps but the last, a sum over its summand as one."""
    places: dict[int, list[Lifetime]] = {}
    for step in steps[:-1]:
        at = places.setdefault(step.output_offset, [])
        # The one that is there until now: only Add may write over it.
        if at and at[-1].last == step.index:
            at[-1] = replace(at[-1], last=step.last_reader)
        else:
            at.append(Lifetime(step.output_bytes, step.index, step.last_reader))
    return [tensor for at in places.values() for tensor in at]


def place(tensors: Sequence[Lifetime], alignment: int) -> tuple[list[int], int]:
    """Offsets in the order of `tensors`, multiples of `alignment`, and the size of the block.

    Greedy by size: the largest tensor first, each at the lowest offset that is free throughout its lifetime
    (Pisarchyk & Lee 2020, "Efficient Memory Management for Deep Neural Net Inference", section 5.2). As long as that
    takes more than the lower bound, the tensor at the block's end goes to the front of the order for another attempt.
    """
    neighbours = [[i for i, other in enumerate(tensors) if i != j and other.meets(t)] for j, t in enumerate(tensors)]
    order = sorted(range(len(tensors)), key=lambda i: -tensors[i].size)
    enough = lower_bound(tensors)
    best = offsets, size = _place_in_order(tensors, neighbours, order, alignment)
    tried = {tuple(order)}
    for attempt in range(ATTEMPTS):
        if best[1] <= enough:
            break
        _to_front(order, next(i for i in order if offsets[i] + tensors[i].size == size))
        if tuple(order) in tried:  # any other tensor, or the attempts would go in a circle
            _to_front(order, attempt % len(order))
        tried.add(tuple(order))
        offsets, size = _place_in_order(tensors, neighbours, order, alignment)
        best = min(best, (offsets, size), key=lambda placement: placement[1])
    return best


def _to_front(order: list[int], index: int) -> None:
    order.remove(index)
    order.insert(0, index)


def _place_in_order(
    tensors: Sequence[Lifetime], neighbours: Sequence[Sequence[int]], order: Sequence[int], alignment: int
) -> tuple[list[int], int]:
    offsets: dict[int, int] = {}
    for index in order:
        size, offset = tensors[index].size, 0
        for begin, end in sorted((offsets[i], offsets[i] + tensors[i].size) for i in neighbours[index] if i in offsets):
            if offset + size <= begin:
                break
            offset = max(offset, -(-end // alignment) * alignment)
        offsets[index] = offset
    end = max((offset + tensors[i].size for i, offset in offsets.items()), default=0)
    return [offsets[i] for i in range(len(tensors))], end
