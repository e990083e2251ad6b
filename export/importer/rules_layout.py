# SPDX-License-Identifier: Apache-2.0
"""Operators that move elements about: they move the positions, and no arithmetic takes place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from trit.export.importer.constants import fold
from trit.export.importer.joining import merged_channels
from trit.export.importer.network import Network
from trit.export.importer.rules_pointwise import Input, operand
from trit.export.importer.source import Array, Operation
from trit.export.importer.values import PADDING, Real, exact


def rearrange(operation: Operation, inputs: list[Input], network: Network) -> tuple[Real, ...]:
    """Transpose, Reshape, Flatten, Squeeze, Slice, Gather, Split, …: what ONNX does to the positions."""
    real: Real = inputs[0]
    if any(isinstance(value, Real) for value in inputs[1:]):
        raise operation.error("moves elements by what depends on the image; constants are expected")
    others = inputs[1:]
    if operation.type == "Reshape":
        others = [_for_one_image(others[0], real, network)]
    given = replace(operation, inputs=("positions", *operation.inputs[1:]))
    return tuple(replace(real, positions=found) for found in fold(given, [real.positions, *others]))


def _for_one_image(shape: Array, real: Real, network: Network) -> Array:
    """The target shape, its batch replaced by 1 where the file is written for a larger one."""
    sizes = np.array(shape, np.int64).reshape(-1)
    rest = int(np.prod(sizes[1:])) if sizes.size else 0
    if network.batch > 1 and sizes.size and sizes[0] == network.batch and abs(rest) != real.positions.size // sizes[0]:
        sizes[0] = 1
    return sizes


def pad(operation: Operation, inputs: list[Input], network: Network) -> Real:
    """A border of one value around the elements."""
    real: Real = inputs[0]
    mode = operation.attributes.get("mode", "constant")
    if mode != "constant":
        raise operation.error(f"pads with {mode}; a constant is expected")
    pads, value, axes = (operand(inputs, index) for index in (1, 2, 3))
    fill = exact(np.zeros(()) if value is None else value)
    axes = np.arange(len(real.shape)) if axes is None else axes
    if not isinstance(pads, np.ndarray):
        raise operation.error("its pads are not constants")
    if not pads.any():
        return real
    if real.fill not in (None, fill):
        raise operation.error("pads with another value than the Pad before it")
    if pads.min() < 0:
        raise operation.error("has negative pads")
    widths = [(0, 0)] * len(real.shape)
    for index, axis in enumerate(np.asarray(axes).tolist()):
        widths[axis] = (int(pads[index]), int(pads[index + len(pads) // 2]))
    return replace(real, positions=np.pad(real.positions, widths, constant_values=PADDING), fill=fill)


def shape(operation: Operation, inputs: list[Input], network: Network) -> Array:
    sizes = np.array(inputs[0].shape, np.int64)
    return sizes[operation.attributes.get("start", 0) : operation.attributes.get("end")]


def size(operation: Operation, inputs: list[Input], network: Network) -> Array:
    return np.array(inputs[0].positions.size, np.int64)


def concat(operation: Operation, inputs: list[Input], network: Network) -> Real:
    """Along the channels, whichever axis they are."""
    if not all(isinstance(value, Real) for value in inputs):
        raise operation.error("joins values with constants; values of the network are expected")
    joined: Real = inputs[0]
    for other in inputs[1:]:
        joined = merged_channels(operation, joined, other, int(operation.attributes["axis"]), network)
    return joined
