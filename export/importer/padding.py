# SPDX-License-Identifier: Apache-2.0
"""Padding with 0 next to values that have an offset, which the padding has not."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import floor

import numpy as np

from trit.export.graph import INT32_MIN
from trit.export.importer.network import IMAGE, Network
from trit.export.importer.quantize import Line
from trit.export.importer.source import Array, Operation
from trit.export.operators import Rescale, Threshold

MOST_COPIES = 8  # of an input
FEW_COPIES = 4  # of an image, whose steps are small: a nearby grid will do


def on_grid(
    operation: Operation, line: Line, values: Array, groups: int, network: Network
) -> tuple[Line, Array, int, Fraction]:
    """Parts without offset, the weights of all their channels, how many copies of the input they hold, and a rest.

    The rest, in steps of the input, belongs to each weight's sum. Where it is not 0 the sum inside is exact, but where
    the window hangs over the border it is off by less than the rest; the import notes that.
    """
    ratio = _offset_in_steps(operation, line, groups, network)
    near = ratio.limit_denominator(FEW_COPIES) if line.parts == (IMAGE,) else ratio
    if near != ratio:
        network.notes.append(
            f"{operation.name} pads with 0, which lies {float(-ratio):.6g} steps off its input's integers: "
            f"{-near} is taken, so that sums at the border are not exact"
        )
    parts, weights = _with_ones(line, values, near, network)
    return parts, weights, near.denominator, ratio - near


def _offset_in_steps(operation: Operation, line: Line, groups: int, network: Network) -> Fraction:
    """The inputs' offset over their scale, less what the image's zero point can take."""
    ratios = {offset / scale for offset, scale in zip(line.offsets, line.scales, strict=True)}
    ratio = ratios.pop()
    if line.parts == (IMAGE,):
        ratio += network.move_zero_point(floor(-ratio))
    fits = line.parts == (IMAGE,) or ratio.denominator <= MOST_COPIES
    if ratios or abs(ratio) > MOST_COPIES or groups != 1 or not fits:
        raise operation.error(
            f"pads with 0, which is not on its input's grid ({float(ratio):.6g} steps of "
            f"{float(abs(line.scales[0])):.6g} off); an input that has 0 among its values, or no padding, is expected"
        )
    return ratio


def _with_ones(line: Line, values: Array, ratio: Fraction, network: Network) -> tuple[Line, Array]:
    """Offsets next to a padding of 0, which does not have them: a few more input channels that are +1 inside.

    x + p/q = (q·x + p)/q: the input q times and, |p| times, the value 1, whose weights are the input's with p's sign.
    Returns the parts and the weights of all their channels.
    """
    count, steps = ratio.denominator, ratio.numerator
    parts = line.parts * count
    ones = (_one(line.parts[0], network),) * abs(steps) if steps else ()
    sign = 1 if steps > 0 else -1
    blocks = [np.tile(values, (1, len(parts), 1, 1)), np.tile(sign * values, (1, len(ones), 1, 1))]
    return replace(line, parts=(*parts, *ones)), np.concatenate(blocks, axis=1)


def _one(part: str, network: Network) -> str:
    """A tensor of the part's kind whose every value is +1."""
    key = ("one", part)
    if key in network.known:
        return str(network.known[key])
    tensor = network.tensor(part)
    channels = tensor.shape[0]
    name = network.lowering.name_of(f"{part}.one")
    if tensor.is_bits:
        source = next(node for node in network.lowering.nodes if node.output == part).input
        bounds = np.full(channels, INT32_MIN, np.int32)
        node: Threshold | Rescale = Threshold(
            name, network.widened(source), name, bounds, bounds, np.zeros(channels, bool)
        )
    else:
        zeros = np.zeros(channels, np.int32)
        code = np.full(channels, tensor.zero_point + 1, np.int64)
        node = Rescale(name, part, name, zeros, code, zeros.astype(np.uint8), tensor.zero_point)
    network.known[key] = network.append(node, tensor.kind)
    return str(network.known[key])
