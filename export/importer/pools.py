# SPDX-License-Identifier: Apache-2.0
"""Maxima and averages over windows."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from trit.export.graph import Pads, Pair
from trit.export.importer.functions import Function
from trit.export.importer.network import Network
from trit.export.importer.quantize import line_of
from trit.export.importer.source import Operation
from trit.export.importer.values import Real
from trit.export.importer.windows import Plane, Window, total
from trit.export.operators import Conv, MaxPool, SumPool

MOST_SUMMED_BITS = 127  # positions of a SumPool over bits
NO_PADS: Pads = (0, 0, 0, 0)


def maximum(operation: Operation, plane: Plane, window: Window, network: Network) -> Real:
    """The maximum of monotone functions is the function of the integers' maximum, or minimum where it falls."""
    real = plane.real
    network.check_unmoved(operation, real)
    known = {function: _falls(function) for function in set(real.functions)}
    if None in known.values():
        raise operation.error("takes the maximum of values that rise and fall; a monotone function is expected")
    if window.dilation != (1, 1):
        raise operation.error("is dilated; dilations of 1 are expected")
    if any(plane.pads):
        _check_fill(operation, real)
    falls = np.array([bool(known[function]) for function in real.functions])
    source = network.added(real.parts)
    name = network.lowering.name_of(operation.name)
    flags = falls if falls.any() else None
    pads = total(plane, window)
    node = MaxPool(name, source, f"{name}.out", window.kernel, window.stride, pads, flags)
    pooled = network.append(node, network.tensor(source).kind, network.domain((source,)))
    found = network.line((pooled,), *_lines(len(real.functions)), real.name)
    return plane.restored(replace(found, functions=real.functions, floats=real.floats), pooled=True)


def _lines(count: int) -> tuple[list[Fraction], list[Fraction]]:
    return [Fraction(1)] * count, [Fraction(0)] * count


def _falls(function: Function) -> bool | None:
    """Does the function fall? None where it does both."""
    ends = [piece.at(x) for start, end, piece in function.spans() for x in (start, end - 1)]
    if ends == sorted(ends):
        return False
    return True if ends == sorted(ends, reverse=True) else None


def _check_fill(operation: Operation, real: Real) -> None:
    """What is padded in front must not win against what is inside."""
    least = min(piece.at(x) for f in set(real.functions) for start, end, piece in f.spans() for x in (start, end - 1))
    if real.fill is not None and real.fill > least:
        raise operation.error(f"its input is padded with {float(real.fill):g}, which exceeds some of its values")


def average(operation: Operation, plane: Plane, window: Window, network: Network, divided: bool = True) -> Real:
    """The sum over the window; its divisor goes into the functions. Padding counts as 0 and as a position."""
    pads = total(plane, window)
    if plane.real.fill:
        raise operation.error("averages a padding that is not 0")
    line = line_of(operation, plane.real, network, sums=True)
    if any(pads) and any(line.offsets):
        raise operation.error("averages with a padding of 0 what has a bias; no padding is expected")
    area = window.kernel[0] * window.kernel[1]
    parts = tuple(_sum(operation, part, window, pads, network) for part in line.parts)
    divisor, count = (area, 1) if divided else (1, area)
    slopes = [scale / divisor for scale in line.scales]
    offsets = [offset * count for offset in line.offsets]
    return plane.restored(network.line(parts, slopes, offsets, operation.name), pooled=True)


def _sum(operation: Operation, part: str, window: Window, pads: Pads, network: Network) -> str:
    key = ("average", part, window, pads)
    if key not in network.known:
        tensor = network.tensor(part)
        size = (tensor.shape[1], tensor.shape[2])
        area = window.kernel[0] * window.kernel[1]
        if window.kernel == size and not any(pads) and (not tensor.is_bits or area > MOST_SUMMED_BITS):
            network.known[key] = _sum_of_all(operation, part, network)
        elif tensor.is_bits and area > MOST_SUMMED_BITS:
            name = network.lowering.name_of(operation.name)
            ones = np.ones((tensor.shape[0], 1, *window.kernel), np.int8)
            stride, groups = window.stride, tensor.shape[0]
            node = Conv(name, part, f"{name}.sum", ones, "binary", stride, pads, groups=groups)
            network.known[key] = network.append(node)
        else:
            network.known[key] = _pool(operation, part, window.kernel, window.stride, pads, network)
    return str(network.known[key])


def _pool(operation: Operation, part: str, kernel: Pair, stride: Pair, pads: Pads, network: Network) -> str:
    name = network.lowering.name_of(operation.name)
    return network.append(SumPool(name, part, f"{name}.sum", kernel, stride, pads))


def _sum_of_all(operation: Operation, part: str, network: Network) -> str:
    """The sum over all positions, as int32; a layer behind it may sum up itself what is remembered as its source.

    Bits are summed over parts of the rows first, as far as 8 bits go, so that the layer has few positions to sum up.
    """
    tensor = network.tensor(part)
    height, width = tensor.shape[1:]
    if tensor.is_bits:
        rows = max(n for n in range(1, height + 1) if height % n == 0 and (n * width <= MOST_SUMMED_BITS or n == 1))
        if rows * width <= MOST_SUMMED_BITS:
            part = _pool(operation, part, (rows, width), (rows, width), NO_PADS, network)
        else:
            part = network.widened(part)
    size = (network.tensor(part).shape[1], network.tensor(part).shape[2])
    total = _pool(operation, part, size, size, NO_PADS, network)
    if network.tensor(part).kind != "int32":
        network.sums[total] = (part, size)
    return total


def whole(plane: Plane, network: Network) -> Window:
    """The window over all positions."""
    shape = network.tensor(plane.real.parts[0]).shape
    size = (shape[1], shape[2])
    return Window(size, size, (1, 1), NO_PADS)
