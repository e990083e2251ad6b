# SPDX-License-Identifier: Apache-2.0
"""Convolutions and dense layers: the weights' grid, and the bits or codes that they read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from trit.export.graph import Pads, Pair
from trit.export.importer.functions import Domain
from trit.export.importer.mixed import is_mixed, mixed
from trit.export.importer.network import Network
from trit.export.importer.padding import on_grid
from trit.export.importer.quantize import EXPECTED, Line, line_of
from trit.export.importer.source import Array, Operation
from trit.export.importer.values import PADDING, Real
from trit.export.operators import Conv
from trit.export.weights import GridWeights, grid_weights, kind_of, rounded_weights

_WEIGHTS = (
    "weights on a grid are expected: ±s, {-s, 0, s}, or at most 8 bits an output channel; "
    "--round-weights rounds others to 8 bits, which is not exact"
)


@dataclass(frozen=True)
class Geometry:
    stride: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1


def _grid(operation: Operation, weights: Array, network: Network) -> GridWeights:
    """Integers and scales of weights (O, I, KH, KW). Raises GraphError for real ones, unless they are rounded."""
    found = grid_weights(weights)
    if found is not None:
        return found
    if network.round_weights and np.isfinite(weights).all():
        network.why_not_packed[operation.name] = "real weights, rounded to 8 bits"
        return rounded_weights(weights)
    levels = len(np.unique(np.abs(np.asarray(weights[0], np.float64))))
    raise operation.error(f"has real weights ({levels} magnitudes in output channel 0); {_WEIGHTS}")


def convolve(
    operation: Operation,
    operator: str,
    real: Real,
    weights: Array,
    bias: Array | None,
    geometry: Geometry,
    network: Network,
    bits: int,
) -> Real:
    """Weights (O, I / groups, KH, KW), of `bits` in the source, over `real`'s tensor, as values (1, O, H, W)."""
    grid = _grid(operation, weights, network)
    line = line_of(operation, real, network)
    constant = _bias(operation, bias, len(weights))
    line, values = _from_sums(operation, line, grid.values, network)
    if real.fill:
        # A padding of v is one of 0 around what is v less, and v everywhere.
        sums = _sums(grid.scales, values)
        constant = [c + real.fill * total for c, total in zip(constant, sums, strict=True)]
        line = replace(line, offsets=[offset - real.fill for offset in line.offsets])
    if geometry.groups == 1 and is_mixed(line, any(geometry.pads)) and not real.fill:
        found = mixed(operation, line, values, any(geometry.pads), network)
        constant = [bias + s * c for bias, s, c in zip(constant, grid.scales, found.constant, strict=True)]
        tensor = _accumulated(operation, operator, found.line, found.values, geometry, network, bits)
        return network.line((tensor,), [found.unit * s for s in grid.scales], constant, operation.name)
    scales = _scales(operation, line, geometry.groups)
    values = _signed(values, line, geometry.groups)
    if any(line.offsets) and not any(geometry.pads):
        constant = _with_offsets(line, values, grid.scales, constant, geometry.groups)
    elif any(line.offsets):
        totals = _sums(grid.scales, values)
        line, values, copies, rest = on_grid(operation, line, values, geometry.groups, network)
        constant = [bias + rest * scales[0] * total for total, bias in zip(totals, constant, strict=True)]
        scales = [scale / copies for scale in scales]
    tensor = _accumulated(operation, operator, line, values, geometry, network, bits)
    per_output = len(weights) // len(scales)
    slopes = [scales[index // per_output] * s for index, s in enumerate(grid.scales)]
    return network.line((tensor,), slopes, constant, operation.name)


def dense(
    operation: Operation, operator: str, real: Real, weights: Array, bias: Array | None, network: Network, bits: int
) -> Real:
    """Weights (O, K) times the K elements of `real`, in the source's order, as values (1, O)."""
    order = real.positions.reshape(-1)
    if weights.shape[1] != order.size:
        raise operation.error(f"reads {weights.shape[1]} values, but {order.size} come in")
    if real.fill:
        fixed = weights[:, order == PADDING].sum(axis=1, dtype=np.float64) * float(real.fill)
        bias = fixed if bias is None else fixed + np.asarray(bias, np.float64).reshape(-1)
    if network.flatten_image(real, not real.is_linear):
        each = [channel for channel in range(len(real.functions)) for _ in range(real.area)]
        functions = tuple(real.functions[channel] for channel in each)
        floats = real.floats and tuple(real.floats[channel] for channel in each)
        real = replace(real, functions=functions, floats=floats, area=1)
    shape = network.tensor(real.parts[0]).shape
    rows = np.zeros((int(np.prod(shape)), len(weights)), weights.dtype)
    np.add.at(rows, order[order != PADDING], weights.T[order != PADDING])
    whole = rows.T.reshape(-1, *shape)
    found = convolve(operation, operator, replace(real, fill=None), whole, bias, Geometry(), network, bits)
    return replace(found, positions=found.positions.reshape(1, -1))


def _bias(operation: Operation, bias: Array | None, count: int) -> list[Fraction]:
    if bias is None:
        return [Fraction(0)] * count
    numbers = np.broadcast_to(np.asarray(bias, np.float64).reshape(-1), count)
    if not np.isfinite(numbers).all():
        raise operation.error("its bias is not finite")
    return [Fraction(number) for number in numbers.tolist()]


def _scales(operation: Operation, line: Line, groups: int) -> list[Fraction]:
    """The one scale, signs aside, that the input channels of each group have."""
    size = len(line.scales) // groups
    found = [{abs(scale) for scale in line.scales[group * size : (group + 1) * size]} for group in range(groups)]
    if any(len(sizes) > 1 for sizes in found) or not all(line.scales):
        raise operation.error("its input channels have different scales; one for all that it sums up is expected")
    return [sizes.pop() for sizes in found]


def _signed(values: Array, line: Line, groups: int) -> Array:
    """Weights of the channels that count negatively, negated."""
    signs = np.array([-1 if scale < 0 else 1 for scale in line.scales], np.int8)
    outputs, inputs = values.shape[:2]
    of_group = signs.reshape(groups, 1, inputs, 1, 1)
    return (values.reshape(groups, outputs // groups, *values.shape[1:]) * of_group).reshape(values.shape)


def _sums(scales: list[Fraction], values: Array) -> list[Fraction]:
    """The sum of each output channel's weights."""
    totals = values.sum(axis=(1, 2, 3), dtype=np.int64).tolist()
    return [scale * total for scale, total in zip(scales, totals, strict=True)]


def _from_sums(operation: Operation, line: Line, values: Array, network: Network) -> tuple[Line, Array]:
    """A layer behind a sum over all positions reads what was summed: the same weights at each position."""
    if not any(network.tensor(part).kind == "int32" for part in line.parts):
        return line, values
    sources, kernels = zip(*(network.sums[part] for part in line.parts), strict=True)
    if values.shape[2:] != (1, 1) or len(set(kernels)) > 1:
        raise operation.error(f"reads sums over positions; {EXPECTED}")
    return replace(line, parts=sources), np.tile(values, (1, 1, *kernels[0]))


def _with_offsets(
    line: Line, values: Array, scales: list[Fraction], constant: list[Fraction], groups: int
) -> list[Fraction]:
    """The bias with what the inputs' offsets add to every sum; `values` have the signs of the scales in them."""
    offsets = [offset if scale > 0 else -offset for offset, scale in zip(line.offsets, line.scales, strict=True)]
    totals = values.sum(axis=(2, 3), dtype=np.int64)
    outputs, inputs = totals.shape
    found = []
    for output, (bias, scale) in enumerate(zip(constant, scales, strict=True)):
        first = output // (outputs // groups) * inputs
        row = zip(totals[output].tolist(), offsets[first : first + inputs], strict=True)
        found.append(bias + scale * sum((weight * offset for weight, offset in row), Fraction(0)))
    return found


def _accumulated(
    operation: Operation, operator: str, line: Line, values: Array, geometry: Geometry, network: Network, bits: int
) -> str:
    """The convolution of all parts: of their channels side by side, or one a part where there are groups."""
    apart = geometry.groups > 1 and len(line.parts) > 1
    if not apart:
        source = network.joined(line.parts)
        copies = network.tensor(source).shape[0] // (values.shape[1] * geometry.groups)
        return _conv(operation, operator, source, np.tile(values, (1, copies, 1, 1)), geometry, network, bits)
    sums = [_conv(operation, operator, part, values, geometry, network, bits) for part in line.parts]
    return network.added(tuple(sums))


def _conv(
    operation: Operation, operator: str, source: str, values: Array, geometry: Geometry, network: Network, bits: int
) -> str:
    name = network.lowering.name_of(operation.name)
    node = Conv(
        name, source, f"{name}.acc", np.ascontiguousarray(values, np.int8), kind_of(values),
        geometry.stride, geometry.pads, geometry.dilation, geometry.groups,
    )  # fmt: skip
    network.record(operation, operator, node, bits)
    taps = int(np.prod(values.shape[1:]))
    odd_or_even = network.tensor(source).kind == node.weight_kind == "binary" and not any(geometry.pads)
    return network.append(node, domain=Domain(-taps, taps, 2) if odd_or_even else None)
