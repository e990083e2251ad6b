# SPDX-License-Identifier: Apache-2.0
"""The arena planner: nothing overlaps, and it takes next to nothing more than it must."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from importlib.resources.abc import Traversable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests_support import builder, random_graph, residual_graph

from trit.export.arena import Lifetime, held, lower_bound, place
from trit.export.graph import Graph
from trit.export.onnx_reader import parse_onnx
from trit.export.plan import to_plan
from trit.runtime import Session

lifetimes = st.builds(
    lambda size, first, length: Lifetime(size, first, first + length),
    st.integers(1, 500),
    st.integers(0, 12),
    st.integers(0, 6),
)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(lifetimes, max_size=14), st.sampled_from([4, 32]))
def test_what_is_alive_together_lies_apart(tensors: list[Lifetime], alignment: int) -> None:
    offsets, size = place(tensors, alignment)
    assert size == max((offset + t.size for offset, t in zip(offsets, tensors, strict=True)), default=0)
    assert size >= lower_bound(tensors)
    for i, a in enumerate(tensors):
        assert offsets[i] % alignment == 0
        for j, b in enumerate(tensors[:i]):
            together = a.first <= b.last and b.first <= a.last
            apart = offsets[i] + a.size <= offsets[j] or offsets[j] + b.size <= offsets[i]
            assert apart or not together


def test_lower_bound() -> None:
    assert lower_bound([]) == 0
    assert lower_bound([Lifetime(3, 0, 1), Lifetime(5, 1, 2), Lifetime(7, 2, 2), Lifetime(4, 3, 9)]) == 5 + 7


def test_a_chain_needs_no_more_than_its_widest_step() -> None:
    tensors = [Lifetime(size, i, i + 1) for i, size in enumerate([64, 128, 32, 256, 32])]
    assert place(tensors, 4)[1] == lower_bound(tensors) == 256 + 32


@pytest.mark.parametrize("count", [3, 4, 5, 6])
def test_small_ones_reach_the_optimum(count: int) -> None:
    """Of random sizes in bytes, which alignment mostly keeps above the lower bound."""
    rng = np.random.default_rng(count)
    for _ in range(100):
        first = rng.integers(0, 7, count)
        last, sizes = first + rng.integers(0, 4, count), rng.integers(1, 40, count)
        tensors = [Lifetime(*(int(value) for value in row)) for row in zip(sizes, first, last, strict=True)]
        assert words(place(tensors, 4)[1]) == words(_optimum(tensors, 4))


ZOO = [entry for entry in (files("trit") / "zoo").iterdir() if entry.name.endswith(".onnx")]


@pytest.mark.parametrize("entry", ZOO, ids=lambda entry: entry.name)
def test_networks_of_the_zoo(entry: Traversable) -> None:
    assert_arena_is_tight(parse_onnx(entry.read_bytes(), entry.name))


@pytest.mark.parametrize("make", [random_graph, residual_graph])
def test_random_networks(make: Callable[[int], Graph]) -> None:
    for seed in range(60):
        assert_arena_is_tight(make(seed))


def assert_arena_is_tight(graph: Graph) -> None:
    for lanes in (1, 16):
        session = Session(to_plan(graph, lanes))
        needed = lower_bound(held(session.steps))
        assert needed <= session.arena_size <= max(1.05 * needed, 4 * words(needed))


def test_a_sum_lies_over_its_summand() -> None:
    """Add takes the place of accumulators or codes of its own kind that nobody reads later, of bits never."""
    build = builder(np.random.default_rng(0), (1, 4, 4))
    build.conv(8, "binary")
    shortcut = build.threshold("binary")
    build.conv(8, "binary")
    first = build.add(shortcut)
    build.threshold("binary")
    build.conv(8, "binary")
    second = build.add(first)
    build.threshold("binary")
    build.conv(8, "binary")
    build.add(second)
    build.add(second)
    stream = build.rescale()
    build.conv(8, "binary")
    build.rescale()
    build.add(stream)
    build.rescale()
    build.dense(2, "binary")
    build.scores()
    steps = Session(to_plan(build.graph())).steps
    over = [
        [step.name for step in steps[:-1] if step.last_reader == add.index and step.output_offset == add.output_offset]
        for add in steps
        if add.operator.startswith("Add")
    ]
    assert over == [["conv2"], ["conv5"], ["conv8"], [], ["conv12"]]
    assert len(held(steps)) == len(steps) - 1 - 4


def words(size: int) -> int:
    return -(-size // 4)


def _optimum(tensors: list[Lifetime], alignment: int) -> int:
    """The smallest block: some order of placing each tensor at the lowest free offset leads to it."""
    best = alignment * len(tensors) + sum(tensor.size for tensor in tensors)

    def search(offsets: dict[int, int], size: int) -> None:
        nonlocal best
        if size >= best:
            return
        if len(offsets) == len(tensors):
            best = size
        for i in range(len(tensors)):
            if i not in offsets:
                offset = _lowest(tensors, offsets, i, alignment)
                search({**offsets, i: offset}, max(size, offset + tensors[i].size))

    search({}, 0)
    return best


def _lowest(tensors: list[Lifetime], offsets: dict[int, int], index: int, alignment: int) -> int:
    size = tensors[index].size
    taken = [(at, at + tensors[i].size) for i, at in offsets.items() if tensors[i].meets(tensors[index])]
    starts = sorted([0, *(-(-end // alignment) * alignment for _, end in taken)])
    return next(at for at in starts if all(end <= at or at + size <= begin for begin, end in taken))
