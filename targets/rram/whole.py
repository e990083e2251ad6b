# SPDX-License-Identifier: Apache-2.0
"""What a network makes of the whole chip: arrays in use, area, programming, and how often it can be programmed.

Programming writes one device at a time in each array, all arrays at once; of a synapse every device is written, LRS by
a set, HRS by a reset.
"""

from __future__ import annotations

from dataclasses import dataclass

from trit.export.graph import Graph
from trit.targets.figure import Origin, figures_in, weakest
from trit.targets.rram.chip import Rram
from trit.targets.rram.cost import arrays_on_chip
from trit.targets.rram.mapping import Tile
from trit.targets.rram.schedule import schedule


@dataclass(frozen=True)
class Programming:
    """What it takes to write the network into the chip once."""

    devices: int
    energy: float  # J, without forming
    time: float  # s
    forming_energy: float | None  # J, once in a chip's life
    endurance: float  # times that a device bears it
    origin: Origin


@dataclass(frozen=True)
class Placement:
    """Where a part of a layer's weights stands."""

    layer: str
    array: int
    top: int  # row and column of the array where it begins
    left: int
    rows: int
    columns: int


@dataclass(frozen=True)
class Chip:
    """A chip with a network in it."""

    arrays: int  # in use
    available: int | None
    rows: int  # of an array
    columns: int
    utilisation: float  # fraction of the synapses of the arrays in use that hold a weight
    area: dict[str, float]  # m² by component
    area_origin: Origin
    programming: Programming
    placements: list[Placement]


def chip(graph: Graph, target: Rram) -> Chip:
    """The chip's figures. Raises TritError if the network does not fit it."""
    slots = schedule(graph, target)
    array, logic = target.array, target.logic
    named = [(slot.layer.node.name, tile) for slot in slots for tiles in slot.layer.copies for tile in tiles]
    tiles = [tile for _, tile in named]
    used = len({tile.array for tile in tiles})
    figures = (target.cell.area, target.sense.area, logic.column_area, logic.array_area, logic.chip_area)
    return Chip(
        used,
        array.available,
        array.rows,
        array.columns,
        sum(tile.rows * tile.columns for tile in tiles) / (used * array.rows * array.columns),
        area(arrays_on_chip(slots, target), target),
        weakest(figure.origin for figure in figures),
        _programming(tiles, target),
        [Placement(name, tile.array, tile.top, tile.left, tile.rows, tile.columns) for name, tile in named],
    )


def area(arrays: int, target: Rram) -> dict[str, float]:
    """Area in m² of a chip with that many arrays, by component."""
    array, logic = target.array, target.logic
    amplifiers = arrays * (array.columns // array.columns_per_amplifier)
    return {
        "cells": arrays * array.rows * array.columns * target.cell.area.value,
        "sense": amplifiers * target.sense.area.value,
        "columns": amplifiers * logic.column_area.value,
        "arrays": arrays * logic.array_area.value,
        "chip": logic.chip_area.value,
    }


def programming(graph: Graph, target: Rram) -> Programming:
    """Setting and resetting every synapse's devices to what the network's weights ask for."""
    return chip(graph, target).programming


def _programming(tiles: list[Tile], target: Rram) -> Programming:
    condition, forming = target.condition, target.device.forming
    low = sum(int(tile.states.sum()) for tile in tiles)
    devices = sum(tile.rows * tile.columns for tile in tiles) * target.cell.devices
    by_array: dict[int, int] = {}
    for tile in tiles:
        by_array[tile.array] = by_array.get(tile.array, 0) + tile.rows * tile.columns * target.cell.devices
    return Programming(
        devices,
        low * condition.set.energy + (devices - low) * condition.reset.energy,
        max(by_array.values()) * max(condition.set.duration, condition.reset.duration),
        None if forming is None else devices * forming.energy,
        condition.endurance.value,
        weakest(figure.origin for part in (condition.set, condition.reset) for _, figure in figures_in(part)),
    )
