# SPDX-License-Identifier: Apache-2.0
"""MaxPool, MaxUnpool and SumPool as tensor expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tvm import te, tirx

from trit.export.graph import Tensor
from trit.export.operators import SUM_ZERO_POINT, MaxPool, MaxUnpool, SumPool
from trit.export.tvm.values import (
    ALL_ONES,
    At,
    Expr,
    Kernel,
    Operand,
    either,
    every,
    int32,
    nonzero_word,
    one_bit,
    sign_word,
    uint32,
    value,
    within,
)
from trit.runtime.bits import WORD_BITS, pack_bits, words


def max_pool(node: MaxPool, source: Tensor, output: Tensor) -> Kernel:
    """Maximum, or minimum for the channels that have a bit in `minimum`; words at a time for bits."""
    pooled = _max_of_bits if source.is_bits else _max_of_values
    if node.minimum is None:
        return Kernel(lambda x: pooled(x, None, node, source, output))
    return Kernel(lambda x, minimum: pooled(x, minimum, node, source, output), [pack_bits(node.minimum)])


def sum_pool(node: SumPool, source: Tensor, output: Tensor) -> Kernel:
    """Sum of the values over the window; padding counts 0."""

    def compute(x: Operand) -> Operand:
        zero = tirx.const(0, "int32")
        sums = _over_window(node, source, output, te.sum, lambda *at: value(x, source, *at), zero, "sum")
        if output.kind == "int32":
            return sums
        return te.compute(sums.shape, lambda *at: (sums[at] + SUM_ZERO_POINT).astype("uint8"), name="codes")

    return Kernel(compute)


def max_unpool(node: MaxUnpool, source: Tensor, sums: Tensor, output: Tensor) -> Kernel:
    """A window's code at the first of its maxima: the least place, in row-major order, whose sum is the maximum."""
    channels, height, width = source.shape
    rows, columns = node.kernel
    zero = tirx.const(output.zero_point, "uint8")

    def compute(codes: Operand, acc: Operand) -> Operand:
        def over_window(reduce: Callable[..., Expr], of: Callable[..., Expr], name: str) -> Operand:
            ky, kx = te.reduce_axis((0, rows), "ky"), te.reduce_axis((0, columns), "kx")

            def at(y: Expr, x: Expr, c: Expr) -> Expr:
                return reduce(of(acc[y * rows + ky, x * columns + kx, c], ky * columns + kx, y, x, c), axis=[ky, kx])

            return te.compute((height, width, channels), at, name=name)

        most = over_window(te.max, lambda found, place, *at: found, "maximum")
        outside = tirx.const(rows * columns, "int32")
        first = over_window(
            te.min, lambda found, place, *at: tirx.Select(found == most[at], int32(place), outside), "first"
        )

        def code(y: Expr, x: Expr, c: Expr) -> Expr:
            window = (y // rows, x // columns, c)
            chosen = tirx.Select(first[window] == y % rows * columns + x % columns, codes[window], zero)
            if (height * rows, width * columns) == output.shape[1:]:
                return chosen
            return tirx.if_then_else(within(y, x, height * rows, width * columns), chosen, zero)

        return te.compute((*output.shape[1:], channels), code, name="codes")

    return Kernel(compute)


def _over_window(
    node: MaxPool | SumPool,
    source: Tensor,
    output: Tensor,
    reduce: Callable[..., Expr],
    of: At,
    outside: Expr,
    name: str,
) -> Operand:
    """of(y, x, c) reduced over each window, positions outside the input as `outside`."""
    channels, height, width = output.shape
    count = words(channels) if reduce in (either, every) else channels
    ky, kx = te.reduce_axis((0, node.kernel[0]), "ky"), te.reduce_axis((0, node.kernel[1]), "kx")

    def at(y: Expr, x: Expr, c: Expr) -> Expr:
        row, column = y * node.stride[0] + ky - node.padding[0], x * node.stride[1] + kx - node.padding[1]
        found = of(row, column, c)
        if any(node.padding):
            found = tirx.if_then_else(within(row, column, *source.shape[1:]), found, outside)
        return reduce(found, axis=[ky, kx])

    return te.compute((height, width, count), at, name=name)


def _max_of_values(x: Operand, minimum: Operand | None, node: MaxPool, source: Tensor, output: Tensor) -> Operand:
    def pooled(reduce: Callable[..., Expr], worst: Expr, name: str) -> Operand:
        return _over_window(node, source, output, reduce, lambda *at: x[at], worst, name)

    high = pooled(te.max, te.min_value(x.dtype), "maximum")
    if minimum is None:
        return high
    low = pooled(te.min, te.max_value(x.dtype), "minimum")

    def chosen(y: Expr, x_: Expr, c: Expr) -> Expr:
        flag = minimum[c // WORD_BITS] & one_bit(c % WORD_BITS)
        return tirx.Select(flag != uint32(0), low[y, x_, c], high[y, x_, c])

    return te.compute(high.shape, chosen, name="pooled")


def _max_of_bits(x: Operand, minimum: Operand | None, node: MaxPool, source: Tensor, output: Tensor) -> Operand:
    """The maximum is +1 where any is, -1 where all are; the minimum the other way round."""

    def plus(y: Expr, x_: Expr, k: Expr) -> Expr:
        return nonzero_word(x, source, y, x_, k) & ~sign_word(x, y, x_, k)

    def minus(y: Expr, x_: Expr, k: Expr) -> Expr:
        return sign_word(x, y, x_, k)

    def pooled(reduce: Any, of: At, name: str) -> Operand:
        outside = uint32(0 if reduce is either else ALL_ONES)
        return _over_window(node, source, output, reduce, of, outside, name)

    def chosen(of: At, at_maximum: Any, name: str) -> At:
        """The words reduced in one way for the channels whose maximum is taken, in the other for the rest."""
        at_minimum = every if at_maximum is either else either
        high = pooled(at_maximum, of, f"maximum_{name}")
        if minimum is None:
            return lambda *at: high[at]
        low = pooled(at_minimum, of, f"minimum_{name}")
        return lambda y, x_, k: (low[y, x_, k] & minimum[k]) | (high[y, x_, k] & ~minimum[k])

    sign = chosen(minus, every, "minus")
    height, width = output.shape[1:]
    shape = (x.shape[0], height, width, x.shape[3])
    if source.kind == "binary":
        return te.compute(shape, lambda plane, *at: sign(*at), name="bits")
    positive = chosen(plus, either, "plus")
    return te.compute(
        shape, lambda plane, *at: tirx.Select(plane == 1, sign(*at), sign(*at) | positive(*at)), name="bits"
    )
