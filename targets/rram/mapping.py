# SPDX-License-Identifier: Apache-2.0
"""Layers onto arrays: each convolution's weights as a matrix, cut into tiles that stand in the arrays.

The matrix is [K][O]: a row for each input of a window, ordered (kernel row, kernel column, channel of the group),
a column for each output channel of all groups. Every sense amplifier has its own XNOR input, so that columns of
different groups, and tiles of different rows of the matrix, stand side by side in an array.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product

from trit.export.graph import BoolArray, Graph, Int8Array
from trit.export.operators import Conv
from trit.runtime.errors import Unavailable
from trit.targets.rram.cell import program
from trit.targets.rram.chip import Adc, Array, Rram


@dataclass(frozen=True)
class Tile:
    """The part of a layer's weight matrix that stands in one place of an array."""

    array: int  # the array's number in the chip
    top: int  # row and column of the array where the tile begins
    left: int
    row: int  # of the matrix, in the tile's first row
    column: int
    states: BoolArray  # (2, rows used, columns used), see cell.program

    @property
    def rows(self) -> int:
        return int(self.states.shape[1])

    @property
    def columns(self) -> int:
        return int(self.states.shape[2])


@dataclass(frozen=True)
class LayerMap:
    """A convolution's tiles, those of one range of rows after the other; copies work on other output positions."""

    node: Conv
    rows: int  # K of the matrix
    columns: int  # O of the matrix
    copies: list[list[Tile]]

    @property
    def tiles(self) -> list[Tile]:
        """Those of the first copy, which hold the whole matrix."""
        return self.copies[0]

    @property
    def bands(self) -> dict[int, list[Tile]]:
        """Tiles by first row; the bands' partial sums are added digitally."""
        bands: dict[int, list[Tile]] = {}
        for tile in self.tiles:
            bands.setdefault(tile.row, []).append(tile)
        return bands

    @property
    def arrays(self) -> list[int]:
        """Numbers of all arrays that hold a part of any copy."""
        return sorted({tile.array for tiles in self.copies for tile in tiles})


@dataclass
class _Floor:
    """The chip's arrays as they fill up; `free` are rectangles (array, top, left, rows, columns)."""

    array: Array
    used: int = 0
    free: list[tuple[int, int, int, int, int]] = field(default_factory=list)

    def place(self, rows: int, columns: int) -> tuple[int, int, int]:
        """Array, row and column of a tile: in the first free rectangle that holds it, else in a new array."""
        for index, (array, top, left, height, width) in enumerate(self.free):
            if rows <= height and columns <= width:
                del self.free[index]
                self._split(array, top, left, height, width, rows, columns)
                return array, top, left
        self.used += 1
        if self.array.shared:
            self._split(self.used - 1, 0, 0, self.array.rows, self.array.columns, rows, columns)
        return self.used - 1, 0, 0

    def _split(self, array: int, top: int, left: int, height: int, width: int, rows: int, columns: int) -> None:
        """Keep what a tile leaves of a rectangle: all below it, and what is beside it."""
        if height > rows:
            self.free.append((array, top + rows, left, height - rows, width))
        if width > columns:
            self.free.append((array, top, left + columns, rows, width - columns))


def weight_matrix(node: Conv) -> Int8Array:
    """Weights (O, I / groups, KH, KW) as [KH·KW·I / groups][O]."""
    return node.weights.transpose(2, 3, 1, 0).reshape(-1, node.weights.shape[0])


def map_graph(graph: Graph, target: Rram) -> list[LayerMap]:
    """Every convolution in execution order; copies of the slowest ones fill the chip where the description says so.

    Raises Unavailable for a layer whose weights the cells cannot hold, or if the network needs more arrays than there
    are.
    """
    floor = _Floor(target.array)
    layers = [_map_layer(node, target, floor) for node in graph.nodes if isinstance(node, Conv)]
    available = target.array.available
    if available is not None and floor.used > available:
        raise Unavailable(
            f"the model is too large for {target.name}: it takes {floor.used} arrays, {floor.used - available} more "
            f"than the {available} there are"
        )
    if available is not None and target.array.replicated:
        _replicate(layers, graph, target, floor, available)
    return layers


def reads(tiles: list[Tile], target: Rram) -> dict[int, list[tuple[int, int]]]:
    """For each array, what it reads for one output position, a cycle each: (row, column modulo columns_per_amplifier).

    A read is of one row, or the converters' rows from a multiple of them on, and of one of the adjacent columns that
    share an amplifier, all amplifiers at once.
    """
    array, found = target.array, dict[int, set[tuple[int, int]]]()
    at_once = target.sense.rows if isinstance(target.sense, Adc) else 1
    for tile in tiles:
        rows = {row // at_once * at_once for row in range(tile.top, tile.top + tile.rows)}
        slots = {column % array.columns_per_amplifier for column in range(tile.left, tile.left + tile.columns)}
        found.setdefault(tile.array, set()).update(product(rows, slots))
    return {number: sorted(listed) for number, listed in found.items()}


def _map_layer(node: Conv, target: Rram, floor: _Floor) -> LayerMap:
    if node.weight_kind == "int8" or (node.weight_kind == "ternary" and not target.cell.stores_ternary):
        holds = "a binary or ternary" if target.cell.stores_ternary else "a binary"
        raise Unavailable(
            f"layer {node.name} has {node.weight_kind} weights, which the arrays of {target.name} cannot hold: a "
            f"synapse stores {holds} weight"
        )
    matrix = weight_matrix(node)
    return LayerMap(node, len(matrix), matrix.shape[1], [_tiles(matrix, target, floor)])


def _tiles(matrix: Int8Array, target: Rram, floor: _Floor) -> list[Tile]:
    height, width = target.array.rows, target.array.columns
    tiles = []
    for row in range(0, len(matrix), height):
        for column in range(0, matrix.shape[1], width):
            part = matrix[row : row + height, column : column + width]
            tiles.append(Tile(*floor.place(*part.shape), row, column, program(part, target.cell.polarity)))
    return tiles


def _replicate(layers: list[LayerMap], graph: Graph, target: Rram, floor: _Floor, available: int) -> None:
    """Give the layer that takes longest another copy, as long as one more fits."""
    while True:
        slowest = max(layers, key=lambda layer: rounds(layer, graph) * cycles_per_position(layer, target))
        needed = len(slowest.tiles)
        if rounds(slowest, graph) == 1 or floor.used + needed > available:
            return
        slowest.copies.append(_tiles(weight_matrix(slowest.node), target, floor))


def rounds(layer: LayerMap, graph: Graph) -> int:
    """How often the arrays go through their reads: output positions by copies, rounded up."""
    _, height, width = graph.tensors[layer.node.output].shape
    return -(-height * width // len(layer.copies))


def cycles_per_position(layer: LayerMap, target: Rram) -> int:
    """Reads of the array that has the most of them for an output position."""
    return max(len(listed) for tiles in layer.copies for listed in reads(tiles, target).values())
