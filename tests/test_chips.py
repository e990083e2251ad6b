# SPDX-License-Identifier: Apache-2.0
"""Many simulated chips: the drawn errors give the reference's bits, and come at their rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from tests_support import SYNAPSES, WORD_BOUNDARIES, Builder, builder, random_graph, random_input, residual_graph

from trit.export import reference
from trit.export.graph import Graph, Int8Array, WeightKind
from trit.export.operators import Conv
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.runtime.chips import BLOCK, Chips, Errors
from trit.runtime.errors import TritError, Unavailable

# Two classes of amplifiers, [C][stored][read], of which the second errs more often; and errors of a read.
RATES = np.array(
    [
        [[0.96, 0.03, 0.01], [0.05, 0.93, 0.02], [0.02, 0.04, 0.94]],
        [[0.80, 0.05, 0.15], [0.10, 0.80, 0.10], [0.05, 0.25, 0.70]],
    ]
)
READ = np.array([[0.97, 0.02, 0.01], [0.02, 0.96, 0.02], [0.01, 0.02, 0.97]])
ROWS = 32  # of an array


@pytest.fixture(params=["scalar", "avx512"])
def variant(request: pytest.FixtureRequest) -> str:
    """The variant with the engine's own kernel, and one without."""
    try:
        Session(to_plan(mlp("binary", "binary")), request.param)
    except Unavailable as error:
        pytest.skip(str(error))
    return str(request.param)


def mlp(weights: WeightKind, activations: str, inputs: int = 50, hidden: Sequence[int] = (65, 33)) -> Graph:
    build = builder(np.random.default_rng(1), (inputs, 1, 1), 73)
    for outputs in hidden:
        build.dense(outputs, weights)
        build.threshold("binary" if activations == "binary" else "ternary")
    build.dense(10, weights)
    build.scores()
    return build.graph()


def matrix(node: Conv) -> Int8Array:
    """Weights (O, I / groups, KH, KW) as [K][O]."""
    return node.weights.transpose(2, 3, 1, 0).reshape(-1, len(node.weights))


def with_errors(graph: Graph, errors: Sequence[Errors]) -> Graph:
    """The graph with weights as a chip reads them."""
    nodes = list(graph.nodes)
    for index, node in enumerate(nodes):
        found = next((e for e in errors if e.layer.name == node.name), None)
        if isinstance(node, Conv) and found is not None:
            read = matrix(node).copy()
            read[found.rows, found.columns] = found.read
            outputs, inputs, height, width = node.weights.shape
            weights = read.reshape(height, width, inputs, outputs).transpose(3, 2, 0, 1)
            nodes[index] = replace(node, weights=np.ascontiguousarray(weights))
    return replace(graph, nodes=nodes)


