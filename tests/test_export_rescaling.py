# SPDX-License-Identifier: Apache-2.0
"""Rescaling factors give exactly the codes that fractions and 100-digit decimals give, for every input in range."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trit.export.exact import Channel
from trit.export.operators import Rescale
from trit.export.rescaling import Inexact, rescale_factors, rescaling

fractions = st.fractions(min_value=-40, max_value=40, max_denominator=1000)
ZERO_POINTS = [0, 3, 128, 255]


def codes(factors: tuple[int, int, int] | None, low: int, high: int) -> list[int]:
    """The operator's codes for every input in range, computed by its definition in Python's integers."""
    assert factors is not None
    multiplier, offset, shift = factors
    assert abs(multiplier) < 2**31 and abs(offset) < 2**62 and 0 <= shift <= 62
    return [min(max((x * multiplier + offset) >> shift, 0), 255) for x in range(low, high + 1)]


def clamp(value: int) -> int:
    return min(max(value, 0), 255)


@given(fractions, fractions, st.sampled_from(ZERO_POINTS), st.integers(-600, 300), st.integers(0, 600))
def test_every_code_of_rational_channels(a: Fraction, b: Fraction, zero_point: int, low: int, size: int) -> None:
    """Slopes of both signs, steep, flat and 0; codes clamped on either side."""
    expected = [clamp(floor(a * x + b + Fraction(1, 2)) + zero_point) for x in range(low, low + size + 1)]
    assert codes(rescale_factors(Channel(a, o=b), zero_point, low, low + size), low, low + size) == expected


@pytest.mark.parametrize("zero_point", ZERO_POINTS)
@pytest.mark.parametrize("a", [Fraction(1, 2), Fraction(-1, 2), Fraction(3, 10), Fraction(-9, 10), Fraction(1, 1000)])
@pytest.mark.parametrize("o", [Fraction(0), Fraction(3, 10)])
def test_ties_round_up(a: Fraction, o: Fraction, zero_point: int) -> None:
    """a·x + o = k + 1/2 at many x, where floating point falls on either side."""
    low, high = -3000, 3000
    factors = rescale_factors(Channel(a, o=o), zero_point, low, high)
    halves = [a * x + o + Fraction(1, 2) for x in range(low, high + 1)]
    expected = [clamp(floor(half) + zero_point) for half in halves]
    assert (a.denominator == 2 and o) or sum(half.denominator == 1 for half in halves) > 5
    assert codes(factors, low, high) == expected


@given(
    fractions,
    st.fractions(min_value=-200, max_value=200, max_denominator=100),
    st.fractions(min_value=Fraction(1, 100), max_value=900, max_denominator=100),
    fractions,
    st.sampled_from(ZERO_POINTS),
)
def test_every_code_behind_batch_norm(a: Fraction, b: Fraction, r: Fraction, o: Fraction, zero_point: int) -> None:
    """Irrational slopes against decimals of 100 digits."""
    low, high = -250, 250
    with localcontext() as context:
        context.prec = 100
        root = (Decimal(r.numerator) / r.denominator).sqrt()

        def code(x: int) -> int:
            p, q = a * x + b, o + Fraction(1, 2)
            y = Decimal(p.numerator) / p.denominator / root + Decimal(q.numerator) / q.denominator
            return clamp(int(y.to_integral_value("ROUND_FLOOR")) + zero_point)

        expected = [code(x) for x in range(low, high + 1)]
    assert codes(rescale_factors(Channel(a, b, r, o), zero_point, low, high), low, high) == expected


@pytest.mark.parametrize("a", [Fraction(10**12), Fraction(-(10**12)), Fraction(1, 10**30), Fraction(0)])
def test_slopes_beyond_what_a_multiplier_holds(a: Fraction) -> None:
    """All codes in one step, or none at all."""
    for zero_point in ZERO_POINTS:
        expected = [clamp(floor(a * x + Fraction(1, 2)) + zero_point) for x in range(-9, 10)]
        assert codes(rescale_factors(Channel(a), zero_point, -9, 9), -9, 9) == expected


def test_wide_accumulators() -> None:
    """512 channels whose codes change somewhere within ±2^23: the step's two sides, in exact arithmetic."""
    rng, high = np.random.default_rng(0), 2**23
    channels = [
        Channel(Fraction(1)).normalized(Fraction(int(m)), Fraction(v), Fraction(g), Fraction(b)).scaled(Fraction(16))
        for m, v, g, b in zip(
            rng.normal(0, 1e6, 512), rng.uniform(1e10, 1e12, 512), rng.normal(0, 1, 512), rng.normal(0, 1, 512),
            strict=True,
        )
    ]  # fmt: skip
    node = Rescale("r", "x", "q", *rescaling(channels, 128, -high, high), 128)
    for index, channel in enumerate(channels):
        one = Rescale("r", "x", "q", *(v[index : index + 1] for v in (node.multiplier, node.offset, node.shift)), 128)
        x = np.sort(rng.integers(-high, high + 1, 40)).astype(np.int32)
        for value, code in zip(x.tolist(), one.evaluate(x[:, None, None, None]).ravel().tolist(), strict=True):
            assert code == -128 or channel.sign_at(value, code - Fraction(1, 2)) >= 0
            assert code == 127 or channel.sign_at(value, code + Fraction(1, 2)) < 0


def test_the_channel_without_factors_is_named() -> None:
    """Steps at 255 places in 2^31 inputs that no line with a slope of 31 bits meets."""
    uneven = Channel(1 / Fraction(2**23 * 610 + 377, 610))
    with pytest.raises(Inexact, match="channel 1") as mistake:
        rescaling([Channel(Fraction(1)), uneven, Channel(Fraction(2))], 128, -(2**30), 2**30)
    assert mistake.value.channel == 1
