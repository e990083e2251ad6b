# SPDX-License-Identifier: Apache-2.0
"""Sliding windows, which convolutions and pools share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from trit.export.graph import Array, Node, Pads, Pair, Shape, Tensor


def window_shape(shape: Shape, kernel: Pair, stride: Pair, padding: Pads, dilation: Pair = (1, 1)) -> Pair:
    """Output height and width of a sliding window: floor((size + pads - dilation·(kernel-1) - 1) / stride) + 1."""
    top, left, bottom, right = padding
    height = (shape[1] + top + bottom - dilation[0] * (kernel[0] - 1) - 1) // stride[0] + 1
    width = (shape[2] + left + right - dilation[1] * (kernel[1] - 1) - 1) // stride[1] + 1
    return height, width


def windows(x: Array, kernel: Pair, stride: Pair, padding: Pads, fill: int, dilation: Pair = (1, 1)) -> Array:
    """Sliding windows (N, C, H', W', KH, KW) of x (N, C, H, W), padded with `fill`."""
    top, left, bottom, right = padding
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    span = (dilation[0] * (kernel[0] - 1) + 1, dilation[1] * (kernel[1] - 1) + 1)
    found = np.lib.stride_tricks.sliding_window_view(x, span, axis=(2, 3))
    return found[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]


def check_pool(node: Node, source: Tensor, kernel: Pair, stride: Pair, padding: Pads) -> Shape:
    """The output's shape of a pool. Raises GraphError where the window does not fit."""
    node.require(source.kind != "float32", "cannot pool scores")
    node.require(min(*kernel, *stride) >= 1 and min(padding) >= 0, "kernel or stride out of range")
    # A window wholly in the padding has no maximum.
    top, left, bottom, right = padding
    fits = max(top, bottom) < kernel[0] and max(left, right) < kernel[1]
    node.require(fits, "padding is not smaller than the kernel")
    return (source.shape[0], *window_shape(source.shape, kernel, stride, padding))


def pair_of(values: Any) -> Pair:
    """Two integers of an ONNX attribute."""
    first, second = values
    return int(first), int(second)


def pads_of(attributes: Mapping[str, Any]) -> Pads:
    top, left, bottom, right = attributes["pads"]
    return int(top), int(left), int(bottom), int(right)
