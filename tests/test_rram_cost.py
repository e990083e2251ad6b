# SPDX-License-Identifier: Apache-2.0
"""Energy, latency, area and programming of networks on RRAM chips: by hand, and sums that are the whole."""

from __future__ import annotations

import numpy as np
import pytest
from tests_support import SYNAPSES, builder, random_graph

from trit.export.check import accumulator_ranges
from trit.export.graph import Graph
from trit.targets.description import load_target
from trit.targets.profile import rram_profile
from trit.targets.rram.chip import Array, Rram
from trit.targets.rram.cost import COMPONENTS, component_origins, dynamic, layer_costs, sense_energies
from trit.targets.rram.executor import default_chip
from trit.targets.rram.search import at
from trit.targets.rram.whole import area, programming


@pytest.fixture
def chip() -> Rram:
    return default_chip()


def dense_graph(inputs: int, outputs: int) -> Graph:
    build = builder(np.random.default_rng(0), (inputs, 1, 1), 0)
    build.dense(outputs, "ternary")
    build.threshold("binary")
    build.dense(8, "binary")
    build.scores()
    return build.graph()


def test_costs_by_hand(chip: Rram) -> None:
    """100 bytes and 40 outputs on 32 × 32 arrays: 4 bands of rows, 2 of columns, one position; then 40 bits and 8."""
    graph = dense_graph(100, 40)
    first, second, scores = layer_costs(graph, chip)
    logic, cycle = chip.logic, 1 / chip.operation.clock
    weights = graph.nodes[0].weights  # type: ignore[attr-defined]
    nonzero, zero = sense_energies(chip)
    low, high = accumulator_ranges(graph)[graph.nodes[0].output]
    assert (first.arrays, first.senses, first.cycles) == (8, 4000, 32 + 4)
    assert first.utilisation == pytest.approx(4000 / (8 * 32 * 32))
    assert first.latency == pytest.approx(36 * cycle)
    expected = {
        "sense": (weights != 0).sum() * nonzero + (weights == 0).sum() * zero,
        "accumulation": (4000 + 40 * 3) * logic.add.value,
        "output": 40 * logic.threshold.value,
        "buffer": (100 * 8 + 40) * logic.buffer.value,
        "transfer": (100 * 8 + 40 * 3 * max(-low, high).bit_length()) * logic.transfer.value,
        "control": 36 * 8 * 32 * logic.control.value + 36 * logic.chip_control.value,
        "leakage": (10 * logic.array_leakage.value + logic.chip_leakage.value) * 36 * cycle,
    }
    assert {name: energy for name, energy in first.energies.items() if energy} == pytest.approx(expected)
    assert second.energies["popcount"] == pytest.approx(320 * logic.count.value)
    assert (second.energies["accumulation"], second.cycles) == (8 * logic.add.value, 32 + 2)
    assert (scores.latency, scores.senses) == (0, 0)


def test_logic_goes_with_the_square_of_the_supply(chip: Rram) -> None:
    graph = dense_graph(100, 40)
    low = at(chip, supply=chip.logic.nominal.value / 2)
    assert dynamic(low) == pytest.approx(0.25)
    for name in ("accumulation", "output", "buffer", "transfer", "control"):
        assert layer_costs(graph, low)[0].energies[name] == pytest.approx(
            layer_costs(graph, chip)[0].energies[name] / 4
        )
    assert sense_energies(low)[0] < sense_energies(chip)[0] / 2


def test_rescaling_has_an_energy_of_its_own(chip: Rram) -> None:
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
    assert costs["Add"].energies["output"] == pytest.approx(36 * chip.logic.rescale.value)
    assert costs["Rescale"].energies["output"] == pytest.approx(4 * chip.logic.rescale.value)
    assert costs["Threshold"].energies["output"] == pytest.approx(36 * chip.logic.threshold.value)


