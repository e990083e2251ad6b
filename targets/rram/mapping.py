# SPDX-License-Identifier: Apache-2.0
"""Layers onto arrays: each convolution's weights as a matrix, cut into tiles of one array each.

The matrix is [K][O]: a row for each input of a window, ordered (kernel row, kernel column, channel of the group),
a column for each output channel of all groups. Every sense amplifier has its own XNOR input, so that columns of
different groups stand side by side in an array.
"""

from __future__ import annotations

from dataclasses import dataclass

from trit.export.graph import BoolArray, Graph, Int8Array
from trit.export.operators import Conv
from trit.runtime.errors import Unavailable
from trit.targets.description import Rram
from trit.targets.rram.cell import program


@dataclass(frozen=True)
class Tile:
    """The part of a layer's weight matrix that one array holds; its other synapses stay HRS/HRS and are not read."""

    array: int  # the array's number in the chip
    row: int  # of the matrix, in row 0 of the array
    column: int  # of the matrix, in column 0 of the array
    states: BoolArray  # (2, rows used, columns used), see rram.cell.program

    @property
    def rows(self) -> int:
        return int(self.states.shape[1])

    @property
    def columns(self) -> int:
        return int(self.states.shape[2])


@dataclass(frozen=True)
class LayerMap:
    """A convolution's tiles, those of one range of rows after the other."""

    node: Conv
    rows: int  # K of the matrix
    columns: int  # O of the matrix
    tiles: list[Tile]

    @property
    def bands(self) -> dict[int, list[Tile]]:
        """Tiles by first row; the bands' partial sums are added digitally."""
        bands: dict[int, list[Tile]] = {}
        for tile in self.tiles:
            bands.setdefault(tile.row, []).append(tile)
        return bands


def weight_matrix(node: Conv) -> Int8Array:
    """Weights (O, I / groups, KH, KW) as [KH·KW·I / groups][O]."""
    return node.weights.transpose(2, 3, 1, 0).reshape(-1, node.weights.shape[0])


def map_graph(graph: Graph, target: Rram) -> list[LayerMap]:
    """Every convolution in execution order, each tile in its own array.

    Raises Unavailable for a layer with int8 weights, or if the chip has fewer arrays than the network needs.
    """
    layers: list[LayerMap] = []
    used = 0
    for node in graph.nodes:
        if isinstance(node, Conv):
            layers.append(_map_layer(node, target, used))
            used += len(layers[-1].tiles)
    available = target.array.available
    if available is not None and used > available:
        raise Unavailable(
            f"the model is too large for {target.name}: it takes {used} arrays, {used - available} more than the "
            f"{available} there are"
        )
    return layers


def _map_layer(node: Conv, target: Rram, first: int) -> LayerMap:
    if node.weight_kind == "int8":
        raise Unavailable(
            f"layer {node.name} has int8 weights, which the arrays of {target.name} cannot hold: a synapse stores a "
            "binary or ternary weight"
        )
    matrix = weight_matrix(node)
    height, width = target.array.rows, target.array.columns
    corners = [(row, column) for row in range(0, len(matrix), height) for column in range(0, matrix.shape[1], width)]
    tiles = []
    for index, (row, column) in enumerate(corners):
        part = matrix[row : row + height, column : column + width]
        tiles.append(Tile(first + index, row, column, program(part, target.cell.polarity)))
    return LayerMap(node, len(matrix), matrix.shape[1], tiles)