def check(
    graph: Graph, count: int, variant: str | None = None, lanes: int = 16, read: np.ndarray | None = None
) -> None:
    """Scores of two chips are the reference's with the errors that they drew, block by block."""
    images = random_input(graph, count, np.random.default_rng(count))
    chips = Chips(to_plan(graph, lanes), images, ROWS, variant)
    for chip in (0, 7):
        scores = chips.scores(chip, 5, RATES, read)
        kept = with_errors(graph, chips.errors(chip, 5, RATES))
        for block in range(-(-count // BLOCK)):
            part = slice(block * BLOCK, (block + 1) * BLOCK)
            seen = kept if read is None else with_errors(kept, chips.errors(chip, 5, RATES, read, block))
            expected = reference.run(seen, images[part]).reshape(scores[part].shape)
            np.testing.assert_array_equal(scores[part].view(np.uint32), expected.view(np.uint32))


def first_layer(build: Builder, activations: str) -> Graph:
    """What was built of a first layer, with a second one."""
    build.threshold("binary" if activations == "binary" else "ternary")
    build.conv(33, "ternary", (1, 1), padding=(0, 0, 0, 0))
    build.threshold("binary")
    build.dense(5, "binary")
    build.scores()
    return build.graph()


@pytest.mark.parametrize("activations", ["binary", "ternary"])
@pytest.mark.parametrize("weights", SYNAPSES)
@pytest.mark.parametrize("count", [1, BLOCK, BLOCK + 1, 3 * BLOCK - 1])
def test_dense_networks_give_the_references_bits(
    weights: WeightKind, activations: str, count: int, variant: str
) -> None:
    check(mlp(weights, activations), count, variant)
    check(mlp(weights, activations), count, variant, read=READ)


@pytest.mark.parametrize("outputs", WORD_BOUNDARIES)
def test_channels_at_word_boundaries(outputs: int, variant: str) -> None:
    for weights in SYNAPSES:
        for inputs in (outputs, 300):
            check(mlp(weights, weights, inputs, (outputs, outputs)), 5, variant, lanes=outputs % 2 * 15 + 1, read=READ)


@pytest.mark.parametrize("activations", ["binary", "ternary"])
@pytest.mark.parametrize(
    ("channels", "arguments"),
    [
        (1, {}),
        (3, {"kernel": (3, 2), "padding": (0, 1, 2, 0)}),
        (3, {"stride": (2, 3), "padding": (2, 2, 1, 1)}),
        (2, {"dilation": (2, 1), "padding": (2, 0, 1, 3)}),
        (6, {"groups": 3}),
        (6, {"groups": 6}),
        (33, {"kernel": (5, 5), "stride": (2, 2)}),
    ],
)
def test_convolutions_as_first_layer(
    channels: int, arguments: dict[str, object], activations: str, variant: str
) -> None:
    for weights in SYNAPSES:
        build = builder(np.random.default_rng(0), (channels, 7, 8), 128)
        build.conv(channels if arguments.get("groups") == channels else 36, weights, **arguments)  # type: ignore[arg-type]
        check(first_layer(build, activations), BLOCK + 3, variant, read=READ if channels == 3 else None)


@pytest.mark.parametrize("seed", range(8))
def test_random_networks_give_the_references_bits(seed: int) -> None:
    """Among them some whose first layer is none to correct, or has int8 weights."""
    kinds: tuple[WeightKind, ...] = SYNAPSES if seed % 2 else ("ternary", "int8")
    graph = random_graph(seed, kinds) if seed % 3 else residual_graph(seed)
    if not any(isinstance(node, Conv) and node.weight_kind != "int8" for node in graph.nodes):
        pytest.skip("this network drew no synapses")
    check(graph, BLOCK + 2, read=READ if seed % 4 == 0 else None)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_no_synapse_errs_or_all_do(rate: float, variant: str) -> None:
    """All +1 that are read as -1 are more wrong synapses of one sign than 16-bit sums hold."""
    graph = mlp("ternary", "binary", 700)
    images = random_input(graph, 70, np.random.default_rng(0))
    chips = Chips(to_plan(graph), images, ROWS, variant)
    rates = np.eye(3) if rate == 0 else np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0]])
    nodes = [replace(n, weights=-abs(n.weights)) if isinstance(n, Conv) and rate else n for n in graph.nodes]
    scores = reference.run(replace(graph, nodes=nodes), images)[:, :, 0, 0]
    np.testing.assert_array_equal(chips.scores(3, 1, rates), scores)
    np.testing.assert_array_equal(next(chips.run([3], 1, rates)), scores.argmax(axis=1))
    if rate == 0:
        np.testing.assert_array_equal(chips.scores(3, 1, rates), Session(to_plan(graph), variant).run(images))
    wrong = sum((n.weights > 0).sum() for n in graph.nodes if isinstance(n, Conv)) if rate else 0
    assert sum(len(errors.rows) for errors in chips.errors(3, 1, rates)) == wrong


