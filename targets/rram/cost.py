# SPDX-License-Identifier: Apache-2.0
"""Latency and energy of a network on an RRAM chip, from its description's figures.

For each output position of a layer, every array that holds a part of it reads its rows one after the other, all its
columns at once, all arrays at the same time:

    latency = positions · min(K, array rows) · read time
    energy  = senses · (sense + accumulate) + partial sums · accumulate + outputs · stage + static · latency

with K rows and O columns of the layer's weight matrix, senses = positions · K · O, and partial sums = positions · O ·
(⌈K / array rows⌉ - 1) where the bands of arrays are added; the stage behind the arrays takes one `rescale` energy an
output where it rescales, one `threshold` energy elsewhere. Pools, additions and concatenations stand in the pipeline
behind the arrays: no latency of their own, one such energy an output.
"""

from __future__ import annotations

from dataclasses import dataclass

from trit.export.fuse import Step, fuse
from trit.export.graph import Graph
from trit.export.operators import Conv, Rescale
from trit.targets.description import Rram
from trit.targets.rram.mapping import LayerMap, map_graph


@dataclass(frozen=True)
class LayerCost:
    """What a step of the network costs on the chip for one image."""

    step: Step
    latency: float  # s
    energy: float  # J
    senses: int
    arrays: int
    utilisation: float  # fraction of its arrays' synapses that hold a weight; 0 without arrays


def layer_costs(graph: Graph, target: Rram) -> list[LayerCost]:
    """Cost of every step in execution order. Raises TritError if the network does not fit the chip."""
    layers = {layer.node.name: layer for layer in map_graph(graph, target)}
    return [_cost(step, layers.get(step.node.name), graph, target) for step in fuse(graph)]


def programming_energy(graph: Graph, target: Rram) -> float:
    """Energy in J to set every synapse's two devices once."""
    synapses = sum(node.weights.size for node in graph.nodes if isinstance(node, Conv))
    return 2 * synapses * target.cost.program_energy.value


def _cost(step: Step, layer: LayerMap | None, graph: Graph, target: Rram) -> LayerCost:
    cost = target.cost
    channels, height, width = graph.tensors[step.output].shape
    rescales = isinstance(step.output_stage or step.node, Rescale)
    stage_energy = cost.rescale_energy if rescales else cost.threshold_energy
    output_energy = channels * height * width * stage_energy.value
    if layer is None:
        return LayerCost(step, 0.0, output_energy, 0, 0, 0.0)
    positions = height * width
    senses = positions * layer.rows * layer.columns
    partial_sums = positions * layer.columns * (len(layer.bands) - 1)
    latency = positions * min(layer.rows, target.array.rows) * cost.read_time.value
    energy = senses * (cost.sense_energy.value + cost.accumulate_energy.value)
    energy += partial_sums * cost.accumulate_energy.value + output_energy + cost.static_power.value * latency
    synapses = len(layer.tiles) * target.array.rows * target.array.columns
    return LayerCost(step, latency, energy, senses, len(layer.tiles), layer.rows * layer.columns / synapses)
