# SPDX-License-Identifier: Apache-2.0
"""How an operation's windows lie on a tensor of the graph: axes, paddings in front of it, kernel, stride, pads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from trit.export.graph import Pads, Pair
from trit.export.importer.network import IMAGE, Network
from trit.export.importer.source import Operation
from trit.export.importer.values import PADDING, Positions, Real


@dataclass(frozen=True)
class Plane:
    """A value as (C, H, W) of its tensor, what pads it, and how the result is brought into the source's axes."""

    real: Real
    pads: Pads
    swapped: bool  # the source's height is the tensor's width
    axes: int  # of the source's value: 3 or 4
    channels_last: bool
    channels: Positions | None  # the tensor's channels that the value's are; None: all in order

    def restored(self, real: Real, pooled: bool = False) -> Real:
        """The result of a layer, (1, C, H, W), with the source's axes and, if `pooled`, the source's channels."""
        positions = real.positions
        if pooled and self.channels is not None:
            positions = positions[:, self.channels]
        if self.swapped:
            positions = positions.transpose(0, 1, 3, 2)
        if self.axes == 3:
            positions = positions[:, :, 0, :]
        if self.channels_last:
            positions = np.moveaxis(positions, 1, -1)
        return replace(real, positions=positions)


def plane_of(operation: Operation, real: Real, network: Network) -> Plane:
    """Raises GraphError where the value's axes are not those of a tensor, in whatever order."""
    channels_last = "channels_last" in operation.domain or operation.attributes.get("data_layout") == "NHWC"
    positions = np.moveaxis(real.positions, -1, 1) if channels_last else real.positions
    axes = positions.ndim
    if axes == 3:
        positions = positions[:, :, None, :]
    if positions.ndim != 4 or positions.shape[0] != 1:
        raise operation.error(f"reads values of shape {real.shape}; (N, C, H, W) or (N, C, L) is expected")
    inner, pads = _without_padding(operation, positions)
    shape = network.tensor(real.parts[0]).shape
    straight = np.arange(np.prod(shape, dtype=int)).reshape(1, *shape)
    if (
        real.parts == (IMAGE,)
        and np.array_equal(inner.reshape(-1), straight.reshape(-1))
        and inner.shape != straight.shape
    ):
        real = _of_another_image(operation, real, inner, network)
        straight = inner
    for swapped in (False, True):
        planes = straight.transpose(0, 1, 3, 2) if swapped else straight
        if np.array_equal(inner, planes):
            return Plane(real, _swap_pads(pads) if swapped else pads, swapped, axes, channels_last, None)
        channels = inner[0, :, 0, 0] // real.area
        if np.array_equal(inner, planes[:, channels]):
            return Plane(real, _swap_pads(pads) if swapped else pads, swapped, axes, channels_last, channels)
    raise operation.error("reads the elements of a layer in another order; only transposing to NCHW is expected")


def _without_padding(operation: Operation, positions: Positions) -> tuple[Positions, Pads]:
    inside = (positions != PADDING).any(axis=(0, 1))
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not rows.size:
        raise operation.error("reads nothing but padding")
    top, left = int(rows[0]), int(columns[0])
    bottom, right = positions.shape[2] - 1 - int(rows[-1]), positions.shape[3] - 1 - int(columns[-1])
    inner = positions[:, :, top : positions.shape[2] - bottom, left : positions.shape[3] - right]
    if (inner == PADDING).any():
        raise operation.error("its padding is no border")
    return inner, (top, left, bottom, right)


def _of_another_image(operation: Operation, real: Real, inner: Positions, network: Network) -> Real:
    """The image with the shape in which it is read here."""
    _, channels, height, width = inner.shape
    if len(set(real.functions)) > 1:
        raise operation.error("reads the image in another shape, after what differs by channel")
    floats = real.floats and (real.floats[0],) * channels
    if not network.reshape_image((channels, height, width)):
        raise operation.error("reads the image in a second shape")
    functions = (real.functions[0],) * channels
    return Real(real.parts, real.positions, functions, height * width, real.name, real.fill, floats)


