# SPDX-License-Identifier: Apache-2.0
"""Is this integer graph consistent, and can no accumulator overflow? Every reader and writer asks here."""

from __future__ import annotations

import numpy as np

from trit.export.graph import (
    INT32_MAX,
    INT32_MIN,
    SUM_ZERO_POINT,
    Add,
    Conv,
    Graph,
    GraphError,
    MaxPool,
    Node,
    Scores,
    Shape,
    SumPool,
    Tensor,
    Threshold,
    inputs_of,
    window_shape,
)

Range = tuple[int, int]


def validate(graph: Graph) -> None:
    """Raise GraphError, naming the node, where names, kinds, shapes, values or ranges do not fit together."""
    source = graph.tensors.get(graph.input)
    if source is None or source.kind != "uint8":
        raise GraphError(f"input {graph.input!r} is not a uint8 tensor of the graph")
    for tensor in graph.tensors.values():
        _check_tensor(tensor)
    written = {graph.input}
    for node in graph.nodes:
        for name in inputs_of(node):
            if name not in written or name not in graph.tensors:
                raise GraphError(f"{node.name}: reads {name!r}, which nothing before it writes")
        if node.output in written or node.output not in graph.tensors:
            raise GraphError(f"{node.name}: output {node.output!r} is unknown or written twice")
        written.add(node.output)
        _check_node(node, graph)
    if graph.output not in written or graph.output == graph.input:
        raise GraphError(f"output {graph.output!r} is written by no node")
    if graph.labels and len(graph.labels) != graph.tensors[graph.output].shape[0]:
        raise GraphError(f"{len(graph.labels)} labels for {graph.tensors[graph.output].shape[0]} output channels")
    accumulator_ranges(graph)


def accumulator_ranges(graph: Graph) -> dict[str, Range]:
    """Bounds of every tensor's values over all inputs. Raises GraphError where int32 could overflow."""
    ranges: dict[str, Range] = {graph.input: graph.tensors[graph.input].value_range}
    for node in graph.nodes:
        low, high = _output_range(node, graph, ranges)
        if low <= INT32_MIN or high >= INT32_MAX:
            raise GraphError(f"{node.name}: accumulators reach {low}..{high}, more than 32 bits hold")
        ranges[node.output] = (low, high)
    return ranges


def _output_range(node: Node, graph: Graph, ranges: dict[str, Range]) -> Range:
    low, high = ranges[node.input]
    match node:
        case Threshold() | Scores():
            return -1, 1
        case Conv():
            positive = int((node.weights > 0).sum(axis=(1, 2, 3)).max())
            negative = int((node.weights < 0).sum(axis=(1, 2, 3)).max())
            # Zero padding adds 0 to what a tap may see.
            low, high = min(low, 0), max(high, 0)
            return positive * low - negative * high, positive * high - negative * low
        case SumPool():
            area = node.kernel[0] * node.kernel[1]
            return area * min(low, 0), area * max(high, 0)
        case Add():
            other = ranges[node.other]
            return low + other[0], high + other[1]
        case MaxPool():
            return low, high


def _check_tensor(tensor: Tensor) -> None:
    if len(tensor.shape) != 3 or min(tensor.shape) < 1:
        raise GraphError(f"tensor {tensor.name!r}: shape {tensor.shape} is not (channels, height, width)")
    if not 0 <= tensor.zero_point <= 255 or (tensor.zero_point and tensor.kind != "uint8"):
        raise GraphError(f"tensor {tensor.name!r}: zero point {tensor.zero_point} does not fit {tensor.kind}")


def _check_node(node: Node, graph: Graph) -> None:
    source, output = graph.tensors[node.input], graph.tensors[node.output]
    kinds, shape = _expected(node, source, graph)
    if output.kind not in kinds:
        raise GraphError(f"{node.name}: {type(node).__name__} of {source.kind} gives {kinds[0]}, not {output.kind}")
    if output.shape != shape or min(shape) < 1:
        raise GraphError(f"{node.name}: {type(node).__name__} of {source.shape} gives {shape}, not {output.shape}")
    if isinstance(node, MaxPool) and output.zero_point != source.zero_point:
        raise GraphError(f"{node.name}: zero point changes from {source.zero_point} to {output.zero_point}")
    if isinstance(node, SumPool) and output.kind == "uint8" and output.zero_point != SUM_ZERO_POINT:
        raise GraphError(f"{node.name}: a sum of bits has zero point {SUM_ZERO_POINT}, not {output.zero_point}")


