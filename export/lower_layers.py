# SPDX-License-Identifier: Apache-2.0
"""What each layer of a torch network does to a value, one function a layer; `LAYERS` is the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import inf
from typing import Any

import numpy as np

from trit.export.exact import Channel, thresholds
from trit.export.graph import GraphError, Int8Array, Pads, Pair, Shape, Tensor, WeightKind
from trit.export.lowering import Lowering, Value
from trit.export.operators import (
    SUM_ZERO_POINT,
    Add,
    Concat,
    Conv,
    MaxPool,
    MaxUnpool,
    Rescale,
    SumPool,
    Threshold,
    window_shape,
)
from trit.export.rescaling import Inexact, rescaling
from trit.export.weights import grid_weights


def pixels(path: str, module: Any, value: Value, lowering: Lowering) -> Value:
    if lowering.nodes or value.tensor != "image":
        raise GraphError(f"layer {path} (Pixels) must be the first")
    shape = lowering.tensors["image"].shape
    lowering.tensors["image"] = Tensor("image", "uint8", shape, module.zero_point)
    return Value("image", [Channel(Fraction(module.scale))] * shape[0])


Weights = tuple[Int8Array, list[Fraction], WeightKind]


def _integer_weights(path: str, module: Any) -> Weights:
    """Integers, a scale an output channel, and kind: as the layer quantizes its weights, or torch's own as they are."""
    if not hasattr(module, "weight_quantizer"):
        return _ternary_weights(path, module.weight.detach().cpu().numpy())
    if module.weight_quantizer.kind == "float32":
        raise GraphError(f"layer {path} has float32 weights, which nothing runs: train it with quantized ones")
    values, scale, kind = module.integer_weights()
    count = len(values)
    return values.numpy(), [Fraction(1)] * count if scale is None else _fractions(scale, path, count), kind


def _ternary_weights(path: str, weights: Any) -> Weights:
    """Weights that are -s, 0 or s already, s of each output channel, as TWN, BitNet and others leave them."""
    found = grid_weights(weights)
    if found is None or found.kind == "int8":
        raise GraphError(
            f"layer {path} has real weights: only -s, 0 and s in each output channel are lowered as they are; "
            "train it as QuantConv1d, QuantConv2d or QuantLinear"
        )
    return found.values, found.scales, found.kind


def convolution(path: str, module: Any, value: Value, lowering: Lowering) -> Value:
    values, scales, kind = _integer_weights(path, module)
    if values.ndim == 3:  # 1-d: height 1
        values = values[:, :, None, :]
    if module.padding_mode != "zeros":
        raise GraphError(f"layer {path}: padding mode {module.padding_mode!r}; only zeros is supported")
    node = Conv(
        path, value.tensor, f"{path}.acc", values, kind,
        _pair(module.stride, 1), _same_pads(module, path), _pair(module.dilation, 1), module.groups,
    )  # fmt: skip
    return _accumulate(node, scales, module.bias, value, lowering)


def dense(path: str, module: Any, value: Value, lowering: Lowering) -> Value:
    values, scales, kind = _integer_weights(path, module)
    shape = lowering.tensors[value.tensor].shape
    if module.in_features != int(np.prod(shape)):
        raise GraphError(f"layer {path}: reads {module.in_features} values, but {shape} come in; flatten them before")
    node = Conv(path, value.tensor, f"{path}.acc", values.reshape(-1, *shape), kind)
    return _accumulate(node, scales, module.bias, value, lowering)


def _accumulate(node: Conv, scales: list[Fraction], bias: Any, value: Value, lowering: Lowering) -> Value:
    source = lowering.tensors[value.tensor]
    common = value.common_scale()
    if source.kind not in ("uint8", "binary", "ternary") or common is None:
        raise GraphError(
            f"layer {node.name} reads real values: "
            "put BinaryActivation, TernaryActivation or EightBitActivation before it"
        )
    outputs = node.weights.shape[0]
    kernel = (node.weights.shape[2], node.weights.shape[3])
    height, width = window_shape(source.shape, kernel, node.stride, node.padding, node.dilation)
    if min(height, width) < 1:
        raise GraphError(f"layer {node.name}: its {kernel[0]}×{kernel[1]} kernel does not fit {source.shape}")
    offsets = [Fraction(0)] * outputs if bias is None else _fractions(bias, node.name, outputs)
    tensor = lowering.append(node, "int32", (outputs, height, width))
    pairs = zip(scales, offsets, strict=True)
    return Value(tensor, [Channel(common * factor, o=offset) for factor, offset in pairs])


