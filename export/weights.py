# SPDX-License-Identifier: Apache-2.0
"""Real-valued weights that lie on a grid already: the integers and the scale of each output channel."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from trit.export.graph import Int8Array, WeightKind

MOST = 127
# Weights come as products of integer and scale, rounded to float32: they are off by 127·2^-23 of the scale at most.
TOLERANCE = 2e-5


@dataclass(frozen=True)
class GridWeights:
    """weights[o] = scales[o]·values[o]; float32 rounding of the products aside."""

    values: Int8Array
    scales: list[Fraction]  # (O,), positive
    kind: WeightKind


def kind_of(values: npt.NDArray[Any]) -> WeightKind:
    """The narrowest kind that holds the integers."""
    if np.abs(values).max(initial=0) > 1:
        return "int8"
    return "binary" if values.all() else "ternary"


def grid_weights(weights: npt.NDArray[Any]) -> GridWeights | None:
    """The weights (O, …) as integers -127..127 times a scale an output channel, or None where they have no such grid.

    The coarsest grid of each channel is taken: {-s, s} and {-s, 0, s} give -1, 0, 1.
    """
    rows = np.asarray(weights, np.float64).reshape(len(weights), -1)
    if rows.size == 0 or not np.isfinite(rows).all():
        return None
    greatest = np.abs(rows).max(axis=1)
    unit = np.where(greatest == 0, 1.0, greatest)  # of a channel without weights
    steps = _steps(rows[:, : 4 * MOST] / unit[:, None], rows / unit[:, None])
    if steps is None:
        return None
    values = np.rint(rows / unit[:, None] * steps[:, None]).astype(np.int8)
    scales = [Fraction(float(top)) / int(count) for top, count in zip(unit, steps, strict=True)]
    return GridWeights(values.reshape(np.shape(weights)), scales, kind_of(values))


def rounded_weights(weights: npt.NDArray[Any]) -> GridWeights:
    """The nearest int8 weights, 127 the greatest of each output channel: off by 1/254 of that at most."""
    rows = np.asarray(weights, np.float64).reshape(len(weights), -1)
    greatest = np.abs(rows).max(axis=1)
    unit = np.where(greatest == 0, 1.0, greatest)
    values = np.rint(rows / unit[:, None] * MOST).astype(np.int8)
    return GridWeights(values.reshape(np.shape(weights)), [Fraction(float(top)) / MOST for top in unit], "int8")


def _steps(sample: npt.NDArray[np.float64], rows: npt.NDArray[np.float64]) -> npt.NDArray[np.int64] | None:
    """How many steps of each row's grid its greatest magnitude, 1, is: the least number that fits all its weights."""
    found = np.zeros(len(rows), np.int64)
    for count in range(1, MOST + 1):
        open_rows = np.flatnonzero(found == 0)
        open_rows = open_rows[_fits(sample[open_rows], count)]
        found[open_rows[_fits(rows[open_rows], count)]] = count
        if found.all():
            return found
    return None


def _fits(rows: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.bool_]:
    scaled = rows * count
    return np.asarray((np.abs(scaled - np.rint(scaled)) < TOLERANCE).all(axis=1))
