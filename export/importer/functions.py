# SPDX-License-Identifier: Apache-2.0
"""Real-valued functions of one integer, piece by piece, in exact arithmetic.

What other networks compute between two sums - scales, batch norm, clipping, comparisons, rounding, in whatever order
and spelling - is for each channel a function of the one integer that was summed. Each step changes the function; a
quantizer is a function with few values, whose integer thresholds can be read off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor, gcd, lcm
from typing import Literal

Rounding = Literal["even", "floor", "ceil", "half_up", "half_away", "half_zero", "away", "zero"]
_MIRRORED: dict[Rounding, Rounding] = {"floor": "ceil", "ceil": "floor"}  # R'(z) = -R(-z); half_up is never mirrored
HALF, ZERO, ONE = Fraction(1, 2), Fraction(0), Fraction(1)
MOST_LEVELS = 256


class NotDiscrete(ValueError):
    """The function has more values than a quantizer has."""


@dataclass(frozen=True)
class Piece:
    """y = c·R(a·x + b) + d, R a rounding to integers, c > 0; without one y = a·x + b."""

    a: Fraction
    b: Fraction
    rounding: Rounding | None = None
    c: Fraction = ONE
    d: Fraction = ZERO

    @property
    def is_constant(self) -> bool:
        return self.a == 0

    def at(self, x: int) -> Fraction:
        inner = self.a * x + self.b
        return inner if self.rounding is None else self.c * _round(inner, self.rounding) + self.d

    def affine(self, factor: Fraction, offset: Fraction) -> Piece:
        """factor·y + offset."""
        if self.rounding is None:
            return Piece(self.a * factor, self.b * factor + offset)
        if factor == 0:
            return constant(offset)
        turned = replace(self, c=self.c * factor, d=self.d * factor + offset)
        if factor > 0:
            return turned
        if self.rounding == "half_up":
            raise ValueError("a rounding of halves upwards is multiplied by a negative number")
        mirrored = _MIRRORED.get(self.rounding, self.rounding)
        return Piece(-self.a, -self.b, mirrored, -turned.c, turned.d)

    def rounded(self, rounding: Rounding) -> Piece:
        if self.is_constant:
            return constant(Fraction(_round(self.at(0), rounding)))
        if self.rounding is None:
            whole = self.a.denominator == self.b.denominator == 1
            return self if whole else replace(self, rounding=rounding)
        if self.c.denominator == self.d.denominator == 1:
            return self
        raise ValueError("what is rounded to another grid is rounded again")

    def runs(self, threshold: Fraction, start: int, end: int) -> Iterator[tuple[int, int]]:
        """(first x, sign of y - threshold) over start..end - 1, in order."""
        if self.is_constant:
            value = self.at(0)
            yield start, (value > threshold) - (value < threshold)
            return
        if self.a > 0:
            signs = (-1, 0, 1)
            bounds = (start, _reaches(self, threshold, False), _reaches(self, threshold, True))
        else:
            mirror, signs = replace(self, a=-self.a), (1, 0, -1)
            bounds = (start, 1 - _reaches(mirror, threshold, True), 1 - _reaches(mirror, threshold, False))
        for first, last, sign in zip(bounds, (*bounds[1:], end), signs, strict=True):
            if max(first, start) < min(last, end):
                yield max(first, start), sign


def constant(value: Fraction) -> Piece:
    return Piece(ZERO, value)


def _reaches(piece: Piece, threshold: Fraction, strictly: bool) -> int:
    """The least integer x with y >= threshold, or y > threshold; y rises."""
    if piece.rounding is not None:
        level = (threshold - piece.d) / piece.c
        integer = floor(level) + 1 if strictly else ceil(level)
        threshold, strictly = _edge(integer, piece.rounding)
    x = (threshold - piece.b) / piece.a
    return floor(x) + 1 if strictly else ceil(x)


def _edge(integer: int, rounding: Rounding) -> tuple[Fraction, bool]:
    """(bound, strict): R(z) >= integer exactly where z >= bound, or z > bound if strict."""
    half = integer - HALF
    match rounding:
        case "even":
            return half, integer % 2 == 1
        case "half_up":
            return half, False
        case "half_away":
            return half, integer <= 0
        case "half_zero":
            return half, integer > 0
        case "floor":
            return Fraction(integer), False
        case "ceil":
            return Fraction(integer - 1), True
        case "zero":
            return (Fraction(integer), False) if integer > 0 else (Fraction(integer - 1), True)
        case "away":
            return (Fraction(integer - 1), True) if integer > 0 else (Fraction(integer), False)


def _round(z: Fraction, rounding: Rounding) -> int:
    integer = floor(z)
    bound, strict = _edge(integer + 1, rounding)
    return integer + 1 if (z > bound if strict else z >= bound) else integer


@dataclass(frozen=True)
class Domain:
    """The integers low, low + step, … high that a tensor can hold."""

    low: int
    high: int
    step: int = 1

    def meets(self, start: int, end: int) -> bool:
        """Is one of them in start..end - 1?"""
        first = self.low + max(0, -(-(start - self.low) // self.step)) * self.step
        return first < min(end, self.high + 1)


@dataclass(frozen=True)
class Function:
    """Pieces by their first x, ascending, over the whole domain."""

    domain: Domain
    pieces: tuple[tuple[int, Piece], ...]

    @classmethod
    def line(cls, domain: Domain, a: Fraction, b: Fraction = ZERO) -> Function:
        return cls.of(domain, [(domain.low, Piece(a, b))])

    @classmethod
    def of(cls, domain: Domain, pieces: Sequence[tuple[int, Piece]]) -> Function:
        """The same without pieces that no x of the domain meets, equal neighbours joined."""
        kept: list[tuple[int, Piece]] = []
        ends = [*(start for start, _ in pieces[1:]), domain.high + 1]
        for (start, piece), end in zip(pieces, ends, strict=True):
            if domain.meets(start, end) and (not kept or kept[-1][1] != piece):
                kept.append((max(start, domain.low) if kept else domain.low, piece))
        return cls(domain, tuple(kept))

    def spans(self) -> Iterator[tuple[int, int, Piece]]:
        """(start, end, piece) with end one past the last x."""
        ends = [*(start for start, _ in self.pieces[1:]), self.domain.high + 1]
        for (start, piece), end in zip(self.pieces, ends, strict=True):
            yield start, end, piece

    @property
    def is_line(self) -> bool:
        return len(self.pieces) == 1 and self.pieces[0][1].rounding is None

    def at(self, x: int) -> Fraction:
        return next(piece for start, _, piece in reversed(list(self.spans())) if x >= start).at(x)

    def map(self, change: Callable[[Piece], Piece]) -> Function:
        return Function.of(self.domain, [(start, change(piece)) for start, piece in self.pieces])

    def affine(self, factor: Fraction, offset: Fraction) -> Function:
        return self.map(lambda piece: piece.affine(factor, offset))

    def rounded(self, rounding: Rounding) -> Function:
        return Function.of(self.domain, [(start, _whole(p, start, end, rounding)) for start, end, p in self.spans()])

    def choose(
        self,
        threshold: Fraction,
        below: Callable[[Piece], Piece],
        equal: Callable[[Piece], Piece],
        above: Callable[[Piece], Piece],
    ) -> Function:
        """What is below, at and above the threshold, each changed in its way."""
        changes = {-1: below, 0: equal, 1: above}
        found = [
            (first, changes[sign](piece))
            for start, end, piece in self.spans()
            for first, sign in piece.runs(threshold, start, end)
        ]
        return Function.of(self.domain, found)

    def clipped(self, low: Fraction | None, high: Fraction | None) -> Function:
        function = self
        if low is not None:
            floor_ = constant(low)
            function = function.choose(low, lambda _: floor_, keep, keep)
        if high is not None:
            ceiling = constant(high)
            function = function.choose(high, keep, keep, lambda _: ceiling)
        return function

    def combine(self, other: Function, join: Callable[[Piece, Piece], Piece]) -> Function:
        """join of both functions' pieces; both are of the same integer."""
        starts = sorted({start for function in (self, other) for start, _ in function.pieces})
        return Function.of(self.domain, [(start, join(self._piece(start), other._piece(start))) for start in starts])

    def _piece(self, x: int) -> Piece:
        return next(piece for start, piece in reversed(self.pieces) if start <= x)

    def levels(self) -> list[tuple[int, Fraction]]:
        """(first x, value) of each run of equal values. Raises NotDiscrete where there are too many."""
        found: list[tuple[int, Fraction]] = []
        for start, end, piece in self.spans():
            for x, value in _steps(piece, start, end, self.domain):
                if not found or found[-1][1] != value:
                    found.append((x, value))
                if len(found) > MOST_LEVELS:
                    raise NotDiscrete
        return found


