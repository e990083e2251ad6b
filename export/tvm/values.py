# SPDX-License-Identifier: Apache-2.0
"""What trit's tensor expressions share: packed 32-bit words, their channels' values, windows and padding.

Bits are (P, H, W, words) uint32, the planes of docs/design.md; uint8 and int32 tensors are (H, W, C); scores are
float32 (C, H, W).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from tvm import te, tirx

from trit.export.graph import Pads, Tensor
from trit.export.tvm.machine import Machine
from trit.runtime.bits import WORD_BITS, words

Array = npt.NDArray[Any]
Expr = Any  # tirx.PrimExpr
Operand = Any  # te.Tensor
At = Callable[..., Expr]  # of y, x and channel, or word
ALL_ONES = 0xFFFFFFFF

either = te.comm_reducer(lambda a, b: a | b, lambda _: uint32(0), name="either")
every = te.comm_reducer(lambda a, b: a & b, lambda _: uint32(ALL_ONES), name="every")


@dataclass(frozen=True)
class Kernel:
    """A step's tensor expression: compute(*inputs, *constants) is its output."""

    compute: Callable[..., Operand]
    constants: list[Array] = field(default_factory=list)


def uint32(value: Expr) -> Expr:
    return tirx.const(value, "uint32") if isinstance(value, int) else value.astype("uint32")


def int32(value: Expr) -> Expr:
    return value.astype("int32")


def one_bit(index: Expr) -> Expr:
    """The word whose bit `index` alone is set."""
    return uint32(1) << uint32(index)


def within(y: Expr, x: Expr, height: int, width: int) -> Expr:
    return tirx.all(y >= 0, y < height, x >= 0, x < width)


def nonzero_word(x: Operand, source: Tensor, y: Expr, x_: Expr, word: Expr) -> Expr:
    """Word of the plane nonzero; of binary values, which have none, the bits that hold channels."""
    if source.kind == "ternary":
        return x[0, y, x_, word]
    channels = source.shape[0]
    last = uint32((1 << (channels % WORD_BITS)) - 1) if channels % WORD_BITS else uint32(ALL_ONES)
    return tirx.Select(word == words(channels) - 1, last, uint32(ALL_ONES))


def sign_word(x: Operand, y: Expr, x_: Expr, word: Expr) -> Expr:
    return x[x.shape[0] - 1, y, x_, word]


def value(x: Operand, source: Tensor, y: Expr, x_: Expr, c: Expr) -> Expr:
    """The int32 value of one channel."""
    if source.kind == "uint8":
        return int32(x[y, x_, c]) - source.zero_point
    if source.kind == "int32":
        return x[y, x_, c]

    def bit(plane: int) -> Expr:
        return int32((x[plane, y, x_, c // WORD_BITS] >> uint32(c % WORD_BITS)) & uint32(1))

    return bit(0) - 2 * bit(1) if source.kind == "ternary" else 1 - 2 * bit(0)


def pad(x: Operand, padding: Pads) -> Operand:
    """Planes (P, H, W, words) with zero words around them."""
    if not any(padding):
        return x
    planes, height, width, count = x.shape
    top, left, bottom, right = padding

    def word(plane: Expr, y: Expr, x_: Expr, k: Expr) -> Expr:
        inside = within(y - top, x_ - left, height, width)
        return tirx.if_then_else(inside, x[plane, y - top, x_ - left, k], uint32(0))

    return te.compute((planes, height + top + bottom, width + left + right, count), word, name="padded")


def pack(minus: At, plus: At, target: Tensor, machine: Machine | None = None) -> Operand:
    """Planes of the bits of levels: where is minus(y, x, c) true, and plus(y, x, c)? Never both.

    Where a machine is given, channels up to whole words exist, and c may be 32 of them at once.
    """
    channels, height, width = target.shape
    planes = 2 if target.kind == "ternary" else 1
    shape = (planes, height, width, words(channels))
    if machine is not None and machine.has_masks:

        def word_at_once(plane: Expr, y: Expr, x: Expr, word: Expr) -> Expr:
            at = (y, x, tirx.Ramp(word * WORD_BITS, 1, WORD_BITS))
            sign = machine.word_of(minus(*at))
            return sign if planes == 1 else tirx.Select(plane == 1, sign, sign | machine.word_of(plus(*at)))

        return te.compute(shape, word_at_once, name="bits")
    bit = te.reduce_axis((0, WORD_BITS), "bit")

    def word_of(plane: Expr, y: Expr, x: Expr, word: Expr) -> Expr:
        at = (y, x, word * WORD_BITS + bit)
        is_set = minus(*at)
        if planes == 2:
            is_set = tirx.any(is_set, tirx.all(plane == 0, plus(*at)))
        return either(tirx.Select(is_set, one_bit(bit.var), uint32(0)), axis=[bit])

    return te.compute(shape, word_of, name="bits")


def pack_levels(level: At, target: Tensor) -> Operand:
    """Planes of the levels -1, 0, +1 that level(y, x, c) gives for a channel."""
    channels = target.shape[0]

    def used(y: Expr, x: Expr, c: Expr) -> Expr:
        if channels % WORD_BITS == 0:
            return level(y, x, c)
        return tirx.if_then_else(c < channels, level(y, x, c), tirx.const(0, "int32"))

    return pack(lambda *at: used(*at) < 0, lambda *at: used(*at) > 0, target)


def padded_rows(rows: Array, channels: int, fill: int) -> Array:
    """Parameters (..., C) of channels, with `fill` for those up to `channels`."""
    missing = channels - rows.shape[-1]
    return np.pad(rows, [(0, 0)] * (rows.ndim - 1) + [(0, missing)], constant_values=fill)
