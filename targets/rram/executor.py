# SPDX-License-Identifier: Apache-2.0
"""A network on the RRAM chip: weights are read out of the arrays' states, partial sums added band by band.

With errors off the scores are the reference's, bit for bit: the arrays store the weights exactly, and sums,
thresholds and pools are digital. With errors, every read of a synapse may go wrong (rram.cell.disturb).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from trit.export.check import accumulator_ranges
from trit.export.graph import Graph, Int8Array
from trit.export.operators import Conv
from trit.runtime.errors import TritError
from trit.targets.description import Rram, load_target
from trit.targets.rram.cell import BitErrorRate, ErrorRates, disturb, sense
from trit.targets.rram.mapping import LayerMap, map_graph

Array = npt.NDArray[Any]
Images = npt.NDArray[np.uint8]

IMAGES_PER_READ = 256  # images that see the same draw of read errors
WINDOW_BYTES = 1 << 25  # a layer's unfolded input, which bounds the images computed at a time
FLOAT32_EXACT = 1 << 24  # float32 holds every integer up to here


def error_rates(target: Rram) -> ErrorRates:
    """The error rates that the description gives."""
    return ErrorRates(**{name: figure.value for name, figure in target.errors})


def default_chip() -> Rram:
    """The description of rram-2t2r-130nm."""
    target = load_target("rram-2t2r-130nm")
    assert isinstance(target, Rram)
    return target


def run_rram_with_errors(graph: Graph, images: Images, target: Rram, seed: int = 0) -> Array:
    """`run_rram` with the description's error rates."""
    return run_rram(graph, images, target, error_rates(target), seed)


def run_rram(
    graph: Graph,
    images: Images,
    target: Rram | None = None,
    errors: ErrorRates | BitErrorRate | None = None,
    seed: int = 0,
) -> Array:
    """Output (N, C, H, W) of the graph for uint8 images (N, C, H, W) on the chip, `rram-2t2r-130nm` by default.

    Without `errors` every read is right. With them every synapse is read anew, with independent errors, for each
    IMAGES_PER_READ images, which all see the same draw (the published training code draws once a batch).
    Raises TritError for images that do not fit the network, or a network that does not fit the chip.
    """
    chosen = target or default_chip()
    source = graph.tensors[graph.input]
    if images.dtype != np.uint8 or images.shape[1:] != source.shape:
        raise TritError(f"input is {images.dtype} {images.shape}; the network takes uint8 (N, {str(source.shape)[1:]}")
    layers = {layer.node.name: layer for layer in map_graph(graph, chosen)}
    rng = np.random.default_rng(seed)
    bounds = {name: max(-low, high) for name, (low, high) in accumulator_ranges(graph).items()}
    size = min(IMAGES_PER_READ, max(1, WINDOW_BYTES // _window_bytes(graph)))
    outputs = []
    for start in range(0, len(images), IMAGES_PER_READ):
        batch = images[start : start + IMAGES_PER_READ]
        weights = {name: read_layer(layer, chosen, errors, rng) for name, layer in layers.items()}
        for at in range(0, len(batch), size):
            outputs.append(_run(graph, layers, weights, bounds, batch[at : at + size]))
    return np.concatenate(outputs) if outputs else np.empty((0, *graph.tensors[graph.output].shape), np.float32)


def read_layer(
    layer: LayerMap, target: Rram, errors: ErrorRates | BitErrorRate | None, rng: np.random.Generator
) -> Int8Array:
    """The weight matrix [K][O] as one read of every synapse gives it."""
    matrix = np.empty((layer.rows, layer.columns), np.int8)
    for tile in layer.tiles:
        part = matrix[tile.row : tile.row + tile.rows, tile.column : tile.column + tile.columns]
        part[:] = sense(tile.states, target.cell.polarity)
    if errors is None:
        return matrix
    return disturb(matrix, layer.node.weight_kind, errors.of_layer(matrix), rng)


def _run(
    graph: Graph, layers: dict[str, LayerMap], weights: dict[str, Int8Array], bounds: dict[str, int], images: Images
) -> Array:
    values: dict[str, Array] = {graph.input: images.astype(np.int32) - graph.tensors[graph.input].zero_point}
    for node in graph.nodes:
        if isinstance(node, Conv):
            layer = layers[node.name]
            exact = np.float32 if layer.rows * bounds[node.input] < FLOAT32_EXACT else np.float64
            values[node.output] = _convolve(layer, weights[node.name], values[node.input].astype(exact))
        else:
            values[node.output] = node.evaluate(*(values[name] for name in node.inputs))
    return values[graph.output]


def _convolve(layer: LayerMap, matrix: Int8Array, x: Array) -> Array:
    """Accumulators (N, O, H', W') in int32 of x (N, I, H, W); sums are integers that x's float type holds exactly."""
    node = layer.node
    windows, (height, width) = _unfold(node, x)
    # [groups][K][O / groups]
    columns = matrix.reshape(layer.rows, node.groups, -1).transpose(1, 0, 2).astype(x.dtype)
    acc = np.zeros((node.groups, windows.shape[1], columns.shape[2]), x.dtype)
    for first, tiles in layer.bands.items():
        band = slice(first, first + tiles[0].rows)
        acc += windows[:, :, band] @ columns[:, band]
    acc = acc.reshape(node.groups, len(x), height, width, -1).transpose(1, 0, 4, 2, 3)
    return acc.reshape(len(x), layer.columns, height, width).astype(np.int32)


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
