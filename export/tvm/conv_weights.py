# SPDX-License-Identifier: Apache-2.0
"""The constants of convolutions: weights with `lanes` output channels interleaved, and what zero padding adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trit.export.graph import Tensor
from trit.export.operators import Conv
from trit.export.tvm.values import Array, Expr, Operand
from trit.runtime.bits import WORD_BITS, pack_bits, words


@dataclass(frozen=True)
class Padding:
    """Which taps lie over the padding is a matter of a row's and a column's case; `total` (rows, columns, channels).

    total = Σ nonzero weights inside + 2·Σ negative weights outside: what the accumulator is with no mismatch counted.
    """

    row_case: Array  # int32 (H,)
    column_case: Array  # int32 (W,)
    total: Array  # int32

    @property
    def _is_one(self) -> bool:
        return self.total.shape[:2] == (1, 1)

    def constants(self, *tables: Array) -> list[Array]:
        """Tables of the shape of `total` as the constants that `at` reads."""
        if self._is_one:
            return [table[0, 0] for table in tables]
        return [self.row_case, self.column_case, *tables]

    def at(self, constants: Sequence[Operand], y: Expr, x: Expr, c: Expr, table: int = 0) -> Expr:
        if self._is_one:
            return constants[table][c]
        return constants[2 + table][constants[0][y], constants[1][x], c]


def padding_of(node: Conv, source: Tensor, output: Tensor, channels: int) -> Padding:
    rows, row_case = _cases(node, 0, source.shape[1], output.shape[1])
    columns, column_case = _cases(node, 1, source.shape[2], output.shape[2])
    inside = rows[:, None, :, None] & columns[None, :, None, :]  # (rows, columns, KH, KW)
    nonzero, negative = ((node.weights != 0).sum(axis=1), (node.weights < 0).sum(axis=1))  # (O, KH, KW)
    total = np.einsum("rcyx,oyx->rco", inside, nonzero) + 2 * np.einsum("rcyx,oyx->rco", ~inside, negative)
    filled = np.pad(total, [(0, 0), (0, 0), (0, channels - len(node.weights))])
    return Padding(row_case.astype(np.int32), column_case.astype(np.int32), filled.astype(np.int32))


def _cases(node: Conv, axis: int, size: int, count: int) -> tuple[Array, Array]:
    """The different rows of "is tap k of output i inside", (cases, K), and which of them each output has."""
    taps = np.arange(node.kernel[axis]) * node.dilation[axis] - node.padding[axis]
    at = np.arange(count)[:, None] * node.stride[axis] + taps
    cases, case = np.unique((at >= 0) & (at < size), axis=0, return_inverse=True)
    return cases, case.reshape(-1)


def word_span(node: Conv) -> int:
    """Words that hold a group's inputs, the most."""
    inputs, groups = node.weights.shape[1], np.arange(node.groups)
    last = ((groups + 1) * inputs - 1) // WORD_BITS
    return int((last - groups * inputs // WORD_BITS).max()) + 1


def bit_weights(node: Conv, source: Tensor, channels: int, lanes: int, masked: bool) -> Array:
    """Words [⌈O/lanes⌉][KH][KW][plane][span][lanes], planes nonzero and sign, or sign alone unless `masked`.

    A group's weights stand at the bits of its inputs, counted from the first word that the group reads.
    """
    outputs, inputs, height, width = node.weights.shape
    span = word_span(node)
    rows = np.zeros((channels, height, width, span * WORD_BITS), np.int8)
    for group in range(node.groups):
        first = min(group * inputs // WORD_BITS, words(source.shape[0]) - span) if node.groups > 1 else 0
        at = group * inputs - first * WORD_BITS
        of = slice(group * outputs // node.groups, (group + 1) * outputs // node.groups)
        rows[of, :, :, at : at + inputs] = node.weights[of].transpose(0, 2, 3, 1)
    planes = [pack_bits(rows != 0), pack_bits(rows < 0)] if masked else [pack_bits(rows < 0)]
    return _interleave(np.stack(planes, axis=3), lanes)


def value_weights(node: Conv, channels: int, lanes: int) -> Array:
    """int8 [⌈O/lanes⌉][KH][KW][I / groups][lanes]."""
    rows = np.zeros((channels, *node.kernel, node.weights.shape[1]), np.int8)
    rows[: len(node.weights)] = node.weights.transpose(0, 2, 3, 1)
    return _interleave(rows, lanes)


def _interleave(rows: Array, lanes: int) -> Array:
    blocks = rows.reshape(-1, lanes, *rows.shape[1:])
    return np.ascontiguousarray(np.moveaxis(blocks, 1, -1))
