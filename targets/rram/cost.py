# SPDX-License-Identifier: Apache-2.0
"""Energy and latency of a network on a chip, by layer and component.

With P output positions, a weight matrix of K rows and O columns in ⌈K / array rows⌉ bands, inputs of b bits, an
accumulator of a bits, N outputs of c bits, and T cycles of the layer, for one image:

    sense         P · K · O sense operations (of converters: one a column and group of rows, and pass over an input bit)
    xnor, popcount  P · K · O products of binary and ternary activations, multiplied and counted
    accumulation  P · K · O additions of 8-bit activations, and P · O · (bands - 1) of partial sums
    output        N comparisons with thresholds, or rescalings
    buffer        P · K · b bits read and N · c bits written
    transfer      P · K · b bits to each further array side by side, and P · O · (bands - 1) · a bits between bands
    control       T cycles of the controller and of each column of the arrays at work
    leakage       T cycles of the whole chip

Where clocks are not gated, the columns of all arrays are clocked and sense in each cycle.
Energies of the logic are E · (supply / nominal)², the leakage's power P · supply / nominal. Pools, additions and
concatenations stand in the pipeline behind the arrays: no latency of their own, an output's energy each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trit.export.check import accumulator_ranges
from trit.export.fuse import Step, fuse
from trit.export.graph import Graph, Range
from trit.export.operators import Rescale
from trit.targets.figure import Figure, Origin, figures_in, weakest
from trit.targets.rram.chip import Adc, Pcsa, Rram
from trit.targets.rram.errors import medians, operating_point
from trit.targets.rram.mapping import Tile, reads
from trit.targets.rram.schedule import Slot, bits_of, input_bits, input_passes, schedule
from trit.targets.rram.sense import load_technology

COMPONENTS = (
    "sense",
    "xnor",
    "popcount",
    "accumulation",
    "output",
    "buffer",
    "transfer",
    "control",
    "leakage",
)


@dataclass(frozen=True)
class LayerCost:
    """What a step of the network costs on the chip for one image."""

    step: Step
    cycles: int
    latency: float  # s
    energies: dict[str, float]  # J by component
    senses: int  # of single synapses
    arrays: int
    utilisation: float  # fraction of its arrays' synapses that hold a weight of it; 0 without arrays

    @property
    def energy(self) -> float:
        """Of one image in J: the components' sum."""
        return sum(self.energies.values())


def layer_costs(graph: Graph, target: Rram) -> list[LayerCost]:
    """Cost of every step in execution order. Raises TritError if the network does not fit the chip."""
    slots, ranges = schedule(graph, target), accumulator_ranges(graph)
    on_chip, senses = arrays_on_chip(slots, target), sense_energies(target)
    works = {slot.layer.node.name: _work(slot, graph, target, on_chip, ranges) for slot in slots}
    return [_cost(step, works.get(step.node.name), graph, target, senses) for step in fuse(graph)]


def arrays_on_chip(slots: list[Slot], target: Rram) -> int:
    """The arrays there are, or those that the network takes."""
    return target.array.available or len({array for slot in slots for array in slot.layer.arrays})


def sense_energies(target: Rram) -> tuple[float, float]:
    """Energy in J of a sense operation on a weight that is not zero, and on one that is; of a conversion, twice."""
    sense = target.sense
    if not isinstance(sense, Pcsa):
        energy = sense.energy.value * dynamic(target)
        return energy, energy
    technology, point = load_technology(sense.technology), operating_point(target, sense)
    lrs, hrs = (np.array([median]) for median in medians(target))
    return float(technology.energy(point, lrs, hrs)[0]), float(technology.energy(point, hrs, hrs)[0])


def dynamic(target: Rram) -> float:
    """(supply / nominal)²: what the logic's energies are multiplied with."""
    return (target.operation.supply / target.logic.nominal.value) ** 2


def component_origins(target: Rram) -> dict[str, Origin]:
    """For each component of the energy, the weakest origin of the figures behind it."""
    logic, sense = target.logic, target.sense
    simulated: list[Origin] = ["simulated"] if isinstance(sense, Pcsa) else []
    behind: dict[str, list[Figure]] = {
        "sense": [figure for _, figure in figures_in(sense)],
        "xnor": [logic.xnor],
        "popcount": [logic.count],
        "accumulation": [logic.add],
        "output": [logic.threshold, logic.rescale],
        "buffer": [logic.buffer],
        "transfer": [logic.transfer],
        "control": [logic.control, logic.chip_control],
        "leakage": [logic.array_leakage, logic.chip_leakage],
    }
    return {
        name: weakest([*(figure.origin for figure in figures), *(simulated if name == "sense" else [])])
        for name, figures in behind.items()
    }


