# SPDX-License-Identifier: Apache-2.0
"""Convolutions as tensor expressions, with the Threshold or Rescale of their sums.

The stage named SUMS, (H, W, O) with O filled up to whole vectors or words, is what schedule.py tiles: a word or value
of the input meets the weights of `lanes` output channels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from tvm import te, tirx

from trit.export.graph import INT32_MAX, INT32_MIN, Tensor
from trit.export.operators import Conv, OutputStage, Rescale, Threshold
from trit.export.operators.rescale import MAX_CODE
from trit.export.tvm.conv_weights import Padding, bit_weights, padding_of, value_weights, word_span
from trit.export.tvm.elementwise import rescale_code, rescale_parameters
from trit.export.tvm.machine import Machine
from trit.export.tvm.values import (
    Array,
    At,
    Expr,
    Kernel,
    Operand,
    pack,
    pad,
    padded_rows,
    value,
    within,
)
from trit.runtime.bits import WORD_BITS, words

SUMS, ACCUMULATORS = "sums", "accumulators"
EXACT_FLOAT32 = 2**24


@dataclass(frozen=True)
class Sums:
    """compute(x, *constants) gives the accumulators as a function of (y, x, c), or the sums where there is a base.

    Where `base` is given, the accumulator is base - 2·sum, and base is a constant of the padding's case and channel.
    """

    compute: Callable[..., At]
    constants: list[Array]
    base: Padding | None = None


def conv(node: Conv, source: Tensor, output: Tensor, machine: Machine, stage: OutputStage | None = None) -> Kernel:
    """Accumulators int32 (H, W, O), or the bits or codes that `stage` makes of them; `output` is what comes out."""
    if isinstance(stage, Threshold):
        node, stage = rising(node, stage)
    channels = _padded_channels(len(node.weights), output, machine)
    over_bits = source.is_bits and node.weight_kind != "int8" and not node.is_depthwise
    sums = (_over_bits if over_bits else _over_values)(node, source, output, channels, machine)
    if isinstance(stage, Threshold):
        return _thresholded(sums, stage, output, channels, machine)
    at_end = rescale_parameters(stage) if isinstance(stage, Rescale) else None
    return _stored(sums, at_end, output)


def rising(node: Conv, stage: Threshold) -> tuple[Conv, Threshold]:
    """The same bits without falling channels: their weights change sign, and acc >= hi is -acc < 1 - hi."""
    falls = stage.negative
    weights = np.where(falls[:, None, None, None], -node.weights, node.weights)
    lo, hi = stage.lo.astype(np.int64), stage.hi.astype(np.int64)
    ends = np.stack([np.where(falls, 1 - hi, lo), np.where(falls, 1 - lo, hi)])
    limits = np.clip(ends, INT32_MIN, INT32_MAX).astype(np.int32)
    return replace(node, weights=weights), replace(stage, lo=limits[0], hi=limits[1], negative=np.zeros_like(falls))


def _padded_channels(outputs: int, output: Tensor, machine: Machine) -> int:
    unit = WORD_BITS if output.is_bits else machine.lanes
    return -(-outputs // unit) * unit


def _over_bits(node: Conv, source: Tensor, output: Tensor, channels: int, machine: Machine) -> Sums:
    """Σ popcount(m & (s ^ a)), the mismatches; m are the weights that are not 0 and, of ternary inputs, these.

    Zero padding is 0 in every plane. Beside binary inputs it counts as +1, which `base` makes up for; where both
    sides are ternary the sum is Σ popcount(m) - 2·popcount(m & (s ^ a)).
    """
    height, width = output.shape[1:]
    lanes, popcount = machine.lanes, machine.popcount
    masked = node.weight_kind == "ternary" or node.groups > 1
    ternary = source.kind == "ternary"
    inputs, span = node.weights.shape[1], word_span(node)

    def first_word(o: Expr) -> Expr:
        if node.groups == 1:
            return 0
        return tirx.min(_group(node, o, channels) * inputs // WORD_BITS, words(source.shape[0]) - span)

    def compute(x: Operand, weights: Operand) -> At:
        padded = pad(x, node.padding)
        ky, kx, k = (te.reduce_axis((0, int(end)), name) for end, name in zip((*node.kernel, span), _AXES, strict=True))

        def product(y: Expr, x_: Expr, o: Expr) -> Expr:
            block, lane, word = o // lanes, o % lanes, first_word(o) + k
            at = (y * node.stride[0] + ky * node.dilation[0], x_ * node.stride[1] + kx * node.dilation[1], word)
            w_at = (block, ky, kx)
            differ = padded[(padded.shape[0] - 1, *at)] ^ weights[(*w_at, weights.shape[3] - 1, k, lane)]
            if masked:
                differ = weights[(*w_at, 0, k, lane)] & differ
            if ternary:
                differ = padded[(0, *at)] & differ
            if ternary and masked:
                both = popcount(padded[(0, *at)] & weights[(*w_at, 0, k, lane)])
                return te.sum(both - 2 * popcount(differ), axis=[ky, kx, k])
            return te.sum(popcount(differ), axis=[ky, kx, k])

        sums = te.compute((height, width, channels), product, name=SUMS)
        if not ternary or masked:
            return lambda *at: sums[at]
        present = _count_nonzero(padded, node, output, popcount)
        return lambda y, x_, c: present[y, x_] - 2 * sums[y, x_, c]

    packed = bit_weights(node, source, channels, lanes, masked)
    return Sums(compute, [packed], None if ternary else padding_of(node, source, output, channels))


_AXES = ("ky", "kx", "k")


def _count_nonzero(padded: Operand, node: Conv, output: Tensor, popcount: Callable[[Expr], Expr]) -> Operand:
    """Inputs under each window that are not 0."""
    ky, kx, k = (
        te.reduce_axis((0, int(end)), name) for end, name in zip((*node.kernel, padded.shape[3]), _AXES, strict=True)
    )

    def count(y: Expr, x: Expr) -> Expr:
        at = (y * node.stride[0] + ky * node.dilation[0], x * node.stride[1] + kx * node.dilation[1], k)
        return te.sum(popcount(padded[(0, *at)]), axis=[ky, kx, k])

    return te.compute(output.shape[1:], count, name="present")


def _over_values(node: Conv, source: Tensor, output: Tensor, channels: int, machine: Machine) -> Sums:
    """Σ w·value. Vectors compute in float32 where that is exact: they multiply and add it in one instruction.

    In C the padded copy of the input is of bytes: codes, whose padding is the zero point, or the values of bits.
    """
    height, width = output.shape[1:]
    lanes, zero_point = machine.lanes, source.zero_point
    exact = int(np.abs(node.weights).sum(axis=(1, 2, 3), dtype=np.int64).max()) * MAX_CODE < EXACT_FLOAT32
    kind = "float32" if exact and not machine.is_c else "int32"
    are_codes = machine.is_c and source.kind == "uint8"
    held = "uint8" if are_codes else "int8" if machine.is_c else kind
    inputs = node.weights.shape[1]
    top, left, bottom, right = node.padding
    padded_shape = (source.shape[1] + top + bottom, source.shape[2] + left + right, source.shape[0])

    def compute(x: Operand, weights: Operand) -> At:
        def padded(y: Expr, x_: Expr, c: Expr) -> Expr:
            at = (y - top, x_ - left, c)
            found = x[at] if are_codes else value(x, source, *at).astype(held)
            if not any(node.padding):
                return found
            inside = within(*at[:2], *source.shape[1:])
            return tirx.if_then_else(inside, found, tirx.const(zero_point if are_codes else 0, held))

        values = te.compute(padded_shape, padded, name="values")
        ky, kx, i = (te.reduce_axis((0, int(n)), axis) for n, axis in zip((*node.kernel, inputs), _AXES, strict=True))

        def product(y: Expr, x_: Expr, o: Expr) -> Expr:
            at = (y * node.stride[0] + ky * node.dilation[0], x_ * node.stride[1] + kx * node.dilation[1])
            channel = _group(node, o, channels) * inputs + i
            found = values[(*at, channel)].astype(kind)
            if are_codes and zero_point:
                found = found - zero_point
            return te.sum(found * weights[o // lanes, ky, kx, i, o % lanes].astype(kind), axis=[ky, kx, i])

        sums = te.compute((height, width, channels), product, name=SUMS)
        return lambda *at: sums[at].astype("int32")

    return Sums(compute, [value_weights(node, channels, lanes)])


def _group(node: Conv, o: Expr, channels: int) -> Expr:
    """The group of output channel o; of those behind the last channel the last."""
    if node.groups == 1:
        return 0
    outputs = len(node.weights)
    group = o // (outputs // node.groups)
    return group if channels == outputs else tirx.min(group, node.groups - 1)


def _stored(sums: Sums, rescaling: Array | None, output: Tensor) -> Kernel:
    channels, height, width = output.shape
    base = sums.base.constants(sums.base.total) if sums.base else []
    extra = [] if rescaling is None else [rescaling]

    def compute(x: Operand, *constants: Operand) -> Operand:
        found = sums.compute(x, *constants[: len(sums.constants)])
        rest = constants[len(sums.constants) :]

        def at(y: Expr, x_: Expr, c: Expr) -> Expr:
            acc = found(y, x_, c)
            if sums.base:
                acc = sums.base.at(rest, y, x_, c) - 2 * acc
            return acc if rescaling is None else rescale_code(acc, rest[-1], c)

        return te.compute((height, width, channels), at, name="acc" if rescaling is None else "codes")

    return Kernel(compute, [*sums.constants, *base, *extra])


def _thresholded(sums: Sums, stage: Threshold, output: Tensor, channels: int, machine: Machine) -> Kernel:
    """Channels that are none get limits that no sum reaches, so that their bits are 0."""
    if sums.base:
        return _mismatches_thresholded(sums, sums.base, stage, output, channels, machine)
    limits = np.stack([padded_rows(stage.lo, channels, INT32_MIN), padded_rows(stage.hi, channels, INT32_MAX)])

    def compute(x: Operand, *constants: Operand) -> Operand:
        found, limits = sums.compute(x, *constants[:-1]), constants[-1]
        if machine.has_masks:  # which are made of what is stored
            found = te.compute((*output.shape[1:], channels), found, name=ACCUMULATORS)
        return pack(
            lambda y, x_, c: found(y, x_, c) < limits[0, c],
            lambda y, x_, c: found(y, x_, c) >= limits[1, c],
            output,
            machine,
        )

    return Kernel(compute, [*sums.constants, limits.astype(np.int32)])


def _mismatches_thresholded(
    sums: Sums, base: Padding, stage: Threshold, output: Tensor, channels: int, machine: Machine
) -> Kernel:
    """base - 2·sum < lo is sum >= ⌊(base - lo) / 2⌋ + 1, base - 2·sum >= hi is sum < ⌊(base - hi) / 2⌋ + 1."""
    total = base.total.astype(np.int64)
    below, reaches = (
        np.clip((total - padded_rows(limit, channels, 0)) // 2 + 1, INT32_MIN, INT32_MAX).astype(np.int32)
        for limit in (stage.lo, stage.hi)
    )
    below[..., len(stage.lo) :], reaches[..., len(stage.lo) :] = INT32_MAX, INT32_MIN
    tables = [below] if output.kind == "binary" else [below, reaches]
    constants = [*sums.constants, *base.constants(*tables)]

    def compute(x: Operand, *constants: Operand) -> Operand:
        found = sums.compute(x, *constants[: len(sums.constants)])
        rest = constants[len(sums.constants) :]

        return pack(
            lambda y, x_, c: found(y, x_, c) >= base.at(rest, y, x_, c),
            lambda y, x_, c: found(y, x_, c) < base.at(rest, y, x_, c, table=1),
            output,
            machine,
        )

    return Kernel(compute, constants)