def batch_norm(path: str, module: Any, value: Value, lowering: Lowering) -> Value:
    count = len(value.channels)
    shape = lowering.tensors[value.tensor].shape
    if module.num_features != count or (value.flat and shape[1:] != (1, 1)):
        raise GraphError(f"layer {path}: normalizes {module.num_features} features of {shape}")
    if module.running_var is None:
        raise GraphError(f"layer {path}: keeps no running statistics (track_running_stats=False)")
    mean, variance = _fractions(module.running_mean, path, count), _fractions(module.running_var, path, count)
    gamma = [Fraction(1)] * count if module.weight is None else _fractions(module.weight, path, count)
    beta = [Fraction(0)] * count if module.bias is None else _fractions(module.bias, path, count)
    epsilon = Fraction(module.eps)
    if min(variance) + epsilon <= 0:
        raise GraphError(f"layer {path}: a running variance is not positive")
    rows = zip(value.channels, mean, variance, gamma, beta, strict=True)
    try:
        return replace(value, channels=[channel.normalized(m, v + epsilon, g, b) for channel, m, v, g, b in rows])
    except ValueError as error:
        raise GraphError(f"layer {path}: {error}; leave one of them out") from error


def binary_activation(path: str, module: Any, value: Value, lowering: Lowering) -> Value:
    return _activation(path, value, lowering, None)


def sign(path: str, value: Value, lowering: Lowering) -> Value:
    """torch.sign: 0 at 0, so that it is ternary unless no integer gives exactly 0."""
    return _activation(path, value, lowering, Fraction(0))


def ternary_activation(path: str, module: Any, value: Value, lowering: Lowering) -> Value:
    return _activation(path, value, lowering, Fraction(module.threshold))


def _activation(path: str, value: Value, lowering: Lowering, delta: Fraction | None) -> Value:
    source = lowering.tensors[value.tensor]
    if source.kind not in ("int32", "uint8"):
        raise GraphError(f"layer {path}: its input is {source.kind} already")
    reach = delta or Fraction(0)
    if value.limits and not value.limits[0] < -reach <= reach < value.limits[1]:
        raise GraphError(f"layer {path}: its threshold lies outside the clipping before it")
    lo, hi, negative = thresholds(value.channels, delta)
    kind = "binary" if delta is None or (delta == 0 and np.array_equal(lo, hi)) else "ternary"
    tensor = lowering.append(Threshold(path, value.tensor, path, lo, hi, negative), kind, source.shape)
    return Value(tensor, [Channel(Fraction(1))] * source.shape[0], value.flat)


def eight_bit_activation(path: str, module: Any, value: Value, lowering: Lowering) -> Value:
    source = lowering.tensors[value.tensor]
    if source.kind not in ("int32", "uint8"):
        raise GraphError(f"layer {path}: its input is {source.kind} already")
    scale, zero_point = Fraction(module.scale), module.zero_point
    if value.limits and not _is_clipped_anyway(value.limits, scale, zero_point):
        raise GraphError(f"layer {path}: its codes reach beyond the clipping before it; a ReLU needs zero_point=0")
    channels = [channel.scaled(1 / scale) for channel in value.channels]
    low, high = lowering.range_of(value.tensor)
    try:
        factors = rescaling(channels, zero_point, low, high)
    except Inexact as error:
        raise GraphError(
            f"layer {path}: channel {error.channel} cannot be rescaled exactly, as its input reaches {low}..{high}: "
            "use fewer inputs or a larger scale"
        ) from error
    node = Rescale(path, value.tensor, path, *factors, zero_point)
    tensor = lowering.append(node, "uint8", source.shape, zero_point)
    return Value(tensor, [Channel(scale)] * source.shape[0], value.flat)


def _is_clipped_anyway(limits: tuple[float, float], scale: Fraction, zero_point: int) -> bool:
    """Does what lies outside the limits get the first or the last code anyway?"""
    half, low, high = Fraction(1, 2), *limits
    return Fraction(low) / scale < half - zero_point and (
        high == inf or Fraction(high) / scale >= 255 - zero_point - half
    )


def max_pool(path: str, module: Any, value: Value, lowering: Lowering) -> Value:
    source = lowering.tensors[value.tensor]
    kernel, stride, padding = _window(path, module, source.shape)
    if module.return_indices or _pair(module.dilation, 1) != (1, 1):
        raise GraphError(f"layer {path}: return_indices and dilation are not supported")
    # The largest real value is the smallest integer where the affine function falls.
    falls = np.array([channel.a < 0 for channel in value.channels])
    node = MaxPool(path, value.tensor, f"{path}.out", kernel, stride, padding, falls if falls.any() else None)
    shape = (source.shape[0], *window_shape(source.shape, kernel, stride, padding))
    return replace(value, tensor=lowering.append(node, source.kind, shape, source.zero_point))


