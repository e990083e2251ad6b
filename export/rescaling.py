# SPDX-License-Identifier: Apache-2.0
"""Multipliers, offsets and shifts whose integer staircase is exactly the one that real arithmetic gives.

A rescaled channel is q(x) = clamp(⌊y(x) + 1/2⌋ + z, 0, 255), y in units of the output's scale: monotone in the integer
x, so that it is known by the first x of each of its 255 steps. An integer line x·multiplier + offset, cut into codes by
the shift, climbs the same steps if its offset lies in an interval that each step bounds on either side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from math import frexp, lcm
from typing import Any

import numpy as np
import numpy.typing as npt

from trit.export.exact import Channel
from trit.export.graph import Int32Array, Int64Array, UInt8Array
from trit.export.operators.rescale import MAX_CODE, OFFSET_LIMIT

STEPS = range(1, MAX_CODE + 1)  # codes that a step leads to
MOST_SHIFT = 53  # keeps code << shift below 2^61
Factors = tuple[int, int, int]  # multiplier, offset, shift
Integers = npt.NDArray[Any]  # of Python's, which do not overflow


class Inexact(ValueError):
    """No multiplier, offset and shift give a channel's codes; `channel` is its index."""

    def __init__(self, channel: int) -> None:
        super().__init__(f"channel {channel} has no exact multiplier")
        self.channel = channel


def rescaling(
    channels: list[Channel], zero_point: int, low: int, high: int
) -> tuple[Int32Array, Int64Array, UInt8Array]:
    """Multiplier, offset and shift of each channel, exact for every integer x in low..high.

    clamp((x·multiplier + offset) >> shift, 0, 255) = clamp(⌊y(x) + 1/2⌋ + zero_point, 0, 255), y as `channels` say.
    Raises Inexact where 31 bits of multiplier do not do.
    """
    known: dict[Channel, Factors] = {}
    for index, channel in enumerate(channels):
        if channel not in known:
            found = rescale_factors(channel, zero_point, low, high)
            if found is None:
                raise Inexact(index)
            known[channel] = found
    multiplier, offset, shift = zip(*(known[channel] for channel in channels), strict=True)
    return np.array(multiplier, np.int32), np.array(offset, np.int64), np.array(shift, np.uint8)


def rescale_factors(channel: Channel, zero_point: int, low: int, high: int) -> Factors | None:
    """(multiplier, offset, shift) of one channel, or None."""
    if channel.a < 0:
        mirrored = rescale_factors(replace(channel, a=-channel.a), zero_point, -high, -low)
        return mirrored and (-mirrored[0], *mirrored[1:])
    firsts = _first_inputs(channel, zero_point, low, high)
    return _through(np.array(STEPS, np.int64), firsts, channel.rounded()[0], low, high)


def climbing(firsts: Mapping[int, int], low: int, high: int, falls: bool) -> Factors | None:
    """(multiplier, offset, shift) of the staircase that reaches each code from its first x on, or None.

    Where it `falls`, the code is left with that x. Codes that are not named may be anything below those that are.
    """
    codes = np.array(list(firsts), np.int64)
    inputs = np.clip(np.array(list(firsts.values()), np.int64), low, high + 1)
    if falls:
        mirrored = climbing(dict(zip(codes.tolist(), (1 - inputs).tolist(), strict=True)), -high, -low, False)
        return mirrored and (-mirrored[0], *mirrored[1:])
    slope = _slope(codes, inputs, low, high)
    return None if slope is None else _through(codes, inputs, slope, low, high)