def test_a_first_layer_too_large_to_keep_is_prepared_for_each_chip(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = mlp("ternary", "binary")
    images = random_input(graph, 100, np.random.default_rng(0))
    kept = list(Chips(to_plan(graph), images, ROWS).run(range(3), 0, RATES))
    monkeypatch.setattr("trit.runtime.chips.KEPT_BYTES", 0)
    np.testing.assert_array_equal(list(Chips(to_plan(graph), images, ROWS).run(range(3), 0, RATES)), kept)


def test_threads_and_other_chips_change_nothing() -> None:
    graph = random_graph(3, SYNAPSES)
    images = random_input(graph, 2 * BLOCK + 1, np.random.default_rng(0))
    chips = Chips(to_plan(graph), images, ROWS)
    one = list(chips.run(range(11), 9, RATES, READ))
    np.testing.assert_array_equal(list(chips.run(range(11), 9, RATES, READ, threads=3)), one)
    np.testing.assert_array_equal(list(chips.run([10, 4], 9, RATES, READ)), [one[10], one[4]])
    np.testing.assert_array_equal(one[4], chips.scores(4, 9, RATES, READ).argmax(axis=1))
    assert any((a != b).any() for a, b in zip(one, chips.run(range(11), 8, RATES, READ), strict=True))
    assert list(chips.run([], 9, RATES)) == []
    few = chips.run(range(1000), 9, RATES, threads=2)
    np.testing.assert_array_equal(next(few), next(chips.run([0], 9, RATES)))
    few.close()  # leaves the others


def test_no_images_and_no_read_errors() -> None:
    graph = mlp("binary", "binary")
    chips = Chips(to_plan(graph), np.empty((0, 50, 1, 1), np.uint8), ROWS)
    assert [len(classes) for classes in chips.run(range(2), 0, RATES)] == [0, 0]
    assert [len(errors.rows) for errors in chips.errors(0, 0, RATES, np.eye(3), block=0)] == [0, 0, 0]


def counts(chips: Chips, graph: Graph, rates: np.ndarray, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """Of the first layer's synapses in `draws` chips: found [stored][read], and stored [stored]."""
    weights = matrix(next(node for node in graph.nodes if isinstance(node, Conv)))
    found = np.zeros((3, 3))
    for chip in range(draws):
        errors = chips.errors(chip, 0, rates)[0]
        np.testing.assert_array_equal(errors.stored, weights[errors.rows, errors.columns])
        np.add.at(found, (errors.stored + 1, errors.read + 1), 1)
    return found, draws * np.array([(weights == value).sum() for value in (-1, 0, 1)])


@pytest.mark.parametrize("weights", SYNAPSES)
def test_errors_come_at_their_rates(weights: WeightKind) -> None:
    """Every kind of error is within five standard deviations of its expected number, in 25 chips."""
    graph = mlp(weights, "binary", 700, (100,))
    chips = Chips(to_plan(graph), random_input(graph, 1, np.random.default_rng(0)), ROWS)
    rates = np.array([[0.9689, 0.03, 0.0011], [0.05, 0.939, 0.011], [0.0002, 0.04, 0.9598]])
    found, stored = counts(chips, graph, rates, 25)
    for i in range(3):
        for j in range(3):
            rate = 0 if i == j or (weights == "binary" and 1 in (i, j)) else rates[i, j]
            expected = stored[i] * rate
            assert abs(found[i, j] - expected) <= 5 * np.sqrt(expected)


def test_a_column_of_an_array_shares_its_class() -> None:
    """With a class that never errs and one that always does, columns of arrays err whole or not at all, as often."""
    graph = mlp("binary", "binary", 100, (200,))
    chips = Chips(to_plan(graph), random_input(graph, 1, np.random.default_rng(0)), ROWS)
    always = np.eye(3)[::-1]
    wrong = np.zeros((20, 100, 200), bool)
    for chip in range(20):
        errors = chips.errors(chip, 0, [np.eye(3), np.eye(3), np.eye(3), always])[0]
        wrong[chip, errors.rows, errors.columns] = True
    bands = wrong[:, ::ROWS]
    np.testing.assert_array_equal(wrong, np.repeat(bands, ROWS, axis=1)[:, :100])
    assert bands.mean() == pytest.approx(0.25, abs=5 * np.sqrt(0.25 * 0.75 / bands.size))
    assert np.corrcoef(bands[:, :-1].ravel(), bands[:, 1:].ravel())[0, 1] == pytest.approx(0, abs=0.05)
    assert np.corrcoef(bands[:-1].ravel(), bands[1:].ravel())[0, 1] == pytest.approx(0, abs=0.05)


def test_reads_are_drawn_anew_for_each_block() -> None:
    """Reads err at their rates where the chip keeps no error, at other places in each block, alike within one."""
    graph = mlp("ternary", "binary", 700, (100,))
    images = np.repeat(random_input(graph, 1, np.random.default_rng(0)), 2 * BLOCK, axis=0)
    chips = Chips(to_plan(graph), images, ROWS)
    kept = chips.errors(0, 0, RATES)[0]
    blocks = [chips.errors(0, 0, RATES, READ, block)[0] for block in range(20)]
    synapses = 700 * 100 - len(kept.rows)
    rate = sum(len(block.rows) for block in blocks) / (20 * synapses)
    assert rate == pytest.approx((0.03 + 0.04 + 0.03) / 3, rel=0.03)
    places = [set(zip(e.rows.tolist(), e.columns.tolist(), strict=True)) for e in (kept, *blocks)]
    assert not any(places[0] & block for block in places[1:])
    assert len(places[1] & places[2]) < 0.1 * len(places[1])
    scores = chips.scores(0, 0, RATES, READ)
    assert (scores[:BLOCK] == scores[0]).all() and (scores[BLOCK:] == scores[BLOCK]).all()
    assert (scores[0] != scores[BLOCK]).any()


def test_errors_for_users() -> None:
    graph = mlp("ternary", "binary")
    images = random_input(graph, 2, np.random.default_rng(0))
    chips = Chips(to_plan(graph), images, ROWS)
    with pytest.raises(TritError, match="at least 0 and in sum 1"):
        chips.scores(0, 0, np.ones((3, 3)))
    with pytest.raises(TritError, match=r"have shape \(2, 2\); they are"):
        chips.scores(0, 0, np.eye(2))
    with pytest.raises(TritError, match="for 2 layers and 1 classes; there are 3 layers"):
        chips.scores(0, 0, np.broadcast_to(np.eye(3), (2, 1, 3, 3)))
    with pytest.raises(TritError, match="of 2 classes and of 3"):
        chips.scores(0, 0, RATES, np.broadcast_to(np.eye(3), (3, 3, 3)))
    with pytest.raises(TritError, match="seed is -1"):
        chips.scores(0, -1, RATES)
    with pytest.raises(TritError, match="array_rows is 0"):
        Chips(to_plan(graph), images, 0)
    build = builder(np.random.default_rng(0), (3, 4, 4), 0)
    build.dense(5, "int8")
    build.scores()
    with pytest.raises(TritError, match="no layer with binary or ternary weights"):
        Chips(to_plan(build.graph()), random_input(build.graph(), 1, np.random.default_rng(0)), ROWS)
