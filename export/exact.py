# SPDX-License-Identifier: Apache-2.0
"""Exact arithmetic on what a layer means: real values that are affine in an integer tensor, and their thresholds.

After batch norm a channel's real value is y = (a·x + b)/√r + o, x the integer, a, b, r, o rational: the float
parameters are taken as the numbers they are. √r is irrational, so y is compared with a threshold by signs and
squares. No float division or square root takes part in a decision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import isqrt

import numpy as np

from trit.export.graph import INT32_MAX, INT32_MIN, BoolArray, Float32Array, Int32Array

SEARCH_LOW, SEARCH_HIGH = INT32_MIN + 1, INT32_MAX - 1  # accumulators stay strictly inside


@dataclass(frozen=True)
class Channel:
    """y = (a·x + b)/√r + o of one channel, r > 0."""

    a: Fraction
    b: Fraction = Fraction(0)
    r: Fraction = Fraction(1)
    o: Fraction = Fraction(0)

    def scaled(self, factor: Fraction) -> Channel:
        """factor·y."""
        return replace(self, a=self.a * factor, b=self.b * factor, o=self.o * factor)

    def shifted(self, offset: Fraction) -> Channel:
        """y + offset."""
        return replace(self, o=self.o + offset)

    def normalized(self, mean: Fraction, variance: Fraction, gamma: Fraction, beta: Fraction) -> Channel:
        """Batch norm: γ(y - μ)/√variance + β, variance with ε added. Raises ValueError after another root."""
        if self.r != 1:
            raise ValueError("a second batch norm on the same values is not exact")
        return Channel(self.a * gamma, (self.b + self.o - mean) * gamma, variance, beta)

    def sign_at(self, x: int, threshold: Fraction) -> int:
        """Sign of y(x) - threshold: -1, 0 or 1."""
        return _sign_of_sum(self.a * x + self.b, self.o - threshold, self.r)

    def rounded(self) -> tuple[float, float]:
        """(scale, bias) with y ≈ scale·x + bias, each correct to 200 bits before it is rounded to a double."""
        root = square_root(self.r)
        return float(self.a / root), float(self.b / root + self.o)


def binary_threshold(channel: Channel) -> tuple[int, bool]:
    """(threshold, negative) such that d·([x >= threshold] - [x < threshold]) = +1 exactly where y >= 0."""
    zero = Fraction(0)
    if channel.a == 0:
        return (INT32_MIN if channel.sign_at(0, zero) >= 0 else INT32_MAX), False
    if channel.a > 0:
        return _first(lambda x: channel.sign_at(x, zero) >= 0), False
    return _first(lambda x: channel.sign_at(x, zero) < 0), True


def ternary_threshold(channel: Channel, delta: Fraction) -> tuple[int, int, bool]:
    """(lo, hi, negative) such that d·([x >= hi] - [x < lo]) is +1 where y > Δ, -1 where y < -Δ, else 0."""
    if channel.a == 0:
        if channel.sign_at(0, delta) > 0:
            return INT32_MIN, INT32_MIN, False
        if channel.sign_at(0, -delta) < 0:
            return INT32_MAX, INT32_MAX, False
        return INT32_MIN, INT32_MAX, False
    if channel.a > 0:
        low = _first(lambda x: channel.sign_at(x, -delta) >= 0)
        return low, _first(lambda x: channel.sign_at(x, delta) > 0), False
    low = _first(lambda x: channel.sign_at(x, delta) <= 0)
    return low, _first(lambda x: channel.sign_at(x, -delta) < 0), True


def thresholds(channels: list[Channel], delta: Fraction | None) -> tuple[Int32Array, Int32Array, BoolArray]:
    """lo, hi, negative of all channels; binary where delta is None."""
    if delta is None:
        pairs = [binary_threshold(channel) for channel in channels]
        rows = [(value, value, negative) for value, negative in pairs]
    else:
        rows = [ternary_threshold(channel, delta) for channel in channels]
    lo, hi, negative = zip(*rows, strict=True)
    return np.array(lo, np.int32), np.array(hi, np.int32), np.array(negative, np.bool_)


def score_factors(channels: list[Channel]) -> tuple[Float32Array, Float32Array]:
    """Scale and bias of every channel in float32."""
    pairs = [channel.rounded() for channel in channels]
    return np.array([scale for scale, _ in pairs], np.float32), np.array([bias for _, bias in pairs], np.float32)


def _first(holds: Callable[[int], bool]) -> int:
    """The least int32 accumulator from which on `holds`, monotone, is true; INT32_MIN or _MAX where all or none is."""
    if holds(SEARCH_LOW):
        return INT32_MIN
    if not holds(SEARCH_HIGH):
        return INT32_MAX
    low, high = SEARCH_LOW, SEARCH_HIGH
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _sign_of_sum(p: Fraction, q: Fraction, r: Fraction) -> int:
    """Sign of p + q·√r, r > 0."""
    sign_p, sign_q = (p > 0) - (p < 0), (q > 0) - (q < 0)
    if sign_p * sign_q >= 0:
        return sign_p or sign_q
    difference = p * p - q * q * r
    return sign_p * ((difference > 0) - (difference < 0))


def square_root(r: Fraction) -> Fraction:
    """√r to a relative error below 2^-200."""
    shift = 2 * (200 + max(0, r.denominator.bit_length() - r.numerator.bit_length()))
    return Fraction(isqrt((r.numerator << shift) // r.denominator), 1 << (shift // 2))
