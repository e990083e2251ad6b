# SPDX-License-Identifier: Apache-2.0
"""When the chip does what: the cycles of every layer for one image.

Layer follows layer. Within one, all its arrays read at the same time, a row a cycle; behind the reads of a position
come the additions of the bands' partial sums, one a cycle, and a cycle of thresholds, while the next position is read:

    cycles = ⌈positions / copies⌉ · reads a position + bands
"""

from __future__ import annotations

from dataclasses import dataclass

from trit.export.graph import Graph, Kind
from trit.targets.rram.chip import Adc, Rram
from trit.targets.rram.mapping import LayerMap, cycles_per_position, map_graph, rounds


@dataclass(frozen=True)
class Slot:
    """A layer's place in the schedule."""

    layer: LayerMap
    first: int  # cycle in which its first read takes place
    per_position: int  # cycles of reads
    rounds: int  # output positions of each copy
    drain: int  # cycles from the last read to the last output

    @property
    def cycles(self) -> int:
        return self.rounds * self.per_position + self.drain


def schedule(graph: Graph, target: Rram) -> list[Slot]:
    """The layers' slots in execution order. Raises Unavailable if the network does not fit the chip."""
    slots: list[Slot] = []
    first = 0
    for layer in map_graph(graph, target):
        per_position = input_passes(layer, graph, target) * cycles_per_position(layer, target)
        slots.append(Slot(layer, first, per_position, rounds(layer, graph), len(layer.bands)))
        first += slots[-1].cycles
    return slots


def input_bits(layer: LayerMap, graph: Graph) -> int:
    """Bits of an activation that the layer reads."""
    return bits_of(graph.tensors[layer.node.input].kind)


def bits_of(kind: Kind) -> int:
    """Bits of a value of that kind."""
    return {"binary": 1, "ternary": 2, "uint8": 8}.get(kind, 32)


def input_passes(layer: LayerMap, graph: Graph, target: Rram) -> int:
    """How often a position's weights are read: converters take the bits of an activation one by one."""
    return input_bits(layer, graph) if isinstance(target.sense, Adc) else 1
