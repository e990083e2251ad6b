# SPDX-License-Identifier: Apache-2.0
"""Operators with weights, and pools."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import prod

import numpy as np

from trit.export.importer import pools
from trit.export.importer.layers import Geometry, convolve, dense
from trit.export.importer.network import Network
from trit.export.importer.rules_pointwise import Input, operand
from trit.export.importer.source import Array, Operation
from trit.export.importer.values import Positions, Real
from trit.export.importer.windows import Plane, Window, plane_of, total, window_of


def convolution(operation: Operation, inputs: list[Input], network: Network) -> Real:
    real, weights = _with_weights(operation, inputs)
    bias = inputs[2] if len(inputs) > 2 else None
    plane = plane_of(operation, real, network)
    if weights.ndim != plane.axes:
        raise operation.error(f"has weights of shape {weights.shape} for values of shape {real.shape}")
    if "channels_last" in operation.domain:
        weights = np.moveaxis(weights, -1, 1)
    window = window_of(operation, plane, weights.shape[2:], network)
    if plane.real.fill and any(window.pads):
        raise operation.error("pads with 0 what is padded with another value; one padding is expected")
    kernels = weights[:, :, None, :] if weights.ndim == 3 else weights
    if plane.swapped:
        kernels = kernels.transpose(0, 1, 3, 2)
    groups = int(operation.attributes.get("group", 1))
    channels = network.tensor(plane.real.parts[0]).shape[0]
    if plane.channels is not None:
        kernels = _over_all(operation, kernels, plane.channels, channels, groups)
    if kernels.shape[1] * groups != channels or len(kernels) % groups:
        raise operation.error(f"weights {weights.shape} in {groups} groups do not fit {channels} channels")
    geometry = Geometry(window.stride, total(plane, window), window.dilation, groups)
    operator = f"{operation.type} {'×'.join(str(size) for size in weights.shape[2:])}"
    bits = network.stored_bits(inputs[1])
    return plane.restored(convolve(operation, operator, plane.real, kernels, bias, geometry, network, bits))


def _over_all(operation: Operation, kernels: Array, channels: Positions, count: int, groups: int) -> Array:
    """Weights of some channels, in their order, as weights of all `count`: 0 for the others."""
    if groups != 1 or kernels.shape[1] != len(channels):
        raise operation.error(f"reads channels in another order in {groups} groups; one group is expected")
    whole = np.zeros((len(kernels), count, *kernels.shape[2:]), kernels.dtype)
    for index, channel in enumerate(channels.tolist()):
        whole[:, channel] += kernels[:, index]
    return whole


def _with_weights(operation: Operation, inputs: list[Input]) -> tuple[Real, Array]:
    real, weights = inputs[:2]
    if not isinstance(real, Real) or isinstance(weights, Real):
        raise operation.error("has weights that depend on the image; constants are expected")
    return real, np.asarray(weights)


def gemm(operation: Operation, inputs: list[Input], network: Network) -> Real:
    """alpha·A·B + beta·C."""
    real, weights = _with_weights(operation, inputs)
    attributes = operation.attributes
    if attributes.get("transA"):
        raise operation.error("transposes its input; transA = 0 is expected")
    rows = weights if attributes.get("transB") else weights.T
    alpha, beta = attributes.get("alpha", 1.0), attributes.get("beta", 1.0)
    bias = inputs[2] if len(inputs) > 2 else None
    if bias is not None and beta != 1.0:
        bias = np.asarray(bias) * np.float32(beta)
    rows = rows if alpha == 1.0 else rows * np.float32(alpha)
    return dense(operation, operation.type, real, rows, bias, network, network.stored_bits(inputs[1]))


def matmul(operation: Operation, inputs: list[Input], network: Network) -> Real:
    """Values (…, K) times a constant (K, O): a dense layer, or one at each position."""
    if len(inputs) == 2 and isinstance(inputs[1], Real) and not isinstance(inputs[0], Real):
        return _constant_first(operation, inputs, network)
    real, weights = _with_weights(operation, inputs)
    if weights.ndim != 2:
        raise operation.error(f"has weights of shape {weights.shape}; (K, O) is expected")
    bits = network.stored_bits(inputs[1])
    if real.positions.size == len(weights):
        found = dense(operation, operation.type, real, weights.T, None, network, bits)
        return replace(found, positions=found.positions.reshape(*real.shape[:-1], -1))
    return _at_each_position(operation, real, weights, network, bits)


def xnor_popcount(operation: Operation, inputs: list[Input], network: Network) -> Real:
    """FINN's XnorPopcountMatMul: how many of K bits agree, bits 0 and 1 for -1 and 1: (K + Σ)/2."""
    real, weights = _with_weights(operation, inputs)
    signs = real.mapped(operation, lambda f: f.affine(Fraction(2), Fraction(-1)))
    doubled = np.asarray(weights, np.float64).T * 2 - 1
    found = dense(operation, operation.type, signs, doubled, None, network, network.stored_bits(inputs[1]))
    return found.mapped(operation, lambda f: f.affine(Fraction(1, 2), Fraction(len(weights), 2)))


