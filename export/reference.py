# SPDX-License-Identifier: Apache-2.0
"""The integer graph in numpy: the definition every other executor is compared with.

Tensors hold values, not codes: a uint8 tensor enters and leaves a node as q - zero_point, bits as -1, 0, +1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from trit.export.graph import Add, Conv, Graph, MaxPool, Node, Pads, Pair, Scores, SumPool, Tensor, Threshold
from trit.runtime.errors import TritError

Array = npt.NDArray[Any]


def run(graph: Graph, images: npt.NDArray[np.uint8]) -> Array:
    """Output (N, C, H, W) of the graph for uint8 images (N, C, H, W)."""
    return trace(graph, images)[graph.output]


def trace(graph: Graph, images: npt.NDArray[np.uint8]) -> dict[str, Array]:
    """Every tensor's values (N, C, H, W) by name; int32, and float32 after Scores."""
    source = graph.tensors[graph.input]
    if images.dtype != np.uint8 or images.shape[1:] != source.shape:
        raise TritError(f"input is {images.dtype} {images.shape}; the network takes uint8 (N, {str(source.shape)[1:]}")
    values: dict[str, Array] = {graph.input: images.astype(np.int32) - source.zero_point}
    for node in graph.nodes:
        values[node.output] = evaluate(node, graph.tensors[node.output], values)
    return values


def evaluate(node: Node, output: Tensor, values: dict[str, Array]) -> Array:
    """One node's output values; `values` holds its inputs'."""
    return _OPERATORS[type(node)](node, values[node.input], values)


def _conv(node: Conv, x: Array, _: dict[str, Array]) -> Array:
    windows = _windows(x, (node.weights.shape[2], node.weights.shape[3]), node.stride, node.padding, 0, node.dilation)
    count, _channels, height, width = windows.shape[:4]
    groups, outputs = node.groups, node.weights.shape[0]
    # float64 products are exact (|acc| < 2^31 < 2^53) and go through BLAS.
    columns = windows.reshape(count, groups, -1, height, width, *windows.shape[4:]).astype(np.float64)
    columns = columns.transpose(1, 0, 3, 4, 2, 5, 6).reshape(groups, count * height * width, -1)
    rows = node.weights.reshape(groups, outputs // groups, -1).astype(np.float64)
    acc = columns @ rows.transpose(0, 2, 1)
    acc = acc.reshape(groups, count, height, width, outputs // groups).transpose(1, 0, 4, 2, 3)
    return np.asarray(acc.reshape(count, outputs, height, width), np.int32)


def _threshold(node: Threshold, x: Array, _: dict[str, Array]) -> Array:
    lo, hi, negative = (values[:, None, None] for values in (node.lo, node.hi, node.negative))
    level = (x >= hi).astype(np.int32) - (x < lo)
    return np.asarray(np.where(negative, -level, level), np.int32)


def _max_pool(node: MaxPool, x: Array, _: dict[str, Array]) -> Array:
    low, high = np.iinfo(np.int32).min, np.iinfo(np.int32).max
    maximum = _windows(x, node.kernel, node.stride, node.padding, low).max(axis=(4, 5))
    if node.minimum is None:
        return np.asarray(maximum)
    minimum = _windows(x, node.kernel, node.stride, node.padding, high).min(axis=(4, 5))
    return np.asarray(np.where(node.minimum[:, None, None], minimum, maximum))


def _sum_pool(node: SumPool, x: Array, _: dict[str, Array]) -> Array:
    return np.asarray(_windows(x, node.kernel, node.stride, node.padding, 0).sum(axis=(4, 5), dtype=np.int32))


def _add(node: Add, x: Array, values: dict[str, Array]) -> Array:
    return np.asarray(x + values[node.other])


def _scores(node: Scores, x: Array, _: dict[str, Array]) -> Array:
    product = x.astype(np.float32) * node.scale[:, None, None]
    return np.asarray(product + node.bias[:, None, None])


_OPERATORS: dict[type, Callable[[Any, Array, dict[str, Array]], Array]] = {
    Conv: _conv,
    Threshold: _threshold,
    MaxPool: _max_pool,
    SumPool: _sum_pool,
    Add: _add,
    Scores: _scores,
}


def _windows(x: Array, kernel: Pair, stride: Pair, padding: Pads, fill: int, dilation: Pair = (1, 1)) -> Array:
    """Sliding windows (N, C, H', W', KH, KW) of x (N, C, H, W), padded with `fill`."""
    top, left, bottom, right = padding
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    span = (dilation[0] * (kernel[0] - 1) + 1, dilation[1] * (kernel[1] - 1) + 1)
    windows = np.lib.stride_tricks.sliding_window_view(x, span, axis=(2, 3))
    return windows[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
