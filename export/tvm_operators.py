# SPDX-License-Identifier: Apache-2.0
"""trit's operators as TVM tensor expressions on packed 32-bit words.

Bits are (P, H, W, words) uint32, the planes of docs/design.md; uint8 and int32 tensors are (H, W, C); scores are
float32 (H, W, C).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from tvm import te, tirx

from trit.export.graph import Tensor
from trit.export.operators import SUM_ZERO_POINT, Conv, MaxPool, Rescale, Scores, SumPool, Threshold
from trit.export.operators.rescale import MAX_CODE
from trit.runtime.bits import WORD_BITS, Words, pack_bits, words

Expr = Any  # tirx.PrimExpr
Operand = Any  # te.Tensor
ALL_ONES = 0xFFFFFFFF
BYTE_BITS = 8


def uint32(value: Expr) -> Expr:
    return tirx.const(value, "uint32") if isinstance(value, int) else value.astype("uint32")


def int32(value: Expr) -> Expr:
    return value.astype("int32")


def conv_weights(node: Conv, channels: int) -> npt.NDArray[Any]:
    """Planes nonzero and sign, (O, KH, KW, 2, words(channels)): a group's weights at its channels, 0 elsewhere.

    int8 weights as they are: (O, I / groups, KH, KW).
    """
    if node.weight_kind == "int8":
        return node.weights
    outputs, inputs, height, width = node.weights.shape
    full = np.zeros((outputs, height, width, channels), np.int8)
    rows = node.weights.transpose(0, 2, 3, 1)
    for group in range(node.groups):
        out = slice(group * outputs // node.groups, (group + 1) * outputs // node.groups)
        full[out, :, :, group * inputs : (group + 1) * inputs] = rows[out]
    return np.stack([pack_bits(full != 0), pack_bits(full < 0)], axis=3)


def interleave(x: Operand) -> Operand:
    """(C, H, W) to (H, W, C)."""
    channels, height, width = x.shape
    return te.compute((height, width, channels), lambda y, x_, c: x[c, y, x_], name="interleave")


def conv(node: Conv, source: Tensor, target: Tensor) -> Callable[[Operand, Operand], Operand]:
    """acc = Σ popcount(m) - 2·popcount(m & (s ^ a)) for bits, m = nonzero planes and the padding's mask.

    For uint8 Σ 2^b·(popcount(n & q_b) - 2·popcount(s & q_b)) over the bits q_b of the codes, less zero point times
    the sum of the weights that are not over padding. For int8 weights Σ w·value.
    """
    outputs, height, width = target.shape
    kernel = node.weights.shape[2:]

    def taps() -> list[Any]:
        ends = (*kernel, words(source.shape[0]))
        return [te.reduce_axis((0, int(end)), name) for end, name in zip(ends, ("ky", "kx", "word"), strict=True)]

    def over_bits(x: Operand, weights: Operand) -> Operand:
        ky, kx, word = taps()

        def product(y: Expr, x_: Expr, o: Expr) -> Expr:
            at = (y * node.stride[0] + ky * node.dilation[0], x_ * node.stride[1] + kx * node.dilation[1])
            nonzero, sign = _padded_planes(x, source, node.padding, *at, word)
            mask = nonzero & weights[o, ky, kx, 0, word]
            differ = mask & (sign ^ weights[o, ky, kx, 1, word])
            return te.sum(int32(tirx.popcount(mask)) - 2 * int32(tirx.popcount(differ)), axis=[ky, kx, word])

        return te.compute((height, width, outputs), product, name="acc")

    def over_codes(x: Operand, weights: Operand) -> Operand:
        planes = _code_planes(x, source, node.padding)
        ky, kx, word = taps()

        def product(y: Expr, x_: Expr, o: Expr) -> Expr:
            at = (y * node.stride[0] + ky * node.dilation[0], x_ * node.stride[1] + kx * node.dilation[1])
            nonzero, sign = (weights[o, ky, kx, plane, word] for plane in (0, 1))

            def signed_count(plane: int) -> Expr:
                bits = planes[(plane, *at, word)]
                return int32(tirx.popcount(bits & nonzero)) - 2 * int32(tirx.popcount(bits & sign))

            total = -source.zero_point * signed_count(BYTE_BITS)
            for bit in range(BYTE_BITS):
                total = total + (1 << bit) * signed_count(bit)
            return te.sum(total, axis=[ky, kx, word])

        return te.compute((height, width, outputs), product, name="acc")

    def over_values(x: Operand, weights: Operand) -> Operand:
        inputs = node.weights.shape[1]
        ends = zip((*kernel, inputs), ("ky", "kx", "i"), strict=True)
        ky, kx, i = (te.reduce_axis((0, int(end)), name) for end, name in ends)

        def product(y: Expr, x_: Expr, o: Expr) -> Expr:
            row = y * node.stride[0] + ky * node.dilation[0] - node.padding[0]
            column = x_ * node.stride[1] + kx * node.dilation[1] - node.padding[1]
            inside, position = _within(row, column, *source.shape[1:])
            channel = o // (outputs // node.groups) * inputs + i
            value = tirx.if_then_else(inside, _value(x, source, *position, channel), tirx.const(0, "int32"))
            return te.sum(value * int32(weights[o, i, ky, kx]), axis=[ky, kx, i])

        return te.compute((height, width, outputs), product, name="acc")

    if node.weight_kind == "int8":
        return over_values
    return over_codes if source.kind == "uint8" else over_bits


def threshold(node: Threshold, source: Tensor, target: Tensor) -> Callable[[Operand, Operand], Operand]:
    """Bits of d·([v >= hi] - [v < lo]); the parameters are rows lo, hi, d of an int32 (3, C)."""

    def compute(x: Operand, parameters: Operand) -> Operand:
        def level(y: Expr, x_: Expr, c: Expr) -> Expr:
            value = _value(x, source, y, x_, c)
            return parameters[2, c] * (int32(value >= parameters[1, c]) - int32(value < parameters[0, c]))

        return _pack(level, target)

    return compute


def rescale(node: Rescale, source: Tensor) -> Callable[[Operand, Operand], Operand]:
    """Codes of (v·multiplier + offset) >> shift; `parameters` are their rows, int64 (3, C)."""

    def compute(x: Operand, parameters: Operand) -> Operand:
        channels, height, width = source.shape

        def code(y: Expr, x_: Expr, c: Expr) -> Expr:
            product = _value(x, source, y, x_, c).astype("int64") * parameters[0, c]
            shifted = (product + parameters[1, c]) >> parameters[2, c]
            least, most = tirx.const(0, "int64"), tirx.const(MAX_CODE, "int64")
            return tirx.min(tirx.max(shifted, least), most).astype("uint8")

        return te.compute((height, width, channels), code, name="codes")

    return compute


def max_pool(node: MaxPool, source: Tensor, target: Tensor) -> Callable[..., Operand]:
    """Maximum, or minimum where `minimum` has a bit, words at a time for bits."""
    if source.kind in ("binary", "ternary"):
        return lambda x, minimum: _max_pool_bits(x, minimum, node, source, target)

    def compute(x: Operand, minimum: Operand) -> Operand:
        channels, height, width = target.shape

        def pooled(reduce: Callable[..., Expr], worst: Expr, name: str) -> Operand:
            ky, kx = _window_axes(node)

            def at(y: Expr, x_: Expr, c: Expr) -> Expr:
                inside, position = _inside(node, source, y, x_, ky, kx)
                return reduce(tirx.if_then_else(inside, x[(*position, c)], worst), axis=[ky, kx])

            return te.compute((height, width, channels), at, name=name)

        high = pooled(te.max, te.min_value(x.dtype), "maximum")
        low = pooled(te.min, te.max_value(x.dtype), "minimum")

        def chosen(y: Expr, x_: Expr, c: Expr) -> Expr:
            flag = (minimum[c // WORD_BITS] >> uint32(c % WORD_BITS)) & uint32(1)
            return tirx.Select(flag != uint32(0), low[y, x_, c], high[y, x_, c])

        return te.compute((height, width, channels), chosen, name="pooled")

    return compute


def sum_pool(node: SumPool, source: Tensor, target: Tensor) -> Callable[[Operand], Operand]:
    """Sum of the values over the window; padding counts 0."""

    def compute(x: Operand) -> Operand:
        channels, height, width = target.shape
        ky, kx = _window_axes(node)

        def total(y: Expr, x_: Expr, c: Expr) -> Expr:
            inside, position = _inside(node, source, y, x_, ky, kx)
            value = tirx.if_then_else(inside, _value(x, source, *position, c), tirx.const(0, "int32"))
            return te.sum(value, axis=[ky, kx])

        sums = te.compute((height, width, channels), total, name="sum")
        if target.kind == "int32":
            return sums
        return te.compute(sums.shape, lambda *at: (sums[at] + SUM_ZERO_POINT).astype("uint8"), name="codes")

    return compute


def add(source: Tensor, other: Tensor, target: Tensor) -> Callable[[Operand, Operand], Operand]:
    """Sum of the two tensors' values."""
    channels, height, width = target.shape
    return lambda a, b: te.compute(
        (height, width, channels),
        lambda y, x, c: _value(a, source, y, x, c) + _value(b, other, y, x, c),
        name="sum",
    )


