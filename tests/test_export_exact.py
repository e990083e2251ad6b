# SPDX-License-Identifier: Apache-2.0
"""Thresholds against exact arithmetic of another kind: 100-digit decimals, and perfect squares for exact ties."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trit.export.exact import Channel, binary_threshold, score_factors, ternary_threshold
from trit.export.graph import INT32_MAX, INT32_MIN

floats32 = st.floats(-1e6, 1e6, width=32)
positive32 = st.floats(2.0**-20, 2.0**20, width=32)
deltas = st.floats(2.0**-10, 8, width=32)


@st.composite
def channels(draw: st.DrawFn) -> Channel:
    """Scale, bias and batch norm of float32 parameters, as a trained layer has them."""
    channel = Channel(Fraction(draw(positive32)), o=Fraction(draw(floats32)))
    mean, variance, gamma, beta = (Fraction(draw(s)) for s in (floats32, positive32, floats32, floats32))
    return channel.normalized(mean, variance + Fraction(1e-5), gamma, beta)


def real_value(channel: Channel, x: int) -> Decimal:
    """y(x) to 100 digits."""
    with localcontext(prec=120):
        a, b, r, o = (
            Decimal(v.numerator) / Decimal(v.denominator) for v in (channel.a, channel.b, channel.r, channel.o)
        )
        return (a * x + b) / r.sqrt() + o


def level(x: int, lo: int, hi: int, negative: bool) -> int:
    return (-1 if negative else 1) * ((x >= hi) - (x < lo))


def near(*values: int) -> list[int]:
    """Accumulators at the thresholds, around them, and far away."""
    points = {0, 1, -1, INT32_MIN + 1, INT32_MAX - 1}
    for value in values:
        points |= {value - 2, value - 1, value, value + 1, value + 2}
    return [x for x in points if INT32_MIN < x < INT32_MAX]


@given(channels())
def test_binary(channel: Channel) -> None:
    threshold, negative = binary_threshold(channel)
    for x in near(threshold):
        expected = 1 if real_value(channel, x) >= 0 else -1
        assert level(x, threshold, threshold, negative) == expected


@given(channels(), deltas)
def test_ternary(channel: Channel, delta: float) -> None:
    lo, hi, negative = ternary_threshold(channel, Fraction(delta))
    assert lo <= hi
    for x in near(lo, hi):
        y = real_value(channel, x)
        assert level(x, lo, hi, negative) == (y > Decimal(delta)) - (y < Decimal(-delta))


@given(
    x=st.integers(-(2**30), 2**30),
    a=st.integers(-1000, 1000).filter(bool),
    root=st.integers(1, 1000),
    offset=st.integers(-1000, 1000),
)
@example(x=0, a=1, root=1, offset=0)
def test_exact_ties_are_decided_as_defined(x: int, a: int, root: int, offset: int) -> None:
    """y(x) is exactly 0, Δ or -Δ, with √r rational: binary gives +1 at 0, ternary 0 at ±Δ."""
    delta = Fraction(3, 7)
    for tie, expected_binary in ((Fraction(0), 1), (delta, 1), (-delta, -1)):
        # (a·x + b)/root + offset = tie
        b = (tie - offset) * root - a * x
        channel = Channel(Fraction(a), b, Fraction(root * root), Fraction(offset))
        threshold, negative = binary_threshold(channel)
        assert level(x, threshold, threshold, negative) == expected_binary
        assert level(x, *ternary_threshold(channel, delta)) == 0


def test_channels_that_do_not_depend_on_the_accumulator() -> None:
    for offset, binary, ternary in ((1, 1, 1), (0, 1, 0), (-1, -1, -1)):
        channel = Channel(Fraction(0), o=Fraction(offset))
        threshold, negative = binary_threshold(channel)
        lo, hi, flipped = ternary_threshold(channel, Fraction(1, 2))
        for x in near(threshold, lo, hi):
            assert level(x, threshold, threshold, negative) == binary
            assert level(x, lo, hi, flipped) == ternary


def test_a_second_root_is_refused() -> None:
    one = Fraction(1)
    with pytest.raises(ValueError, match="second batch norm"):
        Channel(one).normalized(one, Fraction(2), one, one).normalized(one, Fraction(2), one, one)


@given(channels())
def test_scores_are_the_correctly_rounded_factors(channel: Channel) -> None:
    scale, bias = score_factors([channel])
    without_bias = replace(channel, b=Fraction(0), o=Fraction(0))
    assert scale[0] == np.float32(float(real_value(without_bias, 1)))
    assert bias[0] == np.float32(float(real_value(channel, 0)))
