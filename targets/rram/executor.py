# SPDX-License-Identifier: Apache-2.0
"""A network on the RRAM chip: weights are read out of the arrays' states, partial sums added band by band.

With errors off the scores are the reference's, bit for bit: the arrays store the weights exactly, and sums,
thresholds and pools are digital. With errors, every read of a synapse may go wrong (rram.cell.disturb).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from trit.export.check import accumulator_ranges
from trit.export.graph import Graph, Int8Array
from trit.export.operators import Conv
from trit.runtime.errors import TritError
from trit.targets.description import load_target
from trit.targets.rram.cell import sense
from trit.targets.rram.chip import Rram
from trit.targets.rram.mapping import LayerMap, map_graph

Array = npt.NDArray[Any]
Images = npt.NDArray[np.uint8]
Multiply = Callable[[LayerMap, Array], Array]

WINDOW_BYTES = 1 << 25  # a layer's unfolded input, which bounds the images computed at a time
FLOAT32_EXACT = 1 << 24  # float32 holds every integer up to here


def default_chip() -> Rram:
    """The description of rram-2t2r-130nm."""
    target = load_target("rram-2t2r-130nm")
    assert isinstance(target, Rram)
    return target


def run_rram(graph: Graph, images: Images, target: Rram | None = None, multiply: Multiply | None = None) -> Array:
    """Output (N, C, H, W) of the graph for uint8 images (N, C, H, W) on the chip, `rram-2t2r-130nm` by default.

    `multiply` makes a layer's sums `[groups][M][O / groups]` of its windows `[groups][M][K]`; by default from reads
    without errors. Raises TritError for images that do not fit the network, or a network that does not fit the chip.
    """
    chosen = target or default_chip()
    source = graph.tensors[graph.input]
    if images.dtype != np.uint8 or images.shape[1:] != source.shape:
        raise TritError(f"input is {images.dtype} {images.shape}; the network takes uint8 (N, {str(source.shape)[1:]}")
    layers = {layer.node.name: layer for layer in map_graph(graph, chosen)}
    sums = multiply or _exact(graph, layers, chosen)
    size = max(1, WINDOW_BYTES // _window_bytes(graph))
    outputs = [_run(graph, layers, sums, images[start : start + size]) for start in range(0, len(images), size)]
    return np.concatenate(outputs) if outputs else np.empty((0, *graph.tensors[graph.output].shape), np.float32)


def read_layer(layer: LayerMap, target: Rram) -> Int8Array:
    """The weight matrix [K][O] as an error-free read of every synapse gives it."""
    matrix = np.empty((layer.rows, layer.columns), np.int8)
    for tile in layer.tiles:
        part = matrix[tile.row : tile.row + tile.rows, tile.column : tile.column + tile.columns]
        part[:] = sense(tile.states, target.cell.polarity)
    return matrix


def by_groups(layer: LayerMap, matrix: Array) -> Array:
    """The matrix [K][O] as [groups][K][O / groups]."""
    return matrix.reshape(layer.rows, layer.node.groups, -1).transpose(1, 0, 2)


def _exact(graph: Graph, layers: dict[str, LayerMap], target: Rram) -> Multiply:
    weights = {name: by_groups(layer, read_layer(layer, target)) for name, layer in layers.items()}
    bounds = {name: max(-low, high) for name, (low, high) in accumulator_ranges(graph).items()}

    def multiply(layer: LayerMap, windows: Array) -> Array:
        # sums are integers that the float type holds exactly
        exact = np.float32 if layer.rows * bounds[layer.node.input] < FLOAT32_EXACT else np.float64
        windows, columns = windows.astype(exact), weights[layer.node.name].astype(exact)
        acc = np.zeros((*windows.shape[:2], columns.shape[2]), exact)
        for first, tiles in layer.bands.items():
            band = slice(first, first + tiles[0].rows)
            acc += windows[:, :, band] @ columns[:, band]
        return acc

    return multiply


def _run(graph: Graph, layers: dict[str, LayerMap], multiply: Multiply, images: Images) -> Array:
    values: dict[str, Array] = {graph.input: images.astype(np.int32) - graph.tensors[graph.input].zero_point}
    for node in graph.nodes:
        if isinstance(node, Conv):
            windows, (height, width) = _unfold(node, values[node.input])
            acc = multiply(layers[node.name], windows).reshape(node.groups, len(images), height, width, -1)
            acc = acc.transpose(1, 0, 4, 2, 3).reshape(len(images), -1, height, width)
            values[node.output] = acc.astype(np.int32)
        else:
            values[node.output] = node.evaluate(*(values[name] for name in node.inputs))
    return values[graph.output]


def _unfold(node: Conv, x: Array) -> tuple[Array, tuple[int, int]]:
    """Windows [groups][N·H'·W'][K] of x (N, I, H, W), K as in the weight matrix, and (H', W')."""
    top, left, bottom, right = node.padding
    x = np.pad(x.transpose(0, 2, 3, 1), ((0, 0), (top, bottom), (left, right), (0, 0)))
    x = x.reshape(*x.shape[:3], node.groups, -1)
    kernel = node.weights.shape[2:]
    span = [step * (size - 1) + 1 for step, size in zip(node.dilation, kernel, strict=True)]
    windows = np.lib.stride_tricks.sliding_window_view(x, span, axis=(1, 2))
    windows = windows[:, :: node.stride[0], :: node.stride[1], :, :, :: node.dilation[0], :: node.dilation[1]]
    height, width = windows.shape[1:3]
    # (N, H', W', groups, channel, KH, KW) to (groups, N, H', W', KH, KW, channel)
    windows = windows.transpose(3, 0, 1, 2, 5, 6, 4)
    return windows.reshape(node.groups, len(x) * height * width, -1), (height, width)


def _window_bytes(graph: Graph) -> int:
    """Bytes that the largest unfolded input of one image takes."""
    sizes = [4]
    for node in graph.nodes:
        if isinstance(node, Conv):
            _, height, width = graph.tensors[node.output].shape
            sizes.append(4 * height * width * node.weights[0].size * node.groups)
    return max(sizes)
