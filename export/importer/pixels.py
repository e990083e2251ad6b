# SPDX-License-Identifier: Apache-2.0
"""What the graph's uint8 image is to the source's input: its values, its axes, its shape."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from trit.export.graph import Shape
from trit.export.importer.functions import Function
from trit.export.importer.network import IMAGE, Network
from trit.export.importer.source import Operation, Source
from trit.export.importer.values import Positions, Real, table
from trit.runtime.errors import TritError

LAYOUTS = ("nchw", "nhwc")


@dataclass(frozen=True)
class Pixels:
    """Pixel q of channel c is ((low + q·(high - low)/255) - mean[c])/std[c] in the source. None: deduced."""

    low: Fraction | None = None
    high: Fraction | None = None
    mean: tuple[Fraction, ...] = (Fraction(0),)
    std: tuple[Fraction, ...] = (Fraction(1),)
    layout: str | None = None  # of a source with four axes
    shape: Shape | None = None  # (C, H, W) of the image

    def line(self, channel: int) -> tuple[Fraction, Fraction]:
        """(slope, offset) of the channel's value in q."""
        low, high = self.low or Fraction(0), Fraction(1) if self.high is None else self.high
        mean, std = self.mean[channel % len(self.mean)], self.std[channel % len(self.std)]
        return (high - low) / 255 / std, (low - mean) / std

    def text(self) -> str:
        """For the user, e.g. "0..1, (N, H, W, C)"."""
        parts = [f"{_number(self.low)}..{_number(self.high)}"]
        if self.mean != (Fraction(0),) or self.std != (Fraction(1),):
            mean, std = (", ".join(_number(v) for v in values) for values in (self.mean, self.std))
            parts.append(f"less mean {mean}, over std {std}")
        return " ".join(parts)


def _number(value: Fraction | None) -> str:
    return "?" if value is None else f"{float(value):.6g}"


def image_of(source: Source, pixels: Pixels) -> tuple[Pixels, Real, Network]:
    """The choices made, the source's input as a value, and a network that holds nothing but the image.

    Raises TritError where the source leaves its input's shape open, or the choices do not fit it.
    """
    sizes = source.input_shape
    if len(sizes) < 2 and pixels.shape is None:
        raise TritError(f"input {source.input} has {len(sizes)} axes; give the image's shape: --shape 1,28,28")
    axes = len(sizes) or 4
    layout = pixels.layout or _layout(sizes)
    shape = pixels.shape or _shape(source, layout)
    low, high = _range(source) if pixels.low is None or pixels.high is None else (pixels.low, pixels.high)
    chosen = replace(pixels, low=low, high=high, layout=layout, shape=shape)
    _check_channels(chosen, shape)
    network = Network(shape, sizes[0] if sizes else 0)
    lines = [chosen.line(channel) for channel in range(shape[0])]
    domain = network.domain((IMAGE,))
    functions = tuple(Function.line(domain, *line) for line in lines)
    positions: Positions = np.arange(np.prod(shape)).reshape(1, *shape)
    if layout == "nhwc":
        positions = positions.transpose(0, 2, 3, 1)
    if axes == 2:
        positions = positions.reshape(1, -1)
    if axes == 3:
        positions = positions.squeeze(lone_axis(positions.shape))
    expected = [size or found for size, found in zip(sizes[1:], positions.shape[1:], strict=False)]
    if len(sizes) > 1 and list(positions.shape[1:]) != expected:
        raise TritError(f"an image of shape {shape} ({layout}) does not fit input {source.input} of shape {sizes}")
    floats = tuple(table(function) for function in functions) if source.input_type == np.float32 else None
    return chosen, Real((IMAGE,), positions, functions, shape[1] * shape[2], source.input, floats=floats), network


