# SPDX-License-Identifier: Apache-2.0
"""The RRAM target: exact when error-free, errors at the stated rates, costs by hand."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_support import SYNAPSES, builder, random_graph, random_input

from trit.export import reference
from trit.export.graph import Graph
from trit.export.operators import Conv
from trit.runtime.errors import TritError, Unavailable
from trit.targets.description import Array, Rram
from trit.targets.rram.cell import BitErrorRate, ErrorRates, disturb, program, sense
from trit.targets.rram.cost import layer_costs, programming_energy
from trit.targets.rram.executor import default_chip, error_rates, run_rram, run_rram_with_errors
from trit.targets.rram.mapping import map_graph, weight_matrix
from trit.targets.rram.programming import write_programming


@pytest.fixture
def chip() -> Rram:
    return default_chip()


def chip_of(rows: int, columns: int, available: int | None = None) -> Rram:
    return default_chip().model_copy(update={"array": Array(rows=rows, columns=columns, available=available)})


def dense_graph(inputs: int, outputs: int) -> Graph:
    build = builder(np.random.default_rng(0), (inputs, 1, 1), 0)
    build.dense(outputs, "ternary")
    build.scores()
    return build.graph()


@pytest.mark.parametrize("polarity", [1, -1])
def test_a_synapse_reads_what_was_programmed(polarity: int) -> None:
    weights = np.array([-1, 0, 1], np.int8)
    states = program(weights, polarity)
    np.testing.assert_array_equal(sense(states, polarity), weights)
    np.testing.assert_array_equal(states[:, 1], [False, False])  # zero: both devices in HRS
    assert states[0, 2] == (polarity == 1)


@pytest.mark.parametrize("seed", range(12))
def test_random_networks_give_the_reference_bits(seed: int, chip: Rram) -> None:
    graph = random_graph(seed, SYNAPSES)
    images = random_input(graph, 3, np.random.default_rng(seed))
    scores = run_rram(graph, images, chip)
    np.testing.assert_array_equal(scores.view(np.uint32), reference.run(graph, images).view(np.uint32))


@given(rows=st.integers(1, 70), columns=st.integers(1, 70), seed=st.integers(0, 3))
def test_tiles_cover_every_weight_once(rows: int, columns: int, seed: int) -> None:
    graph = random_graph(seed, SYNAPSES)
    layers = map_graph(graph, chip_of(rows, columns))
    assert [t.array for layer in layers for t in layer.tiles] == list(range(sum(len(x.tiles) for x in layers)))
    for layer in layers:
        matrix = np.full((layer.rows, layer.columns), 9, np.int8)
        for tile in layer.tiles:
            part = matrix[tile.row : tile.row + tile.rows, tile.column : tile.column + tile.columns]
            assert (part == 9).all()
            part[:] = sense(tile.states, 1)
        np.testing.assert_array_equal(matrix, weight_matrix(layer.node))


def test_too_few_arrays_says_how_many_more() -> None:
    with pytest.raises(Unavailable, match="it takes 4 arrays, 1 more than the 3 there are"):
        map_graph(dense_graph(64, 64), chip_of(32, 32, available=3))


def test_int8_weights_do_not_fit_into_synapses(chip: Rram) -> None:
    build = builder(np.random.default_rng(0), (3, 4, 4), 0)
    build.conv(8, "int8")
    build.scores()
    with pytest.raises(Unavailable, match="layer conv0 has int8 weights, which the arrays of rram-2t2r-130nm cannot"):
        map_graph(build.graph(), chip)


def test_errors_come_at_their_rates() -> None:
    rng = np.random.default_rng(0)
    stored = rng.choice(np.array([-1, 0, 1], np.int8), 200_000)
    rates = ErrorRates(sign=0.02, lost=0.05, raised=0.1)
    read = disturb(stored, "ternary", rates, rng)
    nonzero, zero = stored != 0, stored == 0
    for found, expected in (
        ((read == -stored)[nonzero].mean(), 0.02),
        ((read == 0)[nonzero].mean(), 0.05),
        ((read == 1)[zero].mean(), 0.05),
        ((read == -1)[zero].mean(), 0.05),
    ):
        assert found == pytest.approx(expected, abs=0.003)
    binary = disturb(np.ones(100_000, np.int8), "binary", ErrorRates(flip=0.03), rng)
    assert (binary == -1).mean() == pytest.approx(0.03, abs=0.003)


@pytest.mark.parametrize("zeros", [0.0, 0.3, 0.9])
def test_the_published_one_parameter_model_keeps_its_mean_rate(zeros: float) -> None:
    rng = np.random.default_rng(1)
    stored = np.where(rng.random(200_000) < zeros, 0, rng.choice([-1, 1], 200_000)).astype(np.int8)
    read = disturb(stored, "ternary", BitErrorRate(0.1).of_layer(stored), rng)
    assert (read != stored).mean() == pytest.approx(0.1, abs=0.005)
    assert not (read == -stored)[stored != 0].any()


@pytest.mark.parametrize("rates", [{"sign": -0.1}, {"flip": 1.5}, {"sign": 0.6, "lost": 0.6}])
def test_impossible_rates_are_refused(rates: dict[str, float]) -> None:
    with pytest.raises(TritError, match="error rate"):
        ErrorRates(**rates)


def test_the_same_seed_draws_the_same_errors(chip: Rram) -> None:
    graph = dense_graph(100, 40)
    images = random_input(graph, 4, np.random.default_rng(4))
    first, again, other = (run_rram_with_errors(graph, images, chip, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_rates_come_from_the_description(chip: Rram) -> None:
    assert error_rates(chip).raised == chip.errors.raised.value


def test_costs_by_hand(chip: Rram) -> None:
    """100 inputs and 40 outputs on 32 × 32 arrays: 4 bands of rows, 2 of columns, one position."""
    dense, scores = layer_costs(dense_graph(100, 40), chip)
    cost = chip.cost
    assert (dense.arrays, dense.senses) == (8, 4000)
    assert dense.utilisation == pytest.approx(4000 / (8 * 32 * 32))
    assert dense.latency == pytest.approx(32 * cost.read_time.value)
    assert dense.energy == pytest.approx(
        4000 * (cost.sense_energy.value + cost.accumulate_energy.value)
        + 40 * 3 * cost.accumulate_energy.value
        + 40 * cost.threshold_energy.value
        + cost.static_power.value * dense.latency
    )
    assert (scores.latency, scores.senses, scores.energy) == (0, 0, pytest.approx(40 * cost.threshold_energy.value))
    assert programming_energy(dense_graph(100, 40), chip) == pytest.approx(8000 * cost.program_energy.value)


def test_rescaling_has_an_energy_of_its_own(chip: Rram) -> None:
    """Behind a convolution, behind a sum, and by itself; a threshold takes less."""
    build = builder(np.random.default_rng(0), (1, 3, 3), 0)
    build.conv(4, "binary")
    stream = build.rescale()
    build.threshold("binary")
    build.conv(4, "binary")
    build.rescale()
    build.add(stream)
    build.rescale()
    build.sum_pool((3, 3), (3, 3))
    build.rescale()
    build.dense(2, "binary")
    build.scores()
    costs = {type(c.step.node).__name__: c for c in layer_costs(build.graph(), chip)}
    assert costs["Add"].energy == pytest.approx(36 * chip.cost.rescale_energy.value)
    assert costs["Rescale"].energy == pytest.approx(4 * chip.cost.rescale_energy.value)
    assert costs["Threshold"].energy == pytest.approx(36 * chip.cost.threshold_energy.value)
    first = layer_costs(build.graph(), chip)[0]
    per_sense = chip.cost.sense_energy.value + chip.cost.accumulate_energy.value
    expected = first.senses * per_sense + 36 * chip.cost.rescale_energy.value
    assert first.energy == pytest.approx(expected + chip.cost.static_power.value * first.latency)


def test_a_convolution_senses_once_a_position(chip: Rram) -> None:
    build = builder(np.random.default_rng(0), (3, 9, 7), 0)
    build.conv(16, "binary", stride=(2, 2))
    build.dense(10, "ternary") if build.threshold("binary") else None
    build.scores()
    first = layer_costs(build.graph(), chip)[0]
    assert first.senses == 5 * 4 * 27 * 16
    assert first.latency == pytest.approx(5 * 4 * 27 * chip.cost.read_time.value)


@pytest.mark.parametrize("seed", range(8))
def test_programming_files_compute_the_scores(seed: int, tmp_path: Path, chip: Rram) -> None:
    graph = random_graph(seed, SYNAPSES)
    images = random_input(graph, 3, np.random.default_rng(seed))
    scores = reference.run(graph, images)
    write_programming(graph, chip, tmp_path, images, scores)
    done = subprocess.run(["make", "-s", "-C", str(tmp_path), "run"], capture_output=True, text=True)
    assert done.stdout == "3 of 3 test images give the expected scores\n", done.stderr
    wrong = scores.copy()
    wrong[1] += 1
    (tmp_path / "scores.bin").write_bytes(wrong.astype("<f4").tobytes())
    done = subprocess.run(["make", "-s", "-C", str(tmp_path), "run"], capture_output=True, text=True)
    assert done.returncode != 0
    assert done.stdout == "2 of 3 test images give the expected scores\n"


def test_a_flipped_device_changes_the_weight_that_is_read(tmp_path: Path, chip: Rram) -> None:
    graph = dense_graph(8, 4)
    node = next(node for node in graph.nodes if isinstance(node, Conv))
    all_plus = replace(node, weights=np.ones_like(node.weights))
    graph.nodes[graph.nodes.index(node)] = all_plus
    image = np.full((1, 8, 1, 1), 10, np.uint8)
    write_programming(graph, chip, tmp_path, image, reference.run(graph, image))
    array = tmp_path / "arrays" / "00000.txt"
    rows = array.read_text().split("\n")
    assert rows[0] == "f0000000 00000000"
    rows[0] = "70000000 00000000"
    array.write_text("\n".join(rows))
    done = subprocess.run(["make", "-s", "-C", str(tmp_path), "run"], capture_output=True, text=True)
    assert done.stdout == "0 of 1 test images give the expected scores\n"