def _slope(codes: Int64Array, firsts: Int64Array, low: int, high: int) -> float | None:
    """The middle of the slopes of lines that are below a code before its first x and reach it there; None: no line.

    For codes c with first x f: c_i - slope·f_i <= offset < c_j - slope·(f_j - 1) for all i and j.
    """
    reached, avoided = firsts <= high, firsts > low
    rise = codes[avoided][None, :] - codes[reached][:, None]
    run = firsts[avoided][None, :] - 1 - firsts[reached][:, None]
    if (rise[run == 0] <= 0).any():
        return None
    most = (rise[run > 0] / run[run > 0]).min(initial=np.inf)
    least = max(0.0, (rise[run < 0] / run[run < 0]).max(initial=-np.inf))
    if least > most:
        return None
    return float(least if np.isinf(most) else (least + most) / 2)


def _through(codes: Int64Array, firsts: Int64Array, slope: float, low: int, high: int) -> Factors | None:
    for multiplier, shift in _multipliers(slope):
        least, most = _offsets(codes, firsts, multiplier, shift, low, high)
        if least <= most:
            return multiplier, (least + most) // 2, shift
    return None


def _first_inputs(channel: Channel, zero_point: int, low: int, high: int) -> Int64Array:
    """The least x in low..high whose code is at least 1, 2, … 255; high + 1 where there is none."""
    slope, intercept = channel.rounded()
    levels = np.array(STEPS) - zero_point - 0.5
    with np.errstate(all="ignore"):  # a slope of 0 gives infinities, which are clipped
        guess = np.nan_to_num(np.ceil((levels - intercept) / slope))
    first = np.clip(guess, low, high + 1).astype(np.int64).astype(object)
    reaches = _Reaches(channel, zero_point)
    right = ((first == low) | ~reaches(first - 1)) & ((first == high + 1) | reaches(first))
    for index in np.flatnonzero(~right):
        first[index] = _search(channel, Fraction(levels[index]), low, high)
    return np.asarray(first, np.int64)


class _Reaches:
    """Which of the steps an x for each has reached: the sign of (a·x + b)/√r + o - level, in integers."""

    def __init__(self, channel: Channel, zero_point: int) -> None:
        common = lcm(*(f.denominator for f in (channel.a, channel.b, channel.o)))
        self.a, self.b = int(2 * common * channel.a), int(2 * common * channel.b)
        twice = 2 * np.array(STEPS, object) - 2 * zero_point - 1  # of the levels
        self.q = int(2 * common * channel.o) - common * twice
        self.square = self.q * self.q * channel.r.numerator
        self.denominator = channel.r.denominator

    def __call__(self, x: Integers) -> npt.NDArray[np.bool_]:
        p = self.a * x + self.b
        square = p * p * self.denominator  # of p/√r, beside q²
        p_outweighs, q_outweighs = square >= self.square, square <= self.square
        reached = np.where(p >= 0, (self.q >= 0) | p_outweighs, (self.q >= 0) & q_outweighs)
        return np.asarray(reached, np.bool_)


def _search(channel: Channel, level: Fraction, low: int, high: int) -> int:
    """The least x in low..high with y(x) >= level, or high + 1; where floating point misjudged it."""
    high += 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if channel.sign_at(middle, level) >= 0 else (middle + 1, high)
    return low


def _multipliers(slope: float) -> Iterator[tuple[int, int]]:
    """Multipliers of 31 bits, the nearest to the slope first, and their shift."""
    shift = min(MOST_SHIFT, max(0, 31 - frexp(slope)[1]))
    nearest = round(slope * 2.0**shift)
    for multiplier in (nearest, nearest + 1, nearest - 1):
        yield min(max(multiplier, 0), 2**31 - 1), shift


def _offsets(
    codes: Int64Array, firsts: Int64Array, multiplier: int, shift: int, low: int, high: int
) -> tuple[int, int]:
    """Least and greatest offset with which the multiplier climbs to the codes at `firsts`."""
    sums = codes << shift
    at_least = (sums - multiplier * firsts)[firsts <= high]
    at_most = (sums - 1 - multiplier * (firsts - 1))[firsts > low]
    limit = OFFSET_LIMIT - 1
    return max([-limit, *at_least.tolist()]), min([limit, *at_most.tolist()])
