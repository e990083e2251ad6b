# SPDX-License-Identifier: Apache-2.0
"""Threshold, Rescale, Add, Concat and Scores as tensor expressions."""

from __future__ import annotations

import numpy as np
from tvm import te, tirx

from trit.export.graph import Tensor
from trit.export.operators import OutputStage, Rescale, Scores, Threshold
from trit.export.operators.rescale import MAX_CODE
from trit.export.tvm.values import Array, At, Expr, Kernel, Operand, int32, pack_levels, value


def threshold(node: Threshold, source: Tensor, output: Tensor) -> Kernel:
    return _staged(lambda x: lambda *at: value(x, source, *at), node, output)


def rescale(node: Rescale, source: Tensor, output: Tensor) -> Kernel:
    return _staged(lambda x: lambda *at: value(x, source, *at), node, output)


def add(source: Tensor, other: Tensor, output: Tensor, stage: OutputStage | None = None) -> Kernel:
    """The sum of the two tensors' values, or what `stage` makes of it."""

    def total(a: Operand, b: Operand) -> At:
        return lambda *at: value(a, source, *at) + value(b, other, *at)

    if stage is not None:
        return _staged(total, stage, output)
    channels, height, width = output.shape
    return Kernel(lambda a, b: te.compute((height, width, channels), total(a, b), name="sum"))


def concat(source: Tensor, other: Tensor, output: Tensor) -> Kernel:
    """The channels of the one, then those of the other."""
    channels, height, width = output.shape
    first = source.shape[0]

    def compute(a: Operand, b: Operand) -> Operand:
        if not output.is_bits:
            return te.compute(
                (height, width, channels),
                lambda y, x, c: tirx.if_then_else(c < first, a[y, x, c], b[y, x, c - first]),
                name="joined",
            )

        def level(y: Expr, x: Expr, c: Expr) -> Expr:
            return tirx.if_then_else(c < first, value(a, source, y, x, c), value(b, other, y, x, c - first))

        return pack_levels(level, output)

    return Kernel(compute)


def scores(node: Scores) -> list[Kernel]:
    """float32(acc)·scale and then + bias, as (C, H, W): two functions, so that no compiler fuses the two roundings."""

    def product(x: Operand, scale: Operand) -> Operand:
        return te.compute(x.shape, lambda y, x_, c: x[y, x_, c].astype("float32") * scale[c], name="product")

    def total(x: Operand, bias: Operand) -> Operand:
        height, width, channels = x.shape
        return te.compute((channels, height, width), lambda c, y, x_: x[y, x_, c] + bias[c], name="scores")

    return [Kernel(product, [node.scale]), Kernel(total, [node.bias])]


def rescale_parameters(node: Rescale) -> Array:
    """Rows multiplier, offset and shift, int64 (3, C)."""
    return np.stack([node.multiplier, node.offset, node.shift], dtype=np.int64)


def rescale_code(acc: Expr, parameters: Operand, c: Expr) -> Expr:
    """clamp((acc·multiplier + offset) >> shift, 0, 255)."""
    shifted = (acc.astype("int64") * parameters[0, c] + parameters[1, c]) >> parameters[2, c]
    least, most = tirx.const(0, "int64"), tirx.const(MAX_CODE, "int64")
    return tirx.min(tirx.max(shifted, least), most).astype("uint8")


def _staged(of: object, stage: OutputStage, output: Tensor) -> Kernel:
    """The stage of the values that of(*inputs) gives, a function of (y, x, c)."""
    channels, height, width = output.shape

    def compute(*operands: Operand) -> Operand:
        found, parameters = of(*operands[:-1]), operands[-1]  # type: ignore[operator]
        if isinstance(stage, Rescale):
            return te.compute(
                (height, width, channels), lambda y, x, c: rescale_code(found(y, x, c), parameters, c), name="codes"
            )

        def level(y: Expr, x: Expr, c: Expr) -> Expr:
            acc = found(y, x, c)
            return parameters[2, c] * (int32(acc >= parameters[1, c]) - int32(acc < parameters[0, c]))

        return pack_levels(level, output)

    return Kernel(compute, [rescale_parameters(stage) if isinstance(stage, Rescale) else _limits(stage)])


def _limits(node: Threshold) -> Array:
    """Rows lo, hi and direction, int32 (3, C)."""
    direction = np.where(node.negative, np.int32(-1), np.int32(1))
    return np.stack([node.lo, node.hi, direction]).astype(np.int32)