def concat(source: Tensor, other: Tensor, target: Tensor) -> Callable[[Operand, Operand], Operand]:
    """The channels of the one, then those of the other."""
    channels, height, width = target.shape
    first = source.shape[0]

    def compute(a: Operand, b: Operand) -> Operand:
        if not target.is_bits:
            return te.compute(
                (height, width, channels),
                lambda y, x, c: tirx.if_then_else(c < first, a[y, x, c], b[y, x, c - first]),
                name="joined",
            )

        def level(y: Expr, x: Expr, c: Expr) -> Expr:
            return tirx.if_then_else(c < first, _value(a, source, y, x, c), _value(b, other, y, x, c - first))

        return _pack(level, target)

    return compute


def scores_product(node: Scores, source: Tensor) -> Callable[[Operand, Operand], Operand]:
    """float32(acc)·scale; a function apart from the sum, so that no compiler fuses the two into one rounding."""
    return lambda x, scale: te.compute(
        x.shape, lambda y, x_, c: x[y, x_, c].astype("float32") * scale[c], name="product"
    )


def scores_sum(product: Operand, bias: Operand) -> Operand:
    """product + bias, as (C, H, W)."""
    height, width, channels = product.shape
    return te.compute((channels, height, width), lambda c, y, x: product[y, x, c] + bias[c], name="scores")


