# SPDX-License-Identifier: Apache-2.0
"""Pixels whose channels have different scales and offsets, as after a mean and deviation a channel, in one integer sum.

y = Σ w·(s[c]·q[c] + o[c]) has no common grid. The nearest one that a few copies of the image and int8 weights reach is
taken: s[c] ≈ u·m[c] with integers m[c], shared among the copies, and the offsets as weights of channels that are 255
inside and 0 in the padding. Sums inside are corrected for what rounding the offsets does; the scales are off by a few
hundredths of a percent, so that the result is not exact, which the import notes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from trit.export.importer.network import IMAGE, Network
from trit.export.importer.quantize import Line
from trit.export.importer.source import Array, Operation
from trit.export.operators import Rescale
from trit.export.weights import MOST

COPIES = 4
CODE = 255  # of the channels that carry the offsets


@dataclass(frozen=True)
class Mixed:
    """Parts, int8 weights of all their channels, the unit of the sums, and what is added to each output's sum."""

    line: Line
    values: Array
    unit: Fraction
    constant: list[Fraction]


def is_mixed(line: Line, padded: bool) -> bool:
    """Have the image's channels no scale in common or, where 0 is padded, no offset in common?"""
    if line.parts != (IMAGE,) or not all(line.scales):
        return False
    offsets = {offset / scale for offset, scale in zip(line.offsets, line.scales, strict=True)}
    return len({abs(scale) for scale in line.scales}) > 1 or (padded and len(offsets) > 1)


def mixed(operation: Operation, line: Line, values: Array, padded: bool, network: Network) -> Mixed:
    """The sums of ±1 and 0 weights (O, C, KH, KW) over such an image; raises GraphError for other weights."""
    if np.abs(values).max() > 1:
        raise operation.error(
            "its input channels have different scales; with those, binary or ternary weights are expected"
        )
    unit, steps = _grid(line.scales)
    parts: tuple[str, ...] = (IMAGE,) * COPIES
    blocks = [values * share[:, None, None] for share in _shares(steps, COPIES)]
    offsets = np.array([float(offset) for offset in line.offsets])
    at_tap = np.einsum("ocyx,c->oyx", values.astype(np.float64), offsets)  # what a tap adds where it is inside
    constant = [Fraction(total) for total in at_tap.sum(axis=(1, 2)).tolist()]
    if padded:
        full = unit * (CODE - network.tensor(IMAGE).zero_point)
        weights = np.rint(at_tap / float(full)).astype(np.int64)
        channels = values.shape[1]
        copies = -(-int(np.abs(weights).max()) // (MOST * channels))
        if copies > COPIES:
            raise operation.error("its padding of 0 is too far from the pixels' values; no padding is expected")
        shares = _shares(weights.reshape(-1), copies * channels).reshape(copies, channels, *weights.shape)
        blocks += [np.moveaxis(share, 0, 1) for share in shares]
        parts += (_full(network),) * copies
        inside = [int(total) for total in weights.sum(axis=(1, 2))]
        constant = [c - full * total for c, total in zip(constant, inside, strict=True)]
    worst = max(abs(unit * int(step) / scale - 1) for step, scale in zip(steps, line.scales, strict=True))
    network.why_not_packed[operation.name] = "input channels of different scales: weights hold them"
    network.notes.append(f"{operation.name} reads pixels of different scales, met to {float(worst):.3%}, not exactly")
    joined = np.concatenate(blocks, axis=1)
    return Mixed(replace(line, parts=parts, scales=[unit], offsets=[Fraction(0)]), joined, unit, constant)


def _grid(scales: list[Fraction]) -> tuple[Fraction, Array]:
    """The unit of which the scales are nearest to integers, the greatest at most COPIES · MOST, and those."""
    sizes = np.array([float(scale) for scale in scales])
    tops = np.arange(COPIES * MOST // 2, COPIES * MOST + 1)
    exact = sizes / np.abs(sizes).max() * tops[:, None]
    best = int(np.argmin(np.abs(np.rint(exact) / exact - 1).max(axis=1)))
    top = max(scales, key=abs)
    return abs(top) / int(tops[best]), np.rint(exact[best]).astype(np.int64)


def _shares(numbers: Array, count: int) -> Array:
    """(count, …) integers that add up to the numbers, as equal as can be."""
    sizes, signs = np.abs(numbers), np.sign(numbers)
    order = np.arange(count).reshape(-1, *[1] * numbers.ndim)
    return np.asarray(signs * (sizes // count + (order < sizes % count)))


def _full(network: Network) -> str:
    """A tensor like the image whose every code is CODE."""
    if "full" not in network.known:
        tensor = network.tensor(IMAGE)
        name = network.lowering.name_of("offset")
        zeros = np.zeros(tensor.shape[0], np.int32)
        code = np.full(tensor.shape[0], CODE, np.int64)
        node = Rescale(name, IMAGE, name, zeros, code, zeros.astype(np.uint8), tensor.zero_point)
        network.known["full"] = network.append(node)
    return str(network.known["full"])
