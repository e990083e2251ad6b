# SPDX-License-Identifier: Apache-2.0
"""What a tensor of the source is in terms of the integer graph: where its elements stand, and what they mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from trit.export.graph import GraphError
from trit.export.importer.functions import Domain, Function, Piece, constant
from trit.export.importer.source import Array, Operation

Positions = npt.NDArray[np.int64]
Change = Callable[..., Function]
PADDING = -1  # in place of a position
_POINT = Domain(0, 0)


@dataclass(frozen=True)
class Real:
    """A real-valued tensor of the source, with a batch of 1.

    Element e is functions[c](x), x the sum over `parts` of the integer at positions[e] of the flattened (C, H, W), c
    that position's channel; or `fill` where the position is PADDING. Of what is computed of pixels alone, `floats` are
    the functions with float32's rounding after each step, which decides where a pixel lies just on a threshold.
    """

    parts: tuple[str, ...]
    positions: Positions
    functions: tuple[Function, ...]
    area: int  # H·W
    name: str  # of the node that computed it
    fill: Fraction | None = None
    floats: tuple[Function, ...] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.positions.shape

    @property
    def is_linear(self) -> bool:
        return all(function.is_line for function in self.functions)

    def renamed(self, operation: Operation) -> Real:
        return replace(self, name=operation.name)

    def mapped(self, operation: Operation, change: Change, *parameters: Array) -> Real:
        """Each element changed by `change(function, *its elements of the parameters)`.

        The parameters are broadcast as ONNX does. Raises GraphError where they differ within a channel.
        """
        real = self
        columns: list[list[Fraction]] = []
        for values in parameters:
            real, column = real._by_channel(operation, values)
            columns.append(column)
        rows = list(zip(*columns, strict=True)) if columns else [()] * len(self.functions)
        changed = _each(operation, change, self.functions, rows)
        fill = self.fill
        if fill is not None:
            if len(set(rows)) > 1:
                raise operation.error("differs by channel behind a padding; pad behind it, in front of the next layer")
            point = Function.line(_POINT, Fraction(0), fill)
            fill = _each(operation, change, (point,), rows[:1])[0].at(0)
        floats = None
        if real.floats is not None:
            floats = _as_float32(_each(operation, change, real.floats, rows))
        return replace(real, functions=changed, fill=fill, floats=floats, name=operation.name)

    def merged(self, operation: Operation, other: Real, join: Callable[[Piece, Piece], Piece]) -> Real:
        """join of both, which are functions of the same integers at the same positions."""
        if self.parts != other.parts or not np.array_equal(self.positions, other.positions):
            raise operation.error("joins values that depend on different sums")
        try:
            functions = tuple(f.combine(g, join) for f, g in zip(self.functions, other.functions, strict=True))
        except ValueError as error:
            raise operation.error(f"{error}; a quantizer is expected before it") from error
        fill = None
        if self.fill is not None and other.fill is not None:
            fill = join(Piece(Fraction(0), self.fill), Piece(Fraction(0), other.fill)).at(0)
        floats = None
        if self.floats is not None and other.floats is not None:
            floats = _as_float32(f.combine(g, join) for f, g in zip(self.floats, other.floats, strict=True))
        return replace(self, functions=functions, fill=fill, floats=floats, name=operation.name)

    def _by_channel(self, operation: Operation, values: Array) -> tuple[Real, list[Fraction]]:
        """One number a channel of what is broadcast to the elements, which may gain axes of size 1."""
        numbers = np.asarray(values, np.float64)
        if not np.isfinite(numbers).all():
            raise operation.error("a parameter is not a finite number")
        if numbers.size == 1:
            shape = np.broadcast_shapes(self.shape, numbers.shape)
            return replace(self, positions=self.positions.reshape(shape)), [exact(numbers)] * len(self.functions)
        try:
            shape = np.broadcast_shapes(self.shape, numbers.shape)
            positions = self.positions.reshape(shape)
        except ValueError:
            raise operation.error(f"parameters of {numbers.shape} do not fit values of {self.shape}") from None
        inside = positions.reshape(-1) != PADDING
        spread = np.broadcast_to(numbers, shape).reshape(-1)[inside]
        channels = positions.reshape(-1)[inside] // self.area
        first = np.zeros(len(self.functions))
        first[channels] = spread
        if (first[channels] != spread).any():
            raise operation.error("its parameters differ within a channel; one a channel is expected")
        return replace(self, positions=positions), [Fraction(number) for number in first.tolist()]


def exact(value: Array) -> Fraction:
    """The one number of an array, as the number that it is."""
    return Fraction(float(np.asarray(value, np.float64).reshape(-1)[0]))


def _each(
    operation: Operation, change: Change, functions: Sequence[Function], rows: Sequence[tuple[Fraction, ...]]
) -> tuple[Function, ...]:
    """Many channels are alike: each pair of function and parameters is worked out once."""
    known: dict[tuple[Function, tuple[Fraction, ...]], Function] = {}
    for function, row in zip(functions, rows, strict=True):
        if (function, row) not in known:
            try:
                known[function, row] = change(function, *row)
            except GraphError:
                raise
            except ValueError as error:
                raise operation.error(f"{error}; a quantizer is expected before it") from error
    return tuple(known[function, row] for function, row in zip(functions, rows, strict=True))


def table(function: Function) -> Function:
    """The function value by value, each rounded to float32."""
    domain = function.domain
    values = [Fraction(float(np.float32(float(function.at(x))))) for x in range(domain.low, domain.high + 1)]
    return Function.of(domain, [(x, constant(value)) for x, value in enumerate(values, domain.low)])


def _as_float32(functions: Iterable[Function]) -> tuple[Function, ...]:
    """Functions of constant pieces, with float32's rounding of each."""
    known: dict[Function, Function] = {}
    for function in (given := tuple(functions)):
        if function not in known:
            known[function] = function.map(lambda p: constant(Fraction(float(np.float32(float(p.at(0)))))))
    return tuple(known[function] for function in given)