def threshold_parameters(node: Threshold) -> npt.NDArray[np.int32]:
    direction = np.where(node.negative, np.int32(-1), np.int32(1))
    return np.stack([node.lo, node.hi, direction]).astype(np.int32)


def rescale_parameters(node: Rescale) -> npt.NDArray[np.int64]:
    return np.stack([node.multiplier, node.offset, node.shift], dtype=np.int64)


def minimum_bits(node: MaxPool, channels: int) -> Words:
    return pack_bits(np.zeros(channels, np.bool_) if node.minimum is None else node.minimum)


def _channel_mask(channels: int, word: Expr) -> Expr:
    """The bits of a word that hold channels."""
    last = uint32((1 << (channels % WORD_BITS)) - 1) if channels % WORD_BITS else uint32(ALL_ONES)
    return tirx.Select(word == words(channels) - 1, last, uint32(ALL_ONES))


def _padded_planes(
    x: Operand, source: Tensor, padding: tuple[int, ...], y: Expr, x_: Expr, word: Expr
) -> tuple[Expr, Expr]:
    """Words nonzero and sign at a position counted from the padding's corner, 0 over the padding."""
    channels, height, width = source.shape
    inside, (row, column) = _within(y - padding[0], x_ - padding[1], height, width)
    nonzero = x[0, row, column, word] if source.kind == "ternary" else _channel_mask(channels, word)
    return tirx.if_then_else(inside, nonzero, uint32(0)), tirx.if_then_else(
        inside, x[-1 + x.shape[0], row, column, word], uint32(0)
    )


def _code_planes(x: Operand, source: Tensor, padding: tuple[int, ...]) -> Operand:
    """Planes 0..7 of the codes' bits and plane 8 of ones, padded with 0, (9, H', W', words)."""
    channels, height, width = source.shape
    top, left, bottom, right = padding
    bit = te.reduce_axis((0, WORD_BITS), "bit")

    def plane_word(plane: Expr, y: Expr, x_: Expr, word: Expr) -> Expr:
        channel = word * WORD_BITS + bit
        inside, (row, column) = _within(y - top, x_ - left, height, width)
        code = x[row, column, channel].astype("uint32")
        value = tirx.Select(plane == BYTE_BITS, uint32(1), (code >> uint32(plane)) & uint32(1))
        used = tirx.all(inside, channel < channels)
        return te.sum(tirx.if_then_else(used, value, uint32(0)) << uint32(bit), axis=[bit])

    shape = (BYTE_BITS + 1, height + top + bottom, width + left + right, words(channels))
    return te.compute(shape, plane_word, name="planes")