def _whole(piece: Piece, start: int, end: int, rounding: Rounding) -> Piece:
    """The rounded piece, as a line where it is one: what is nearly on a grid of its own is rounded to that."""
    if piece.rounding is None and rounding not in ("floor", "ceil", "zero", "away"):
        line = Piece(Fraction(round(piece.a)), Fraction(round(piece.b)))
        if all(abs(piece.at(x) - line.at(x)) < HALF for x in (start, end - 1)):
            return line
    return piece.rounded(rounding)


def keep(piece: Piece) -> Piece:
    return piece


def add_pieces(left: Piece, right: Piece) -> Piece:
    """The sum. Raises ValueError for the sum of two staircases, or of a staircase and a line."""
    if right.is_constant:
        return left.affine(ONE, right.at(0))
    if left.is_constant:
        return right.affine(ONE, left.at(0))
    if left.rounding is None and right.rounding is None:
        return Piece(left.a + right.a, left.b + right.b)
    raise ValueError("adds what is rounded to what varies")


def multiply_pieces(left: Piece, right: Piece) -> Piece:
    """The product. Raises ValueError where both factors vary."""
    if right.is_constant:
        return left.affine(right.at(0), ZERO)
    if left.is_constant:
        return right.affine(left.at(0), ZERO)
    raise ValueError("multiplies two values that both vary")


