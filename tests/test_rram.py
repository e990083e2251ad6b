# SPDX-License-Identifier: Apache-2.0
"""The error-free RRAM chip: layers on arrays, their schedule, programming files, and the reference's bits."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_support import SYNAPSES, builder, random_graph, random_input

from trit.export import reference
from trit.export.graph import Graph
from trit.export.operators import Conv
from trit.runtime.errors import Unavailable
from trit.targets.description import load_target
from trit.targets.rram.analog import run_analog
from trit.targets.rram.cell import program, sense
from trit.targets.rram.chip import Adc, Array, Rram
from trit.targets.rram.executor import default_chip, run_rram
from trit.targets.rram.mapping import map_graph, weight_matrix
from trit.targets.rram.programming import write_programming
from trit.targets.rram.schedule import schedule

IDEAL = ("lrs.sigma.value=0", "hrs.sigma.value=0", "hrs.median.value=1e12")


@pytest.fixture
def chip() -> Rram:
    return default_chip()


def chip_of(rows: int, columns: int, **options: Any) -> Rram:
    return default_chip().model_copy(update={"array": Array(rows=rows, columns=columns, **options)})


CHIPS = [
    chip_of(32, 32),
    chip_of(24, 40, shared=True, columns_per_amplifier=4),
    chip_of(16, 16, available=4000, replicated=True),
    chip_of(64, 64, shared=True),
]


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


@pytest.mark.parametrize(("rows", "columns"), [(32, 32), (8, 20), (70, 70)])
def test_tiles_share_arrays_without_overlap(rows: int, columns: int) -> None:
    graph = random_graph(2, SYNAPSES)
    alone, shared = (map_graph(graph, chip_of(rows, columns, shared=flag)) for flag in (False, True))
    numbers = [sorted({tile.array for layer in layers for tile in layer.tiles}) for layers in (alone, shared)]
    assert len(numbers[1]) <= len(numbers[0])
    assert numbers[1] == list(range(len(numbers[1])))
    taken = np.zeros((len(numbers[1]), rows, columns), int)
    for tile in (tile for layer in shared for tile in layer.tiles):
        assert tile.top + tile.rows <= rows
        assert tile.left + tile.columns <= columns
        taken[tile.array, tile.top : tile.top + tile.rows, tile.left : tile.left + tile.columns] += 1
    assert taken.max() == 1
    assert taken.sum() == sum(layer.rows * layer.columns for layer in shared)


def test_spare_arrays_hold_copies_of_the_slowest_layer() -> None:
    build = builder(np.random.default_rng(0), (3, 8, 8), 0)
    build.conv(16, "binary")
    build.threshold("binary")
    build.dense(10, "binary")
    build.scores()
    graph = build.graph()
    needed = len(map_graph(graph, chip_of(32, 32))[1].tiles) + 1
    conv, dense = map_graph(graph, chip_of(32, 32, available=needed + 3, replicated=True))
    assert (len(conv.copies), len(dense.copies)) == (4, 1)
    assert len({tile.array for copy in conv.copies for tile in copy}) == 4
    slots = schedule(graph, chip_of(32, 32, available=needed + 3, replicated=True))
    assert slots[0].rounds == 64 // 4
    assert slots[0].cycles == 16 * 27 + 1


def test_columns_that_share_an_amplifier_are_read_one_after_the_other() -> None:
    graph = dense_graph(40, 30)
    alone, shared = (schedule(graph, chip_of(32, 32, columns_per_amplifier=count))[0] for count in (1, 4))
    assert (alone.per_position, shared.per_position) == (32, 128)
    assert alone.cycles == 32 + 2  # two bands: an addition, and the thresholds


@pytest.mark.parametrize("seed", range(8))
def test_programming_files_compute_the_scores(seed: int, tmp_path: Path) -> None:
    graph = random_graph(seed, SYNAPSES)
    chip = CHIPS[seed % len(CHIPS)]
    images = random_input(graph, 3, np.random.default_rng(seed))
    scores = reference.run(graph, images)
    write_programming(graph, chip, tmp_path, images, scores)
    done = subprocess.run(["make", "-s", "-C", str(tmp_path), "run"], capture_output=True, text=True)
    assert done.stdout.startswith("3 of 3 test images give the expected scores, in "), done.stderr
    wrong = scores.copy()
    wrong[1] += 1
    (tmp_path / "scores.bin").write_bytes(wrong.astype("<f4").tobytes())
    done = subprocess.run(["make", "-s", "-C", str(tmp_path), "run"], capture_output=True, text=True)
    assert done.returncode != 0
    assert done.stdout.startswith("2 of 3 test images give the expected scores")


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
    assert done.stdout.startswith("0 of 1 test images give the expected scores")


def test_an_analog_macro_of_ideal_devices_and_fine_converters_is_exact() -> None:
    chip = load_target("rram-1t1r-adc-130nm", ["sense.bits=16", *(f"device.conditions.strong.{k}" for k in IDEAL)])
    assert isinstance(chip, Rram)
    assert isinstance(chip.sense, Adc)
    graph = random_graph(3, SYNAPSES)
    images = random_input(graph, 3, np.random.default_rng(3))
    ideal = chip.model_copy(update={"device": chip.device.model_copy(update={"noise": None})})
    np.testing.assert_array_equal(run_analog(graph, images, ideal, chip.sense, 0), reference.run(graph, images))
    coarse = chip.sense.model_copy(update={"bits": 3})
    assert (run_analog(graph, images, ideal, coarse, 0) != reference.run(graph, images)).any()