def _within(y: Expr, x: Expr, height: int, width: int) -> tuple[Expr, tuple[Expr, Expr]]:
    return tirx.all(y >= 0, y < height, x >= 0, x < width), (y, x)


def _window_axes(node: MaxPool | SumPool) -> tuple[Any, Any]:
    return te.reduce_axis((0, node.kernel[0]), "ky"), te.reduce_axis((0, node.kernel[1]), "kx")


def _inside(
    node: MaxPool | SumPool, source: Tensor, y: Expr, x: Expr, ky: Expr, kx: Expr
) -> tuple[Expr, tuple[Expr, Expr]]:
    row, column = y * node.stride[0] + ky - node.padding[0], x * node.stride[1] + kx - node.padding[1]
    return _within(row, column, *source.shape[1:])


def _value(x: Operand, source: Tensor, y: Expr, x_: Expr, c: Expr) -> Expr:
    """The int32 value of one channel."""
    if source.kind == "uint8":
        return int32(x[y, x_, c]) - source.zero_point
    if source.kind == "int32":
        return x[y, x_, c]

    def bit(plane: int) -> Expr:
        return int32((x[plane, y, x_, c // WORD_BITS] >> uint32(c % WORD_BITS)) & uint32(1))

    return bit(0) - 2 * bit(1) if source.kind == "ternary" else 1 - 2 * bit(0)


def _pack(level: Callable[..., Expr], target: Tensor) -> Operand:
    """Planes of the levels -1, 0, +1 that `level(y, x, c)` gives."""
    channels, height, width = target.shape
    planes = 2 if target.kind == "ternary" else 1
    bit = te.reduce_axis((0, WORD_BITS), "bit")

    def word_of(plane: Expr, y: Expr, x: Expr, word: Expr) -> Expr:
        channel = word * WORD_BITS + bit
        value = level(y, x, channel)
        is_set = tirx.Select(plane == planes - 1, value < 0, value != 0)
        used = tirx.if_then_else(channel < channels, is_set, tirx.const(False, "bool"))
        return te.sum(used.astype("uint32") << uint32(bit), axis=[bit])

    return te.compute((planes, height, width, words(channels)), word_of, name="bits")


def _max_pool_bits(x: Operand, minimum: Operand, node: MaxPool, source: Tensor, target: Tensor) -> Operand:
    """The maximum is +1 where any is, -1 where all are; the minimum the other way round."""
    channels, height, width = target.shape
    either = te.comm_reducer(lambda a, b: a | b, lambda _: uint32(0), name="either")
    every = te.comm_reducer(lambda a, b: a & b, lambda _: uint32(ALL_ONES), name="every")

    def plus(row: Expr, column: Expr, word: Expr) -> Expr:
        nonzero = x[0, row, column, word] if source.kind == "ternary" else _channel_mask(channels, word)
        return nonzero & ~x[-1 + x.shape[0], row, column, word]

    def minus(row: Expr, column: Expr, word: Expr) -> Expr:
        return x[-1 + x.shape[0], row, column, word]

    def pooled(reduce: Any, of: Callable[..., Expr], identity: int, name: str) -> Operand:
        ky, kx = _window_axes(node)

        def at(y: Expr, x_: Expr, word: Expr) -> Expr:
            inside, position = _inside(node, source, y, x_, ky, kx)
            return reduce(tirx.if_then_else(inside, of(*position, word), uint32(identity)), axis=[ky, kx])

        return te.compute((height, width, words(channels)), at, name=name)

    any_plus, all_plus = pooled(either, plus, 0, "any_plus"), pooled(every, plus, ALL_ONES, "all_plus")
    any_minus, all_minus = pooled(either, minus, 0, "any_minus"), pooled(every, minus, ALL_ONES, "all_minus")

    def plane_word(plane: Expr, y: Expr, x_: Expr, word: Expr) -> Expr:
        lowest, at = minimum[word], (y, x_, word)
        sign = (any_minus[at] & lowest) | (all_minus[at] & ~lowest)
        if source.kind == "binary":
            return sign
        positive = (all_plus[at] & lowest) | (any_plus[at] & ~lowest)
        return tirx.Select(plane == 1, sign, sign | positive)

    return te.compute((x.shape[0], height, width, words(channels)), plane_word, name="bits")