def max_unpool(path: str, module: Any, value: Value, sums: Value, lowering: Lowering) -> Value:
    source, target = lowering.tensors[value.tensor], lowering.tensors[sums.tensor]
    if value.flat or sums.flat:
        raise GraphError(f"layer {path}: unpools flattened values")
    if source.kind != "uint8" or value.common_scale() is None:
        raise GraphError(f"layer {path}: what it unpools has no 8-bit codes: put an EightBitActivation before it")
    if target.kind != "int32":
        raise GraphError(
            f"layer {path}: unpools to maxima of {target.kind}; it takes a layer's sums, before activation"
        )
    # The largest real value is the largest integer only where the affine function rises.
    if min(channel.a for channel in sums.channels) <= 0:
        raise GraphError(
            f"layer {path}: unpools to maxima of sums that batch norm turns round: keep its weights positive"
        )
    node = MaxUnpool(path, value.tensor, f"{path}.out", sums.tensor, _pair(module.kernel, 1))
    shape = node.check(source, target).shape
    return replace(value, tensor=lowering.append(node, "uint8", shape, source.zero_point))


def average_pool(path: str, module: Any, value: Value, lowering: Lowering) -> Value:
    source = lowering.tensors[value.tensor]
    kernel, stride, padding = _window(path, module, source.shape)
    if any(padding) and (not module.count_include_pad or value.common_scale() is None):
        raise GraphError(f"layer {path}: averages with padding need count_include_pad=True and no bias before them")
    if getattr(module, "divisor_override", None):
        raise GraphError(f"layer {path}: divisor_override is not supported")
    return _sum(SumPool(path, value.tensor, f"{path}.sum", kernel, stride, padding), value, source, lowering)


def global_average(path: str, module: Any, value: Value, lowering: Lowering) -> Value:
    source = lowering.tensors[value.tensor]
    if any(size not in (1, None) for size in np.atleast_1d(module.output_size)):
        raise GraphError(f"layer {path}: only an output size of 1 is supported")
    kernel = (source.shape[1], source.shape[2])
    return _sum(SumPool(path, value.tensor, f"{path}.sum", kernel, kernel), value, source, lowering)


def _sum(node: SumPool, value: Value, source: Tensor, lowering: Lowering) -> Value:
    """The mean is 1/area of the sum: y = Σ((a·x + b)/√r + o)/n = ((a/n)·Σx + b)/√r + o."""
    area = node.kernel[0] * node.kernel[1]
    shape = (source.shape[0], *window_shape(source.shape, node.kernel, node.stride, node.padding))
    channels = [replace(channel, a=channel.a / area) for channel in value.channels]
    if source.kind in ("binary", "ternary"):
        if area > 127:
            raise GraphError(f"layer {node.name}: averages {area} positions of bits; at most 127 are supported")
        tensor = lowering.append(node, "uint8", shape, SUM_ZERO_POINT)
    else:
        tensor = lowering.append(node, "int32", shape)
    return replace(value, tensor=tensor, channels=channels)


def add(name: str, left: Value, right: Value, lowering: Lowering) -> Value:
    shapes = [lowering.tensors[value.tensor].shape for value in (left, right)]
    scales = [value.common_scale() for value in (left, right)]
    if shapes[0] != shapes[1]:
        raise GraphError(f"{name}: adds tensors of {shapes[0]} and {shapes[1]}")
    if left.limits or right.limits:
        raise GraphError(f"{name}: adds clipped values: put an activation behind the Hardtanh or ReLU before it")
    if scales[0] is None or scales[0] != scales[1]:
        raise GraphError(
            f"{name}: adds values of different scales: put EightBitActivations of one scale before it, "
            "or add before batch norm, with weights without scale"
        )
    node = Add(name, left.tensor, f"{name}.sum", right.tensor)
    return replace(left, tensor=lowering.append(node, "int32", shapes[0]))


def concat(name: str, left: Value, right: Value, lowering: Lowering) -> Value:
    sources = [lowering.tensors[value.tensor] for value in (left, right)]
    if sources[0].shape[1:] != sources[1].shape[1:] or left.flat != right.flat:
        raise GraphError(f"{name}: joins tensors of {sources[0].shape} and {sources[1].shape}")
    if left.limits or right.limits:
        raise GraphError(f"{name}: joins clipped values: put an activation behind the Hardtanh or ReLU before it")
    forms = [f"{s.kind} with zero point {s.zero_point}" if s.kind == "uint8" else s.kind for s in sources]
    if forms[0] != forms[1]:
        raise GraphError(f"{name}: joins {forms[0]} and {forms[1]}: use the same activation before both")
    node = Concat(name, left.tensor, f"{name}.joined", right.tensor)
    shape = (sources[0].shape[0] + sources[1].shape[0], *sources[0].shape[1:])
    tensor = lowering.append(node, sources[0].kind, shape, sources[0].zero_point)
    return Value(tensor, [*left.channels, *right.channels], left.flat)


