# SPDX-License-Identifier: Apache-2.0
"""The compact model of the sense amplifier against its circuit: the same pairs and mismatches through both.

None of the pairs is one that calibrate.py fitted to, and most operating points lie between those of its grid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from trit.targets.rram.circuit import Process, simulate
from trit.targets.rram.operating_point import OperatingPoint
from trit.targets.rram.sense import Technology, mismatch_deviation

Array = npt.NDArray[Any]

LONGEST = 100e-6  # s
POINTS = (
    *(OperatingPoint(vdd, LONGEST) for vdd in (0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 1.8)),
    OperatingPoint(0.68, LONGEST, 60e-15, 55.0, "tt"),
    OperatingPoint(0.77, LONGEST, 60e-15, 55.0, "ss"),
    OperatingPoint(0.85, LONGEST, 50e-15, 0.0, "fs"),
    OperatingPoint(1.1, LONGEST, 150e-15, -20.0, "ff"),
    OperatingPoint(1.35, LONGEST, 80e-15, 60.0, "sf"),
)
LRS, LRS_SIGMA = 5e3, 0.25  # Ω, and the standard deviation of ln R
HRS, HRS_SIGMA = (100e3, 350e3), 0.6
MISMATCH = 3.5e-9  # A_Vt in V·m, of the order of published 130 nm processes
SAMPLING = (1 / 3, 1 / 2, 2 / 3)  # read times, from LRS/HRS's to HRS/HRS's decision on a logarithmic scale
RATE_RATIO, RATE_DIFFERENCE, TIME_ERROR = 1.5, 0.002, 0.15  # what counts as agreement


@dataclass(frozen=True)
class Times:
    """When one pair decides, in s, without mismatch."""

    point: OperatingPoint
    bit_line: float
    complement: float
    circuit: float
    model: float

    @property
    def agree(self) -> bool:
        return abs(self.model / self.circuit - 1) <= TIME_ERROR


@dataclass(frozen=True)
class Rates:
    """How often a weight is misread: ±1 as 0, 0 as ±1, and ±1 as ∓1, by the circuit and by the model."""

    point: OperatingPoint
    hrs: float
    draws: int
    circuit: tuple[float, float, float]
    model: tuple[float, float, float]

    @property
    def agree(self) -> bool:
        return all(_close(a, b) for a, b in zip(self.circuit, self.model, strict=True))


def check_times(technology: Technology, process: Process, points: Sequence[OperatingPoint] = POINTS) -> list[Times]:
    """LRS/HRS and nearly alike HRS/HRS pairs at each point. Raises Unavailable without ngspice."""
    bit_line = np.array([LRS, LRS, 90e3, 320e3])
    complement = np.array([*HRS, 100e3, 350e3])
    rows = []
    for point in points:
        circuit = simulate(process, point, bit_line, complement).times
        model = technology.decide(point, bit_line, complement).times
        rows += [
            Times(point, *(float(value) for value in values))
            for values in zip(bit_line, complement, circuit, model, strict=True)
        ]
    return rows


def check_rates(
    technology: Technology,
    process: Process,
    points: Sequence[OperatingPoint] = POINTS,
    draws: int = 2000,
    seed: int = 1,
    progress: Callable[[str], None] | None = None,
) -> list[Rates]:
    """Error rates at each point for both HRS and three read times, from as many draws of +1 as of 0.

    Devices are lognormal, the shifts normal. Raises Unavailable without ngspice.
    """
    rows = []
    for point in points:
        for hrs in HRS:
            pairs = draw_weights(np.random.default_rng(seed), draws, hrs, mismatch_deviation(technology, MISMATCH))
            reads = simulate(process, point, *pairs)
            model = technology.decide(point, *pairs)
            ends = technology.decide(point, np.array([LRS, hrs]), np.array([hrs, 1.1 * hrs])).times
            for share in SAMPLING:
                at = replace(point, read_time=float(ends[0] ** (1 - share) * ends[1] ** share))
                rates = [
                    error_rates(np.where(times <= at.read_time, signs, 0))
                    for times, signs in ((reads.times, reads.values), (model.times, model.signs))
                ]
                rows.append(Rates(at, hrs, draws, rates[0], rates[1]))
            if progress is not None:
                progress(f"{point.vdd:.2f} V, {point.corner}, HRS {hrs / 1e3:.0f} kΩ")
    return rows


def draw_weights(
    rng: np.random.Generator, count: int, hrs: float, mismatch: float
) -> tuple[Array, Array, Array, Array]:
    """`count` pairs that store +1 and then as many that store 0: devices in Ω, and their sides' shifts in V."""
    low = LRS * np.exp(rng.normal(0, LRS_SIGMA, count))
    high = hrs * np.exp(rng.normal(0, HRS_SIGMA, (3, count)))
    shifts = rng.normal(0, mismatch, (2, 2 * count))
    return np.concatenate([low, high[0]]), np.concatenate([high[1], high[2]]), shifts[0], shifts[1]


def error_rates(values: Array) -> tuple[float, float, float]:
    """Rates of ±1 read as 0, of 0 read as ±1, and of ±1 read as ∓1, in what `draw_weights`' pairs read as."""
    stored_one, stored_zero = np.split(values, 2)
    return float((stored_one == 0).mean()), float((stored_zero != 0).mean()), float((stored_one == -1).mean())


def _close(a: float, b: float) -> bool:
    return abs(a - b) <= RATE_DIFFERENCE + 1e-12 or max(a, b) <= RATE_RATIO * min(a, b)