def _expected(node: Node, source: Tensor, graph: Graph) -> tuple[tuple[str, ...], Shape]:
    """Kinds and shape the output may have; raises GraphError for inputs and attributes that do not fit."""
    channels = source.shape[0]
    match node:
        case Conv():
            _check_conv(node, source)
            kernel = (node.weights.shape[2], node.weights.shape[3])
            return ("int32",), (
                node.weights.shape[0],
                *window_shape(source.shape, kernel, node.stride, node.padding, node.dilation),
            )
        case Threshold():
            _require(source.kind in ("int32", "uint8"), node, f"cannot threshold {source.kind}")
            _check_threshold(node, channels)
            return ("binary" if np.array_equal(node.lo, node.hi) else "ternary", "ternary"), source.shape
        case MaxPool() | SumPool():
            _check_window(node, source)
            shape = (channels, *window_shape(source.shape, node.kernel, node.stride, node.padding))
            if isinstance(node, MaxPool):
                return (source.kind,), shape
            if source.kind in ("binary", "ternary"):
                _require(node.kernel[0] * node.kernel[1] <= 127, node, "window has more than 127 positions")
                return ("uint8",), shape
            return ("int32",), shape
        case Add():
            other = graph.tensors[node.other]
            _require(other.shape == source.shape, node, f"adds {source.shape} and {other.shape}")
            _require("float32" not in (source.kind, other.kind), node, "cannot add scores")
            return ("int32",), source.shape
        case Scores():
            _require(source.kind == "int32", node, f"cannot score {source.kind}")
            for values in (node.scale, node.bias):
                _require(values.dtype == np.float32 and values.shape == (channels,), node, "needs a float32 a channel")
                _require(bool(np.isfinite(values).all()), node, "scale or bias is not finite")
            return ("float32",), source.shape


def _check_conv(node: Conv, source: Tensor) -> None:
    _require(source.kind in ("uint8", "binary", "ternary"), node, f"cannot convolve {source.kind}")
    weights = node.weights
    _require(
        weights.dtype == np.int8 and weights.ndim == 4 and weights.size > 0, node, "weights are not int8 (O, I, H, W)"
    )
    allowed = (-1, 1) if node.weight_kind == "binary" else (-1, 0, 1)
    _require(bool(np.isin(weights, allowed).all()), node, f"a {node.weight_kind} weight is not one of {allowed}")
    fits = (
        node.groups >= 1 and weights.shape[0] % node.groups == 0 and weights.shape[1] * node.groups == source.shape[0]
    )
    _require(fits, node, f"weights {weights.shape} in {node.groups} groups do not fit {source.shape[0]} channels")
    _require(min(*node.stride, *node.dilation) >= 1 and min(node.padding) >= 0, node, "stride or padding out of range")


def _check_threshold(node: Threshold, channels: int) -> None:
    for values, dtype in ((node.lo, np.int32), (node.hi, np.int32), (node.negative, np.bool_)):
        _require(
            values.dtype == dtype and values.shape == (channels,),
            node,
            f"needs {dtype.__name__} of {channels} channels",
        )
    _require(bool((node.lo <= node.hi).all()), node, "lower threshold above the upper one")


def _check_window(node: MaxPool | SumPool, source: Tensor) -> None:
    _require(source.kind != "float32", node, "cannot pool scores")
    _require(min(*node.kernel, *node.stride) >= 1 and min(node.padding) >= 0, node, "kernel or stride out of range")
    # A window wholly in the padding has no maximum.
    top, left, bottom, right = node.padding
    fits = max(top, bottom) < node.kernel[0] and max(left, right) < node.kernel[1]
    _require(fits, node, "padding is not smaller than the kernel")
    if isinstance(node, MaxPool) and node.minimum is not None:
        fits = node.minimum.dtype == np.bool_ and node.minimum.shape == (source.shape[0],)
        _require(fits, node, "needs a minimum flag a channel")


def _require(condition: bool, node: Node, message: str) -> None:
    if not condition:
        raise GraphError(f"{node.name}: {message}")
