# SPDX-License-Identifier: Apache-2.0
"""Fits the compact model of the sense amplifier (sense.py) to its circuit (circuit.py), for any transistor library.

At each operating point of a grid, reads of random pairs with random threshold shifts are simulated until they decide.
The coefficients minimise the squared error of ln t, from several starts, and with a normal prior around a neighbouring
point's: near threshold the reads alone would leave some of them open, and what lies between two points is interpolated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from trit.runtime.errors import MissingExtra
from trit.targets.rram.circuit import Process, Reads, simulate, version
from trit.targets.rram.operating_point import CORNERS, OperatingPoint
from trit.targets.rram.sense import POSITIVE, Coefficients, Technology, decision_time, imbalance

try:
    from scipy.optimize import least_squares
except ImportError:
    raise MissingExtra("scipy", "calibrate") from None

FloatArray = npt.NDArray[np.float64]
Array = npt.NDArray[Any]
Pairs = tuple[FloatArray, FloatArray, FloatArray, FloatArray]

VDD = (0.6, 0.65, 0.7, 0.75, 0.8, 0.9, 1.0, 1.2, 1.5, 1.8)  # V
TEMPERATURE = (-40.0, 27.0, 85.0)  # °C
CAPACITANCE = (30e-15, 100e-15, 200e-15)  # F
TIME_READS, ENERGY_READS = 300, 8  # pairs at each operating point; those for energy are read thrice
RESISTANCE = (2e3, 6e5, 2e6)  # Ω: the lower device's range, and the upper limit of the other
SHIFT_DEVIATION = 13e-3  # V
LONGEST = 100e-6  # s, after which a read counts as undecided
PRECHARGED = 0.95  # of VDD, which an output must have reached

TIMES = 13  # coefficients of the decision time, before those of the energy
# The first prior, and from one point to a neighbouring one: one standard deviation, of logarithms for the positive
# coefficients. beta and r_s have the same prior everywhere: gm/I in weak inversion at n = 1.14, and the resistance
# that balanced pairs show at 0.65-1.2 V, both of which are known better than a neighbour tells.
START = Coefficients(0.1e-9, 0.8, 0.9, 0.1e-9, 1.0, 60, 5e3, 34, 1.8e5, 1, 2, 40, 10, v_b=0, q_0=0, q_1=0)
FIRST_STEP = np.array([2, 1, 0.2, 2, 1, 1, 3, 0.06, 0.25, 10, 10, 100, 5])
STEP = np.array([1, 0.3, 0.1, 1.5, 0.7, 0.5, 1.5, 0.06, 0.25, 2, 2, 30, 3])
STARTS = 4  # of the minimisation: the prior's mean, and draws around it
ACCURACY = 0.03  # of ln t, of one simulated read against the model
SHIFT_ACCURACY = 0.6e-3  # V: a read's weight falls where so small a shift moves its time
ENERGY_ACCURACY, OUTPUT_CHARGE = 0.05, 0.5e-15  # relative, and standard deviation of q_1 in C
OUTLIER = 0.4  # of ln t, from where an error counts linearly
REWEIGHTINGS = 8  # of the reads, as their weights follow the fit


def calibrate(
    process: Process,
    name: str,
    *,
    vdd: tuple[float, ...] = VDD,
    temperature: tuple[float, ...] = TEMPERATURE,
    capacitance: tuple[float, ...] = CAPACITANCE,
    corners: tuple[str, ...] = CORNERS,
    progress: Callable[[str], None] | None = None,
) -> Technology:
    """The technology of this process, from simulations at every combination of the axes and corners.

    About 2 s a combination on two cores. Corners that are left out have no coefficients. `progress` is told what has
    been done. Raises Unavailable without ngspice, TritError if it fails.
    """
    simulator = version()
    table = np.full((len(CORNERS), len(vdd), len(temperature), len(capacitance), len(START)), np.nan)
    # From the middle of the axes outwards, and typical transistors first: each is fitted near what is known.
    combinations = list(product(corners, _outwards(temperature), _outwards(capacitance)))
    known: dict[float, Coefficients] = {}  # by supply
    for done, (corner, at_temperature, at_load) in enumerate(combinations):
        degrees, load = temperature[at_temperature], capacitance[at_load]
        nearest, step = START, FIRST_STEP
        for at_vdd in np.argsort(vdd)[::-1]:
            point = OperatingPoint(vdd[at_vdd], LONGEST, load, degrees, corner)
            if point.vdd in known:
                nearest, step = known[point.vdd], STEP
            fitted = _fit_point(process, point, _prior(point, nearest), step)
            if fitted is not None:
                table[CORNERS.index(corner), at_vdd, at_temperature, at_load] = fitted
                known.setdefault(point.vdd, fitted)
                nearest, step = fitted, STEP
        if progress is not None:
            progress(f"{done + 1} of {len(combinations)}: {corner}, {degrees:g} °C, {load * 1e15:g} fF")
    return Technology(
        name,
        f"simulated: ngspice {simulator}, {process.library.name}",
        hashlib.sha256(process.library.read_bytes()).hexdigest(),
        process.width,
        process.length,
        process.precharge,
        vdd,
        temperature,
        capacitance,
        table,
    )


def _outwards(axis: tuple[float, ...]) -> list[int]:
    return sorted(range(len(axis)), key=lambda i: abs(i - (len(axis) - 1) / 2))


def draw_pairs(rng: np.random.Generator, count: int) -> Pairs:
    """Devices of bit line and complement in Ω and their shifts in V, (count,) each; half of them are nearly alike."""
    low, high, limit = RESISTANCE
    smaller = np.exp(rng.uniform(np.log(low), np.log(high), count))
    ratio = np.where(rng.random(count) < 0.5, rng.exponential(0.35, count), rng.uniform(0, 5, count))
    larger = np.minimum(smaller * np.exp(ratio), limit)
    swapped = rng.random(count) < 0.5
    shifts = rng.normal(0, SHIFT_DEVIATION, (count, 2)) * (rng.random((count, 1)) < 0.75)
    return np.where(swapped, larger, smaller), np.where(swapped, smaller, larger), shifts[:, 0], shifts[:, 1]


def _prior(point: OperatingPoint, nearest: Coefficients) -> FloatArray:
    """Mean of the prior at the point, `nearest` being a neighbour's coefficients."""
    beta = START.beta * 300 / (point.temperature + 273)
    return _to_vector(nearest._replace(beta=beta, r_s=START.r_s))


