# SPDX-License-Identifier: Apache-2.0
"""The plan writer: layout, limits, and that damage never passes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from tests_support import builder, random_graph

from trit.export.fuse import fuse
from trit.export.graph import Graph, GraphError, WeightKind
from trit.export.operators import Add, Conv, Scores
from trit.export.plan import HEADER_WORDS, KINDS, OPERATORS, STEP_WORDS, TENSOR_WORDS, seal, to_plan
from trit.runtime import Session, TritError

ROOT = Path(__file__).parents[1]


def accepts(plan: bytes) -> bool:
    try:
        Session(plan)
    except TritError:
        return False
    return True


def words(plan: bytes) -> np.ndarray:
    return np.frombuffer(plan, "<u4").copy()


def test_header_and_tables() -> None:
    graph = random_graph(1)
    for lanes in (1, 16):
        plan = to_plan(graph, lanes)
        head = words(plan)[:HEADER_WORDS]
        steps, tensors = int(head[8]), int(head[10])
        assert plan[:4] == b"TRIT" and head[1] == 1 and head[2] == len(plan)
        assert (int(head[9]), tensors) == (4 * HEADER_WORDS, 4 * (HEADER_WORDS + steps * STEP_WORDS))
        assert Session(plan).arena_size == head[7]
        assert to_plan(graph, lanes) == plan


def test_constants_are_those_of_the_c_header() -> None:
    text = (ROOT / "runtime/src/format.h").read_text()
    for names in (KINDS, OPERATORS):  # in the order of the X-macros
        places = [text.index(f'"{name}"') for name in names]
        assert places == sorted(places)
    session = Session(to_plan(random_graph(2)))
    assert {operator for step in session.steps for operator in step.operator.split("+")} <= set(OPERATORS)


def test_every_bit_of_a_plan_is_guarded() -> None:
    plan = to_plan(_tiny())
    for bit in range(0, 8 * len(plan), 7):  # the C test flips them all
        damaged = bytearray(plan)
        damaged[bit // 8] ^= 1 << bit % 8
        assert not accepts(bytes(damaged)), f"bit {bit}"


def test_truncation_and_growth() -> None:
    plan = to_plan(_tiny())
    assert not any(accepts(plan[:size]) for size in range(len(plan)))
    assert not accepts(plan + bytes(4)) and not accepts(plan + b"\0")


def test_changed_tables_with_a_right_checksum() -> None:
    """A table word set to a value that cannot be right is refused by the checks behind the checksum."""
    plan = to_plan(_tiny())
    assert accepts(seal(plan))
    table_words = HEADER_WORDS + int(words(plan)[8]) * STEP_WORDS
    refused = 0
    for index in (*range(3), *range(7, table_words)):
        changed = words(plan)
        # Of a window with one position any stride is right but 0.
        is_stride = index >= HEADER_WORDS and (index - HEADER_WORDS) % STEP_WORDS == 5 and changed[index]
        changed[index] = 0 if is_stride else 0xFFFFFFF7
        assert not accepts(seal(changed.tobytes())), f"word {index}"
        refused += 1
    assert refused > 50


@pytest.mark.parametrize("lanes", [1, 8, 16])
@pytest.mark.parametrize("kind", ["binary", "ternary"])
@pytest.mark.parametrize("channels", [1, 35])
def test_every_bit_of_the_weights_is_checked(kind: WeightKind, channels: int, lanes: int) -> None:
    """A changed bit passes only as the sign of a weight that is there; an image of one channel is no bits but uint8."""
    graph = _one_conv(kind, channels)
    plan = to_plan(graph, lanes)
    step = HEADER_WORDS + (int(words(plan)[8]) - 2) * STEP_WORDS  # the last but Scores
    at, counts = (int(words(plan)[step + field]) for field in (12, 13))
    conv = graph.nodes[-2]
    assert isinstance(conv, Conv)
    planes = conv.plan_fields(graph.tensors[conv.input], graph.tensors[conv.output], lanes)
    right = np.frombuffer(planes.weights, "<u4")
    assert np.array_equal(words(plan)[at // 4 : at // 4 + right.size], right)
    present = Conv(conv.name, conv.input, conv.output, -np.abs(conv.weights), kind, conv.stride, conv.padding)
    signs = present.plan_fields(graph.tensors[conv.input], graph.tensors[conv.output], lanes).weights
    allowed = np.frombuffer(signs, "<u4").reshape(-1, 2 if kind == "ternary" else 1, lanes * _string_words(channels))
    is_sign = np.zeros_like(allowed, bool)
    is_sign[:, -1] = True
    for index, (mask, sign) in enumerate(zip(allowed.flat, is_sign.flat, strict=True)):
        for bit in (0, 1, 2, 3, 8, 30, 31):
            changed = words(plan)
            changed[at // 4 + index] ^= np.uint32(1 << bit)
            assert accepts(seal(changed.tobytes())) == bool(sign and mask >> bit & 1), (index, bit)
    for channel in range(conv.weights.shape[0] if counts else 0):
        changed = words(plan)
        changed[counts // 4 + channel] ^= 1
        assert not accepts(seal(changed.tobytes()))


def test_lifetimes_are_checked() -> None:
    """Two tensors alive at once may not share memory, even in a file that is otherwise right."""
    graph = _residual()
    plan = to_plan(graph, 1)
    changed = words(plan)
    tensors = int(changed[10]) // 4
    offsets = tensors + TENSOR_WORDS * np.arange(1, int(changed[8])) + 6
    assert len(set(changed[offsets])) > 1
    changed[offsets] = 0
    assert not accepts(seal(changed.tobytes()))


def test_only_add_writes_in_place_and_only_exactly() -> None:
    """Add may lie over a summand of its kind: nothing else may, and not a word further on."""
    plan = words(to_plan(_stream(), 1))
    steps = Session(plan.tobytes()).steps
    add = next(step for step in steps if step.operator == "Add+Rescale")
    offset = int(plan[10]) // 4 + TENSOR_WORDS * np.arange(1, len(steps)) + 6
    assert plan[offset[add.index]] == plan[offset[add.index - 1]]
    plan[7] = 2 * int(plan[7])  # room enough in the arena
    assert accepts(seal(plan.tobytes()))
    for step, place in ((add.index, add.output_offset + 4), (add.index + 1, add.output_offset)):
        changed = plan.copy()
        changed[offset[step]] = place
        assert not accepts(seal(changed.tobytes()))


def test_max_unpool_takes_codes_and_sums_alone() -> None:
    """One kernel, which is the stride, no parameters, and its output over neither input."""
    build = builder(np.random.default_rng(0), (1, 5, 4))
    sums = build.conv(4, "binary")
    build.max_pool()
    build.rescale(7)
    build.max_unpool(sums)
    build.dense(2, "binary")
    build.scores()
    plan = words(to_plan(build.graph(), 1))
    steps = Session(plan.tobytes()).steps
    index = next(step.index for step in steps if step.operator == "MaxUnpool")
    step, tensors = HEADER_WORDS + STEP_WORDS * index, int(plan[10]) // 4
    values, output = tensors + TENSOR_WORDS * int(plan[step + 2]), tensors + TENSOR_WORDS * (index + 1)
    other = tensors + TENSOR_WORDS * int(plan[step + 3])
    plan[7] = 2 * int(plan[7])  # room enough in the arena
    assert accepts(seal(plan.tobytes()))
    kernel = int(plan[step + 4])
    for at, value in (
        *((step + 2, plan[step + 3]), (step + 3, plan[step + 2]), (step + 4, kernel + 1), (step + 5, kernel + 1)),
        *((step + 6, 2), (step + 7, 1), (step + 8, 1), (step + 9, 1), (step + 14, plan[2] - 64)),
        *((output + 1, 3), (output + 2, 4), (output + 4, 8), (output + 5, 1)),
        *((output + 6, plan[values + 6]), (output + 6, plan[other + 6])),
    ):
        changed = plan.copy()
        changed[at] = value
        assert not accepts(seal(changed.tobytes())), (at - step, at - output)


@pytest.mark.parametrize("groups", [1, 7])
def test_int8_weights_that_cannot_be_are_refused(groups: int) -> None:
    """-128, which the bounds leave out, and bytes behind the last weight: of a row or of a depthwise tap."""
    build = builder(np.random.default_rng(0), (7, 1, 1))
    build.conv(7, "int8", (1, 1), padding=(0, 0, 0, 0), groups=groups)
    build.scores()
    plan = to_plan(build.graph(), 1)
    weights = int(words(plan)[HEADER_WORDS + 12])
    for at, value in ((0, 0x80), (6, 0x80), (7, 1)):
        changed = bytearray(plan)
        changed[weights + at] = value
        assert not accepts(seal(bytes(changed))), at
    assert accepts(seal(plan))


def test_sums_of_int8_weights_are_bounded() -> None:
    build = builder(np.random.default_rng(0), (70_000, 1, 1))
    build.dense(1, "int8")
    build.scores()
    with pytest.raises(GraphError, match="values up to 2266950000 are possible"):
        to_plan(build.graph())


def test_golden_plans_are_current() -> None:
    """The files' layout does not change unnoticed: the C tests' plans are what the writer writes today."""
    path = ROOT / "tests/c/make_plans.py"
    spec = importlib.util.spec_from_file_location("make_plans", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.header() == (path.parent / "plans.h").read_text()


def test_what_cannot_be_written() -> None:
    graph = _tiny()
    with pytest.raises(GraphError, match="lanes is 3"):
        to_plan(graph, 3)
    with pytest.raises(GraphError, match="NUL"):
        to_plan(Graph(graph.input, graph.output, graph.tensors, graph.nodes, ["a\0", "b"]))
    with pytest.raises(GraphError, match="ends in Scores"):
        to_plan(Graph(graph.input, graph.nodes[-1].input, graph.tensors, graph.nodes[:-1]))


def test_fusion() -> None:
    graph = _residual()
    steps = fuse(graph)
    fused = [step for step in steps if step.output_stage]
    assert fused and all(step.output == step.output_stage.output for step in fused if step.output_stage)
    # The residual convolution's accumulators go to Add, which takes the Threshold behind it along.
    assert [step.output_stage is not None for step in steps] == [True, False, True, False, False]
    assert isinstance(steps[2].node, Add)
    assert isinstance(steps[-1].node, Scores)
    outputs = {step.output for step in steps} | {step.node.output for step in fused}
    assert outputs == {node.output for node in graph.nodes}


def test_unused_nodes_are_left_out() -> None:
    build = builder(np.random.default_rng(0), (1, 3, 3))
    build.conv(4, "binary")
    kept = build.threshold("binary")
    build.conv(5, "binary")
    build.last = kept
    build.dense(2, "binary")
    build.scores()
    steps = fuse(build.graph())
    assert [type(step.node).__name__ for step in steps] == ["Conv", "Conv", "Scores"]
    assert accepts(to_plan(build.graph()))


def _tiny() -> Graph:
    build = builder(np.random.default_rng(0), (1, 3, 2))
    build.conv(5, "ternary")
    build.threshold("ternary")
    build.max_pool((2, 2), (1, 1))
    build.dense(2, "binary")
    build.scores()
    return build.graph()


def _one_conv(kind: WeightKind, channels: int) -> Graph:
    """A convolution of 5 channels on bits, or where there is one channel on uint8."""
    build = builder(np.random.default_rng(0), (channels, 2, 2))
    if channels > 1:
        build.conv(channels, "binary", (1, 1), padding=(0, 0, 0, 0))
        build.threshold("binary")
    build.conv(5, kind, (2, 2), padding=(0, 0, 0, 0))
    build.scores()
    return build.graph()


def _string_words(channels: int) -> int:
    """Words of a string of weights: a tap of bits, all four taps of uint8 of one channel."""
    return -(-channels // 32)


def _stream() -> Graph:
    build = builder(np.random.default_rng(0), (1, 4, 4))
    build.conv(33, "ternary")
    stream = build.rescale()
    build.threshold("binary")
    build.conv(33, "binary")
    build.rescale()
    build.add(stream)
    build.rescale()
    build.dense(2, "binary")
    build.scores()
    return build.graph()


def _residual() -> Graph:
    build = builder(np.random.default_rng(0), (1, 4, 4))
    build.conv(33, "ternary")
    shortcut = build.threshold("ternary")
    build.conv(33, "binary")
    build.add(shortcut)
    build.threshold("binary")
    build.dense(2, "binary")
    build.scores()
    return build.graph()