@dataclass(frozen=True)
class _Work:
    """What a layer does for one image, counted."""

    slot: Slot
    on_chip: int  # arrays of the chip
    products: int  # P · K · O
    zeros: int  # of them, of weights 0
    input_bits: int  # b
    input_reads: int  # bits: P · K · b
    partial_sums: int  # P · O · (bands - 1)
    conversions: int  # of converters
    moved: int  # bits between arrays
    amplifier_cycles: int  # cycles of single amplifiers that are clocked


def _work(slot: Slot, graph: Graph, target: Rram, on_chip: int, ranges: Mapping[str, Range]) -> _Work:
    layer = slot.layer
    _, height, width = graph.tensors[layer.node.output].shape
    positions, bits = height * width, input_bits(layer, graph)
    input_reads = positions * layer.rows * bits
    partial_sums = positions * layer.columns * (len(layer.bands) - 1)
    low, high = ranges[layer.node.output]
    side_by_side = len(layer.tiles) // len(layer.bands)
    clocked = len(layer.arrays) if target.logic.gated else on_chip
    return _Work(
        slot,
        on_chip,
        products=positions * layer.rows * layer.columns,
        zeros=positions * int((layer.node.weights == 0).sum()),
        input_bits=bits,
        input_reads=input_reads,
        partial_sums=partial_sums,
        conversions=positions * _conversions(layer.tiles, target) * input_passes(layer, graph, target),
        moved=input_reads * (side_by_side - 1) + partial_sums * max(-low, high).bit_length(),
        amplifier_cycles=slot.cycles * clocked * (target.array.columns // target.array.columns_per_amplifier),
    )


def _cost(step: Step, work: _Work | None, graph: Graph, target: Rram, senses: tuple[float, float]) -> LayerCost:
    energies = dict.fromkeys(COMPONENTS, 0.0)
    output, logic = graph.tensors[step.output], target.logic
    values = output.shape[0] * output.shape[1] * output.shape[2]
    rescales = isinstance(step.output_stage or step.node, Rescale)
    energies["output"] = values * (logic.rescale if rescales else logic.threshold).value
    energies["buffer"] = values * bits_of(output.kind) * logic.buffer.value
    if work:
        energies["buffer"] += work.input_reads * logic.buffer.value
        energies["transfer"] = work.moved * logic.transfer.value
        energies["control"] = work.amplifier_cycles * logic.control.value + work.slot.cycles * logic.chip_control.value
        _add_products(energies, work, target)
    energies = {name: energy * dynamic(target) for name, energy in energies.items()}
    if not work:
        return LayerCost(step, 0, 0.0, energies, 0, 0, 0.0)
    slot = work.slot
    energies["sense"] = _sense(work, target, senses)
    latency = slot.cycles / target.operation.clock
    leakage = work.on_chip * logic.array_leakage.value + logic.chip_leakage.value
    energies["leakage"] = leakage * target.operation.supply / logic.nominal.value * latency
    layer, array = slot.layer, target.array
    used = len(layer.copies) * layer.rows * layer.columns / (len(layer.arrays) * array.rows * array.columns)
    return LayerCost(step, slot.cycles, latency, energies, work.products, len(layer.arrays), used)


def _add_products(energies: dict[str, float], work: _Work, target: Rram) -> None:
    """Energies of making products and adding them up: of codes, of 8-bit activations, or of bits."""
    logic, sums = target.logic, work.partial_sums
    if isinstance(target.sense, Adc):
        sums += work.conversions
    elif work.input_bits == 8:
        sums += work.products
    else:
        energies["xnor"] = work.products * logic.xnor.value
        energies["popcount"] = work.products * logic.count.value
    energies["accumulation"] = sums * logic.add.value


def _sense(work: _Work, target: Rram, senses: tuple[float, float]) -> float:
    nonzero, zero = senses
    if isinstance(target.sense, Adc):
        conducting = work.products * work.input_bits * target.sense.cell_energy.value * dynamic(target)
        return work.conversions * zero + conducting
    # without gating every amplifier fires, whether its column holds a weight or not
    idle = 0 if target.logic.gated else max(0, work.amplifier_cycles - work.products)
    return (work.products - work.zeros) * nonzero + (work.zeros + idle) * zero


def _conversions(tiles: list[Tile], target: Rram) -> int:
    """Conversions for one output position: each read of an array converts the columns of its tiles that it is of."""
    per_amplifier = target.array.columns_per_amplifier
    return sum(
        len(listed) * -(-sum(tile.columns for tile in tiles if tile.array == array) // per_amplifier)
        for array, listed in reads(tiles, target).items()
    )