def _constant_first(operation: Operation, inputs: list[Input], network: Network) -> Real:
    """A constant (O, K) times one column of values (K, 1) or (K)."""
    weights, real = np.asarray(inputs[0]), inputs[1]
    if weights.ndim != 2 or real.positions.size != weights.shape[1]:
        raise operation.error("multiplies a constant with several columns; values times weights are expected")
    found = dense(operation, operation.type, real, weights, None, network, network.stored_bits(inputs[0]))
    return replace(
        found, positions=found.positions.reshape(*real.shape[:-2], -1, *real.shape[-1:][: len(real.shape) - 1])
    )


def _at_each_position(operation: Operation, real: Real, weights: Array, network: Network, bits: int) -> Real:
    """(1, …, K): the last axis are the channels of a tensor, the others its positions."""
    shape = network.tensor(real.parts[0]).shape
    moved = np.moveaxis(real.positions, -1, 1)
    if moved.shape[0] != 1 or not np.array_equal(moved.reshape(-1), np.arange(prod(shape))) or shape[0] != len(weights):
        raise operation.error(f"multiplies values of shape {real.shape}; (N, K), or channels last, is expected")
    kernels = weights.T[:, :, None, None]
    found = convolve(operation, operation.type, real, kernels, None, Geometry(), network, bits)
    positions = np.moveaxis(found.positions.reshape(1, weights.shape[1], *moved.shape[2:]), 1, -1)
    return replace(found, positions=positions)


def max_pool(operation: Operation, inputs: list[Input], network: Network) -> Real:
    plane, window = _pooled(operation, inputs[0], network)
    return pools.maximum(operation, plane, window, network)


def average_pool(operation: Operation, inputs: list[Input], network: Network) -> Real:
    plane, window = _pooled(operation, inputs[0], network)
    if any(window.pads) and not (
        operation.attributes.get("count_include_pad") and not operation.attributes.get("ceil_mode")
    ):
        raise operation.error("averages without the positions in its padding; count_include_pad = 1 is expected")
    return pools.average(operation, plane, window, network)


def _pooled(operation: Operation, real: Real, network: Network) -> tuple[Plane, Window]:
    last = operation.type == "MaxPoolNHWC"
    given = replace(operation, domain="channels_last") if last else operation
    plane = plane_of(given, real, network)
    if "kernel_shape" not in operation.attributes:
        raise operation.error("has no kernel_shape")
    return plane, window_of(operation, plane, operation.attributes["kernel_shape"], network)


def quant_average_pool(operation: Operation, inputs: list[Input], network: Network) -> Real:
    """FINN's QuantAvgPool2d: the window's sum, its last bits cut off."""
    attributes = operation.attributes
    kernel, stride = int(attributes["kernel"]), int(attributes["stride"])
    plane = plane_of(operation, inputs[0], network)
    given = replace(operation, attributes={"strides": [stride, stride]})
    summed = pools.average(operation, plane, window_of(given, plane, [kernel, kernel], network), network, divided=False)
    width = int(attributes["ibits"])
    most = (2**width - 1) * kernel * kernel
    shift = max(most.bit_length() - int(attributes["obits"]), 0)
    return summed.mapped(operation, lambda f: f.affine(Fraction(1, 2**shift), Fraction(0)).rounded("floor"))


def global_max(operation: Operation, inputs: list[Input], network: Network) -> Real:
    plane = plane_of(operation, inputs[0], network)
    return pools.maximum(operation, plane, pools.whole(plane, network), network)


def global_average(operation: Operation, inputs: list[Input], network: Network) -> Real:
    plane = plane_of(operation, inputs[0], network)
    return pools.average(operation, plane, pools.whole(plane, network), network)


def reduce_positions(operation: Operation, inputs: list[Input], network: Network) -> Real:
    """ReduceMean, ReduceSum and ReduceMax over all positions: a global pool, wherever the channels are."""
    real: Real = inputs[0]
    axes = operand(inputs, 1)
    count = len(real.shape)
    chosen = sorted(int(axis) % count for axis in np.asarray(axes).reshape(-1)) if axes is not None else []
    channel = next((axis for axis in range(1, count) if axis not in chosen), None)
    if count not in (3, 4) or channel is None or len(chosen) != count - 2 or 0 in chosen:
        raise operation.error(f"reduces axes {chosen} of values of shape {real.shape}; all positions are expected")
    moved = replace(real, positions=np.moveaxis(real.positions, channel, 1))
    plane = plane_of(operation, moved, network)
    window = pools.whole(plane, network)
    if operation.type == "ReduceMax":
        found = pools.maximum(operation, plane, window, network)
    else:
        found = pools.average(operation, plane, window, network, divided=operation.type == "ReduceMean")
    flat = found.positions.reshape(1, -1)
    if operation.attributes.get("keepdims", 1):
        flat = np.moveaxis(flat.reshape(1, -1, *[1] * (count - 2)), 1, channel)
    return replace(found, positions=flat)