def _fit_point(process: Process, point: OperatingPoint, prior: FloatArray, step: FloatArray) -> Coefficients | None:
    """Coefficients at the point; None if the precharge does not complete or most reads stay undecided."""
    rng = np.random.default_rng(0)  # the same pairs at each point, so that their noise is not taken for a trend
    pairs = draw_pairs(rng, TIME_READS)
    reads = simulate(process, point, *pairs)
    decided = np.isfinite(reads.times)
    if reads.precharged.min() < PRECHARGED or decided.mean() < 0.9:
        return None
    fits = []
    for start in range(STARTS):
        away = rng.normal(0, 0.7 if start else 0, TIMES)
        fits.append(fit_times(point, pairs, reads, decided, prior, step, prior + away * step))
    vector, _ = min(fits, key=lambda fit: fit[1])
    return _fit_energy(process, point, _to_coefficients(vector))


def fit_times(
    point: OperatingPoint,
    pairs: Pairs,
    reads: Reads,
    chosen: npt.NDArray[np.bool_],
    prior: FloatArray,
    step: FloatArray,
    start: FloatArray,
) -> tuple[FloatArray, float]:
    """The decision time's coefficients, logarithms of the positive ones, that fit the chosen reads, and the fit's cost.

    They are sought from `start`; `prior` and `step` are mean and standard deviation of their prior.
    """
    first = reads.values[chosen] > 0
    device, other, shift, of_other = (values[chosen] for values in pairs)
    winner, loser = np.where(first, device, other), np.where(first, other, device)
    of_winner, of_loser = np.where(first, shift, of_other), np.where(first, of_other, shift)
    measured = np.log(reads.times[chosen])

    def model(vector: FloatArray, difference: float = 0.0) -> tuple[Array, Array]:
        """ln t, and ξ counted positive for the line that won in the circuit."""
        c = _to_coefficients(vector)
        d_w, d_l = of_winner + difference / 2, of_loser - difference / 2
        xi = imbalance(c, winner, loser, d_w, d_l)
        return np.log(decision_time(c, point.bit_line_capacitance, winner, loser, d_w, d_l, xi)), xi

    def weights(vector: FloatArray) -> Array:
        sensitivity = abs(model(vector, SHIFT_ACCURACY)[0] - model(vector, -SHIFT_ACCURACY)[0])
        error = model(vector)[0] - measured
        return 1 / ((1 + sensitivity / OUTLIER) * np.sqrt(1 + (error / OUTLIER) ** 2))

    vector, cost = start, np.inf
    for _ in range(REWEIGHTINGS):
        weight = weights(vector)

        def residuals(at: FloatArray, weight: Array = weight) -> FloatArray:
            logarithm, xi = model(at)
            wrong = np.minimum(xi, 0)  # the model decides for the other line
            return np.concatenate(
                [
                    weight * (logarithm - measured) / ACCURACY,
                    weight * wrong / ACCURACY,
                    (at - prior) / step,
                ]
            )

        with np.errstate(over="ignore", invalid="ignore"):  # of steps that are not taken
            found = least_squares(residuals, vector, x_scale=step)
        vector, cost = found.x, found.cost
    return vector, float(cost)