def common_divisor(values: Iterable[Fraction]) -> Fraction:
    """The greatest g such that each of the values is an integer times g; 0 if all are 0."""
    numbers = [value for value in values if value]
    if not numbers:
        return ZERO
    denominator = lcm(*(number.denominator for number in numbers))
    return Fraction(gcd(*(int(number * denominator) for number in numbers)), denominator)


def _steps(piece: Piece, start: int, end: int, domain: Domain) -> Iterator[tuple[int, Fraction]]:
    """(first x, value) of the piece's levels over start..end - 1."""
    if piece.is_constant:
        yield start, piece.at(0)
        return
    if piece.rounding is None:
        first = domain.low + -(-(start - domain.low) // domain.step) * domain.step
        if (end - first) // domain.step > MOST_LEVELS:
            raise NotDiscrete
        yield from ((x, piece.at(x)) for x in range(first, end, domain.step))
        return
    lowest, highest = sorted((piece.at(start), piece.at(end - 1)))
    count = int((highest - lowest) / piece.c)
    if count > MOST_LEVELS:
        raise NotDiscrete
    values = [lowest + step * piece.c for step in range(count + 1)]
    for value in values if piece.a > 0 else reversed(values):
        runs = list(piece.runs(value, start, end))
        ends = [*(first for first, _ in runs[1:]), end]
        for (first, sign), last in zip(runs, ends, strict=True):
            if sign == 0 and domain.meets(first, last):
                yield first, value