def test_a_convolution_reads_its_arrays_once_a_position(chip: Rram) -> None:
    build = builder(np.random.default_rng(0), (3, 9, 7), 0)
    build.conv(16, "binary", stride=(2, 2))
    build.threshold("binary")
    build.dense(10, "binary")
    build.scores()
    first = layer_costs(build.graph(), chip)[0]
    assert first.senses == 5 * 4 * 27 * 16
    assert first.cycles == 5 * 4 * 27 + 1


def test_copies_save_time_not_reads(chip: Rram) -> None:
    graph = random_graph(1, SYNAPSES)
    few = chip.model_copy(update={"array": Array(rows=32, columns=32, available=2000)})
    many = chip.model_copy(update={"array": Array(rows=32, columns=32, available=2000, replicated=True)})
    slow, fast = layer_costs(graph, few), layer_costs(graph, many)
    assert sum(cost.senses for cost in slow) == sum(cost.senses for cost in fast)
    assert sum(cost.latency for cost in fast) < sum(cost.latency for cost in slow)


@pytest.mark.parametrize(
    "name", ["rram-2t2r-130nm", "rram-4x64-130nm", "rram-2t2r-28nm", "rram-1t1r-adc-130nm", "magneto-ionic"]
)
def test_components_and_layers_add_up_to_the_whole(name: str) -> None:
    target = load_target(name)
    assert isinstance(target, Rram)
    array = target.array.model_copy(update={"available": None})
    profile = rram_profile(random_graph(3, SYNAPSES), target.model_copy(update={"array": array}))
    assert sum(profile.energies.values()) == pytest.approx(profile.energy)
    assert sum(layer.latency for layer in profile.layers) == pytest.approx(profile.latency)
    assert profile.power * profile.latency == pytest.approx(profile.energy)
    assert set(profile.energies) == set(COMPONENTS) == set(component_origins(target))
    assert profile.chip is not None
    assert sum(profile.chip.area.values()) > 0


def test_converters_take_bits_one_by_one_and_rows_together() -> None:
    target = load_target("rram-1t1r-adc-130nm")
    assert isinstance(target, Rram)
    first, second, _ = layer_costs(dense_graph(100, 40), target)
    assert first.cycles == 8 * 2 + 4  # 8 bits, 32 rows in two groups of 16
    assert second.cycles == 1 * 2 + 2
    # by first-layer array: (3 bands of 2 groups, and 4 rows in one) of 40 columns, 8 passes
    conversions = 8 * (3 * 2 + 1) * 40
    assert first.energies["accumulation"] == pytest.approx((conversions + 40 * 3) * target.logic.add.value)


def test_programming_by_hand(chip: Rram) -> None:
    graph = dense_graph(100, 40)
    weights = [node.weights for node in graph.nodes if hasattr(node, "weights")]
    low, synapses = sum(int((w != 0).sum()) for w in weights), sum(w.size for w in weights)
    written, condition = programming(graph, chip), chip.condition
    assert written.devices == 2 * synapses
    assert written.energy == pytest.approx(low * condition.set.energy + (2 * synapses - low) * condition.reset.energy)
    assert written.time == pytest.approx(2 * 32 * 32 * condition.set.duration)
    forming = chip.device.forming
    assert forming is not None
    assert written.forming_energy == pytest.approx(2 * synapses * forming.energy)


def test_a_switching_law_gives_the_time_of_a_pulse() -> None:
    target = load_target("magneto-ionic")
    assert isinstance(target, Rram)
    pulse = target.condition.set
    law = pulse.switching
    assert law is not None
    expected = 3 * law.time_constant.value * np.exp(-pulse.voltage.value / law.voltage_scale.value)
    assert pulse.duration == pytest.approx(expected)
    assert programming(dense_graph(20, 20), target).time == pytest.approx(20 * 20 * expected)


def test_area_by_hand(chip: Rram) -> None:
    parts = area(3, chip.model_copy(update={"array": Array(rows=16, columns=32, columns_per_amplifier=4)}))
    assert parts["cells"] == pytest.approx(3 * 16 * 32 * chip.cell.area.value)
    assert parts["sense"] == pytest.approx(3 * 8 * chip.sense.area.value)
    assert parts["columns"] == pytest.approx(3 * 8 * chip.logic.column_area.value)
