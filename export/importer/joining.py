# SPDX-License-Identifier: Apache-2.0
"""Two values as one: their sum, or their channels side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from trit.export.importer.network import IMAGE, Network
from trit.export.importer.quantize import line_of
from trit.export.importer.source import Operation
from trit.export.importer.values import Real

MOST_COPIES = 4  # of a value, for a sum with one of a larger scale


def summed(operation: Operation, left: Real, right: Real, network: Network) -> Real:
    """The sum of two values at the same positions: their integers' sum, where their scales are the same."""
    if left.fill is not None or right.fill is not None:
        raise operation.error("adds padded values; pad behind it")
    if left.shape != right.shape or not np.array_equal(left.positions, right.positions):
        raise operation.error(f"adds values of shapes {left.shape} and {right.shape} in different orders")
    lines = [line_of(operation, real, network, sums=True) for real in (left, right)]
    smaller, larger = sorted(lines, key=lambda line: abs(line.scales[0]))
    ratios = {b / a for a, b in zip(smaller.scales, larger.scales, strict=True) if a}
    if not all(smaller.scales) or len(ratios) != 1:
        raise operation.error("adds values of different scales; one scale, as of one quantizer, is expected")
    ratio = ratios.pop()
    if ratio.denominator != 1 or not 0 < ratio <= MOST_COPIES:
        raise operation.error(f"adds values whose scales differ by {float(ratio):.6g}; a small integer is expected")
    parts = (*smaller.parts, *(part for part in larger.parts for _ in range(int(ratio))))
    if len({network.tensor(part).shape for part in parts}) > 1:
        raise operation.error("adds values of different shapes")
    kinds = {network.tensor(part).kind for part in parts}
    points = {network.tensor(part).zero_point for part in parts}
    if len(kinds) > 1 or len(points) > 1 or IMAGE in parts:
        parts = (network.added(parts),)
    offsets = [a + b for a, b in zip(smaller.offsets, larger.offsets, strict=True)]
    found = network.line(parts, smaller.scales, offsets, operation.name)
    return replace(found, positions=left.positions)


def merged_channels(operation: Operation, left: Real, right: Real, axis: int, network: Network) -> Real:
    """Both values' elements side by side along `axis`, from one tensor with the channels of both."""
    if left.fill is not None or right.fill is not None:
        raise operation.error("joins padded values; pad behind it")
    if left.parts == right.parts:  # views of one tensor, as Split makes them
        return _views_joined(operation, left, right, axis)
    sources = [_joinable(operation, real, network) for real in (left, right)]
    if not _alike(sources, network):  # bits of two kinds: what they are made of
        sources = [replace(real, parts=(network.widened(network.added(real.parts)),)) for real in (left, right)]
    first, second = (network.tensor(real.parts[0]) for real in sources)
    if not _alike(sources, network):
        raise operation.error(
            f"joins {first.kind} {first.shape} and {second.kind} {second.shape}; one kind is expected"
        )
    parts = tuple(network.joined(pair) for pair in zip(sources[0].parts, sources[1].parts, strict=True))
    positions = np.concatenate([left.positions, right.positions + left.area * first.shape[0]], axis=axis)
    functions = tuple(function for real in sources for function in real.functions)  # each over what its channel holds
    return Real(parts, positions, functions, left.area, operation.name)


def _alike(values: list[Real], network: Network) -> bool:
    """Can their parts be joined, one by one?"""
    forms = [
        [(tensor.kind, tensor.zero_point, tensor.shape[1:]) for tensor in map(network.tensor, real.parts)]
        for real in values
    ]
    return forms[0] == forms[1]


def _views_joined(operation: Operation, left: Real, right: Real, axis: int) -> Real:
    """Each channel's function is that of the view that it is in."""
    functions = list(left.functions)
    taken = set((left.positions // left.area).reshape(-1).tolist())
    for channel in set((right.positions // right.area).reshape(-1).tolist()):
        if channel in taken and functions[channel] != right.functions[channel]:
            raise operation.error("joins parts of one channel that were treated differently")
        functions[channel] = right.functions[channel]
    positions = np.concatenate([left.positions, right.positions], axis=axis)
    return replace(left, positions=positions, functions=tuple(functions), floats=None, name=operation.name)


def _joinable(operation: Operation, real: Real, network: Network) -> Real:
    """Bits or codes of what is discrete, sums as they are."""
    network.check_unmoved(operation, real)
    if real.is_linear:
        return real
    line = line_of(operation, real, network)
    return replace(network.line(line.parts, line.scales, line.offsets, real.name), positions=real.positions)