def _swap_pads(pads: Pads) -> Pads:
    top, left, bottom, right = pads
    return left, top, right, bottom


@dataclass(frozen=True)
class Window:
    """Kernel, stride, dilation and pads in the tensor's axes; `pads` are the operation's own."""

    kernel: Pair
    stride: Pair
    dilation: Pair
    pads: Pads


def window_of(operation: Operation, plane: Plane, kernel: Sequence[int], network: Network) -> Window:
    """The window that the attributes tell; 1-d ones get height 1. Raises GraphError for what cannot be meant."""
    count = plane.axes - 2
    attributes = operation.attributes
    sizes = [int(k) for k in kernel]
    if len(sizes) != count:
        raise operation.error(f"has a kernel {sizes} for values of shape {plane.real.shape}")
    stride = _numbers(attributes, "strides", [1] * count)
    dilation = _numbers(attributes, "dilations", [1] * count)
    pads = _numbers(attributes, "pads", [0] * (2 * count))
    if count == 1:
        sizes, stride, dilation = [1, *sizes], [1, *stride], [1, *dilation]
        pads = [0, pads[0], 0, pads[1]]
    if plane.swapped:
        sizes, stride, dilation = sizes[::-1], stride[::-1], dilation[::-1]
        pads = list(_swap_pads((pads[0], pads[1], pads[2], pads[3])))
    if min(pads) < 0:
        raise operation.error(f"has negative pads {pads}")
    shape = network.tensor(plane.real.parts[0]).shape
    size = [shape[1] + plane.pads[0] + plane.pads[2], shape[2] + plane.pads[1] + plane.pads[3]]
    auto = str(attributes.get("auto_pad", "NOTSET"))
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        pads = _same(size, sizes, stride, dilation, auto == "SAME_LOWER")
    elif auto == "VALID":
        pads = [0, 0, 0, 0]
    if attributes.get("ceil_mode"):
        pads = _ceiled(size, sizes, stride, pads)
    found = Window(
        (sizes[0], sizes[1]), (stride[0], stride[1]), (dilation[0], dilation[1]), (pads[0], pads[1], pads[2], pads[3])
    )
    for axis in range(2):
        if dilation[axis] * (sizes[axis] - 1) + 1 > size[axis] + pads[axis] + pads[axis + 2]:
            raise operation.error(f"its {sizes[0]}×{sizes[1]} kernel does not fit {size[0]}×{size[1]} positions")
    return found


def total(plane: Plane, window: Window) -> Pads:
    """The pads of both the operation and what was padded in front of it."""
    top, left, bottom, right = (a + b for a, b in zip(plane.pads, window.pads, strict=True))
    return top, left, bottom, right


def _numbers(attributes: Any, name: str, default: list[int]) -> list[int]:
    return [int(number) for number in attributes.get(name) or default]


def _same(size: list[int], kernel: list[int], stride: list[int], dilation: list[int], lower: bool) -> list[int]:
    """Pads with which ⌈size/stride⌉ positions come out; the odd one at the end, or at the beginning if `lower`."""
    before, after = [], []
    for length, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        needed = max(0, (-(-length // s) - 1) * s + d * (k - 1) + 1 - length)
        small, large = needed // 2, needed - needed // 2
        before.append(large if lower else small)
        after.append(small if lower else large)
    return [*before, *after]


def _ceiled(size: list[int], kernel: list[int], stride: list[int], pads: list[int]) -> list[int]:
    """Pads that let the last window stand where it begins inside but ends outside."""
    more = list(pads)
    for axis in range(2):
        length = size[axis] + pads[axis] + pads[axis + 2]
        rest = (length - kernel[axis]) % stride[axis]
        starts_inside = length - rest + stride[axis] - kernel[axis] < size[axis] + pads[axis]
        if rest and starts_inside:
            more[axis + 2] += stride[axis] - rest
    return more
