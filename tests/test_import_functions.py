# SPDX-License-Identifier: Apache-2.0
"""Exact functions of an integer and grids of weights, against brute force over every integer."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trit.export.importer.functions import (
    Domain,
    Function,
    NotDiscrete,
    Piece,
    Rounding,
    add_pieces,
    common_divisor,
    constant,
    keep,
    multiply_pieces,
)
from trit.export.rescaling import climbing
from trit.export.weights import grid_weights, rounded_weights

ZERO, ONE = Fraction(0), Fraction(1)
eighths = st.integers(-40, 40).map(lambda n: Fraction(n, 8))  # with ties of every kind
ROUNDINGS: dict[Rounding, Callable[[Fraction], int]] = {
    "even": round,
    "floor": floor,
    "ceil": ceil,
    "zero": int,
    "away": lambda z: ceil(z) if z > 0 else floor(z),
    "half_up": lambda z: floor(z + Fraction(1, 2)),
    "half_away": lambda z: floor(z + Fraction(1, 2)) if z > 0 else ceil(z - Fraction(1, 2)),
    "half_zero": lambda z: ceil(z - Fraction(1, 2)) if z > 0 else floor(z + Fraction(1, 2)),
}


def values(function: Function) -> list[Fraction]:
    domain = function.domain
    return [function.at(x) for x in range(domain.low, domain.high + 1, domain.step)]


@given(eighths, eighths, st.sampled_from(sorted(ROUNDINGS)), eighths, eighths, eighths)
def test_a_chain_of_steps(
    a: Fraction, b: Fraction, rounding: Rounding, low: Fraction, c: Fraction, t: Fraction
) -> None:
    """Clipped, rounded, scaled and compared, in every order of signs."""
    domain = Domain(-9, 12, 3)
    function = Function.line(domain, a, b).clipped(low, low + 3).rounded(rounding)
    expected = [Fraction(ROUNDINGS[rounding](min(max(a * x + b, low), low + 3))) for x in range(-9, 13, 3)]
    assert values(function) == expected
    if c > 0 or rounding != "half_up":
        scaled = function.affine(c, t)
        assert values(scaled) == [c * y + t for y in expected]
        three = [constant(Fraction(n)) for n in (-1, 0, 1)]
        signs = scaled.choose(t, lambda _: three[0], lambda _: three[1], lambda _: three[2])
        assert values(signs) == [(c * y > 0) - (c * y < 0) for y in expected]
        levels = signs.levels()
        assert [value for _, value in levels] == [
            v for i, v in enumerate(values(signs)) if i == 0 or values(signs)[i - 1] != v
        ]


@given(eighths, eighths, st.sampled_from(sorted(ROUNDINGS)))
def test_levels_of_a_rounded_line(a: Fraction, b: Fraction, rounding: Rounding) -> None:
    domain = Domain(-20, 20)
    function = Function.line(domain, a, b).rounded(rounding)
    found = dict(function.levels())
    current, every = ZERO, []
    for x in range(-20, 21):
        current = found.get(x, current)
        every.append(current)
    assert every == values(function)


def test_what_no_integer_reaches_is_left_out() -> None:
    """Sums of an odd number of ±1 are never 0, so that a sign is binary."""
    three = [constant(Fraction(n)) for n in (-1, 0, 1)]
    for taps, count in ((5, 2), (6, 3)):
        line = Function.line(Domain(-taps, taps, 2), ONE)
        assert len(line.choose(ZERO, *(lambda _, n=n: n for n in three)).pieces) == count


def test_functions_of_one_integer_are_joined() -> None:
    domain = Domain(-5, 5)
    line = Function.line(domain, ONE, Fraction(1, 2))
    bit = line.choose(ZERO, lambda _: constant(ZERO), keep, lambda _: constant(ONE))
    assert values(line.combine(line, add_pieces)) == [2 * y for y in values(line)]
    assert values(line.combine(bit, multiply_pieces)) == [max(y, ZERO) for y in values(line)]
    with pytest.raises(ValueError, match="both vary"):
        line.combine(line, multiply_pieces)
    with pytest.raises(NotDiscrete):
        Function.line(Domain(0, 1000), ONE).levels()


def test_rounding_halves_upwards_does_not_mirror() -> None:
    with pytest.raises(ValueError, match="halves upwards"):
        Piece(ONE / 2, ZERO).rounded("half_up").affine(-ONE, ZERO)


def test_the_greatest_common_divisor_of_fractions() -> None:
    assert common_divisor([Fraction(3, 4), Fraction(-1, 2), ZERO]) == Fraction(1, 4)
    assert common_divisor([]) == 0


@given(st.integers(1, 5000), st.integers(-9999, 9999), st.integers(2, 255), st.booleans())
def test_a_climbing_line_has_the_steps_of_any_line(slope: int, start: int, top: int, falls: bool) -> None:
    low, high = -300, 300
    codes = [min(max(((-x if falls else x) * slope + start) // 999, 0), top) for x in range(low, high + 1)]
    order = range(high, low - 1, -1) if falls else range(low, high + 1)
    firsts = {}
    for code in range(1, 256):
        reached = [x for x in order if codes[x - low] >= code]
        firsts[code] = (max(reached) + 1 if falls else min(reached)) if reached and code <= top else None
    named = {code: x for code, x in firsts.items() if x is not None}
    if not named:
        return
    factors = climbing(named, low, high, falls)
    assert factors is not None
    multiplier, offset, shift = factors
    assert [min(max((x * multiplier + offset) >> shift, 0), top) for x in range(low, high + 1)] == codes


@pytest.mark.parametrize("grid", [[-1, 1], [-1, 0, 1], [-2, -1, 0, 1], list(range(-127, 128))])
def test_weights_on_a_grid_are_found(grid: list[int]) -> None:
    rng = np.random.default_rng(0)
    integers = rng.choice(grid, (7, 90)).astype(np.int8)
    integers[:, 0] = max(grid)
    scales = rng.uniform(0.001, 100, 7).astype(np.float32)
    found = grid_weights(integers * scales[:, None])
    assert found is not None
    assert found.kind == {2: "binary", 3: "ternary"}.get(len(grid), "int8")
    given = found.values * np.array([float(scale) for scale in found.scales])[:, None]
    np.testing.assert_allclose(given, integers * scales[:, None], rtol=1e-6)
    if len(grid) < 9:  # finer grids may have a coarser one in a row
        np.testing.assert_array_equal(found.values, integers)


def test_weights_on_no_grid() -> None:
    weights = np.random.default_rng(0).normal(0, 1, (3, 50)).astype(np.float32)
    assert grid_weights(weights) is None
    assert grid_weights(np.full((2, 2), np.nan)) is None
    rounded = rounded_weights(weights)
    errors = np.abs(rounded.values * np.array([[float(s)] for s in rounded.scales]) - weights)
    assert (errors <= np.abs(weights).max(axis=1, keepdims=True) / 253).all()
    zeros = grid_weights(np.zeros((2, 3), np.float32))
    assert zeros is not None and zeros.kind == "ternary" and not zeros.values.any()