def relu(path: str, module: Any, value: Value, lowering: Lowering) -> Value:
    return replace(value, limits=(0.0, inf))


def hardtanh(path: str, module: Any, value: Value, lowering: Lowering) -> Value:
    return replace(value, limits=(module.min_val, module.max_val))


def flatten(path: str, module: Any, value: Value, lowering: Lowering) -> Value:
    if module.start_dim != 1 or module.end_dim != -1:
        raise GraphError(f"layer {path}: only flattening of all but the batch is supported")
    return replace(value, flat=True)


def identity(path: str, module: Any, value: Value, lowering: Lowering) -> Value:
    return value


Lower = Callable[..., Value]  # of a path, a module, the values that it is called with, and the graph so far
LAYERS: list[tuple[tuple[str, ...], Lower]] = [
    (("Pixels",), pixels),
    (("QuantConv1d", "QuantConv2d", "Conv1d", "Conv2d"), convolution),
    (("QuantLinear", "Linear"), dense),
    (("BatchNorm1d", "BatchNorm2d"), batch_norm),
    (("BinaryActivation",), binary_activation),
    (("TernaryActivation",), ternary_activation),
    (("EightBitActivation",), eight_bit_activation),
    (("MaxPool1d", "MaxPool2d"), max_pool),
    (("AvgPool1d", "AvgPool2d"), average_pool),
    (("AdaptiveAvgPool1d", "AdaptiveAvgPool2d"), global_average),
    (("ReLU",), relu),
    (("Hardtanh", "ReLU6"), hardtanh),
    (("Flatten",), flatten),
    (("Identity", "Dropout", "Dropout1d", "Dropout2d"), identity),
]
LAYERS_OF_TWO: list[tuple[tuple[str, ...], Lower]] = [(("MaxUnpool",), max_unpool)]
# Clipping commutes with these alone.
AFTER_CLIPPING = (binary_activation, ternary_activation, eight_bit_activation, max_pool, flatten, identity)


def _fractions(values: Any, path: str, count: int) -> list[Fraction]:
    """The exact values of a float tensor, one a channel; a scalar counts for all."""
    numbers = values.detach().double().reshape(-1).tolist()
    if not np.isfinite(numbers).all():
        raise GraphError(f"layer {path}: a parameter is not a finite number")
    return [Fraction(number) for number in (numbers * count if len(numbers) == 1 else numbers)]


def _pair(value: Any, lone: int) -> Pair:
    """(height, width) of a torch option; `lone` is the height of 1-d layers' options."""
    numbers = (value,) if isinstance(value, int) else tuple(value)
    if len(numbers) == 1:
        return (lone, int(numbers[0])) if not isinstance(value, int) else (int(value), int(value))
    return int(numbers[0]), int(numbers[1])


def _same_pads(module: Any, path: str) -> Pads:
    if module.padding == "valid":
        return 0, 0, 0, 0
    if module.padding == "same":
        totals = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
        before, after = [total // 2 for total in totals], [total - total // 2 for total in totals]
        before, after = ([0] * (2 - len(before)) + before), ([0] * (2 - len(after)) + after)
        return before[0], before[1], after[0], after[1]
    height, width = _pair(module.padding, 0)
    return height, width, height, width


def _window(path: str, module: Any, shape: Shape) -> tuple[Pair, Pair, Pads]:
    """Kernel, stride and pads of a pooling layer; 1-d layers have kernel, stride 1 and no pad along the height."""
    one_dimensional = type(module).__name__.endswith("1d")
    if module.ceil_mode:
        raise GraphError(f"layer {path}: ceil_mode is not supported")

    def pair(value: Any, lone: int) -> Pair:
        return (lone, int(np.atleast_1d(value)[0])) if one_dimensional else _pair(value, lone)

    kernel, stride, pad = pair(module.kernel_size, 1), pair(module.stride, 1), pair(module.padding, 0)
    if kernel[0] > shape[1] + 2 * pad[0] or kernel[1] > shape[2] + 2 * pad[1]:
        raise GraphError(f"layer {path}: its {kernel[0]}×{kernel[1]} window does not fit {shape}")
    return kernel, stride, (pad[0], pad[1], pad[0], pad[1])