def lone_axis(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axis that three-dimensional inputs leave out of (N, C, 1, L), (N, 1, H, W) or their NHWC forms."""
    ones = [axis for axis in (2, 1, 3) if shape[axis] == 1]
    return tuple(ones[:1])


def _check_channels(pixels: Pixels, shape: Shape) -> None:
    for name, values in (("mean", pixels.mean), ("std", pixels.std)):
        if len(values) not in (1, shape[0]):
            raise TritError(f"--{name} has {len(values)} values; the image has {shape[0]} channels")
    if not all(pixels.std) or pixels.low == pixels.high:
        raise TritError("--std of 0, or a --pixels without extent: pixels would have no meaning")


def _layout(sizes: tuple[int, ...]) -> str:
    """Channels are the axis of 1, 3 or 4; first, where both ends could be."""
    few = (1, 3, 4)
    return "nhwc" if len(sizes) == 4 and sizes[3] in few and sizes[1] not in few else "nchw"


def _shape(source: Source, layout: str) -> Shape:
    sizes = source.input_shape[1:]
    if not all(sizes) or len(sizes) not in (1, 2, 3):
        open_axes = ", ".join(str(size or "?") for size in source.input_shape)
        raise TritError(f"input {source.input} has shape ({open_axes}); give the image's shape: --shape 3,32,32")
    if len(sizes) == 1:
        return sizes[0], 1, 1
    if len(sizes) == 2:
        return (sizes[0], 1, sizes[1]) if layout == "nchw" else (sizes[1], 1, sizes[0])
    return (sizes[0], sizes[1], sizes[2]) if layout == "nchw" else (sizes[2], sizes[0], sizes[1])


def _range(source: Source) -> tuple[Fraction, Fraction]:
    """0..255 of integers, or where the source scales so much itself; -1..1 where it asks for the sign; else 0..1."""
    if source.input_type.kind in "iu":
        if source.input_type == np.int8:
            return Fraction(-128), Fraction(127)
        return Fraction(0), Fraction(255)
    name = source.input
    for operation in source.operations:
        if name not in operation.inputs:
            continue
        if operation.type in ("Cast", "Identity", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze"):
            name = operation.outputs[0]
            continue
        if _shrinks(operation, source):
            return Fraction(0), Fraction(255)
        if operation.type in ("Sign", "BipolarQuant"):
            return Fraction(-1), Fraction(1)
        break
    return Fraction(0), Fraction(1)


def _shrinks(operation: Operation, source: Source) -> bool:
    """Does it divide, or multiply with the inverse, by 128 or more?"""
    factors = [source.constants[name] for name in operation.inputs if name in source.constants]
    if not factors or not factors[0].size:
        return False
    factor = float(np.abs(factors[0]).max())
    if operation.type in ("Sub", "Add"):
        return factor >= 64
    return factor >= 64 if operation.type == "Div" else operation.type == "Mul" and 0 < factor <= 1 / 64


def parse_range(text: str) -> tuple[Fraction, Fraction]:
    """The two numbers of "0..1". Raises TritError for anything else."""
    low, separator, high = text.partition("..")
    try:
        if not separator:
            raise ValueError
        return Fraction(low), Fraction(high)
    except (ValueError, ZeroDivisionError):
        raise TritError(f"--pixels {text}: give what pixels 0 and 255 stand for, e.g. 0..1, -1..1 or 0..255") from None


def parse_numbers(text: str, option: str) -> tuple[Fraction, ...]:
    """Comma-separated numbers. Raises TritError for anything else."""
    try:
        return tuple(Fraction(part.strip()) for part in text.split(","))
    except (ValueError, ZeroDivisionError):
        raise TritError(f"{option} {text}: give one number, or one a channel: 0.485,0.456,0.406") from None


def parse_shape(text: str) -> Shape:
    """Three positive integers. Raises TritError for anything else."""
    try:
        channels, height, width = (int(part) for part in text.split(","))
    except ValueError:
        raise TritError(f"--shape {text}: give channels, height and width of an image: 1,28,28") from None
    if min(channels, height, width) < 1:
        raise TritError(f"--shape {text}: give positive sizes")
    return channels, height, width