def _fit_energy(process: Process, point: OperatingPoint, c: Coefficients) -> Coefficients:
    """`c` with the coefficients of the energy, which are linear in them: least squares of relative errors."""
    load = point.bit_line_capacitance
    bit_line, complement, _, _ = draw_pairs(np.random.default_rng(1), ENERGY_READS)
    lower, higher = np.minimum(bit_line, complement), np.maximum(bit_line, complement)
    none = np.zeros_like(bit_line)
    xi = imbalance(c, bit_line, complement, none, none)
    times = decision_time(c, load, lower, higher, none, none, xi)
    rows, energies = [], []
    # While the lines are discharging, and when some and most outputs have fallen.
    for read_time in (0.5 * load * np.median(lower), *np.quantile(times, [0.3, 0.8])):
        at = OperatingPoint(point.vdd, float(read_time), load, point.temperature, point.corner)
        energies.append(simulate(process, at, bit_line, complement, energy=True).energy)
        discharged = sum(load * (1 - np.exp(-read_time / ((r + c.r_k) * load))) for r in (bit_line, complement))
        rows.append(np.stack([discharged, np.ones_like(times), times <= read_time], axis=1))
    matrix, energy = np.concatenate(rows), np.concatenate(energies)
    # Where almost every read falls early, only a prior tells the output's charge from the lines'.
    matrix = np.concatenate([matrix * point.vdd / energy[:, None], [[0, 0, ENERGY_ACCURACY / OUTPUT_CHARGE]]])
    solution = np.linalg.lstsq(matrix, np.append(np.ones_like(energy), 0), rcond=None)[0]
    return Coefficients(*c[:TIMES], *(float(x) for x in solution))


def _to_vector(c: Coefficients) -> FloatArray:
    """The decision time's coefficients, logarithms of the positive ones."""
    return np.array([*np.log(c[:POSITIVE]), *c[POSITIVE:TIMES]])


def _to_coefficients(vector: FloatArray) -> Coefficients:
    values = [*np.exp(vector[:POSITIVE]), *vector[POSITIVE:]]
    return Coefficients(*(float(x) for x in values), *START[TIMES:])
