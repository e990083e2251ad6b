# SPDX-License-Identifier: Apache-2.0
"""A compact model of the read of a 2T2R synapse by its precharge sense amplifier: when it decides, and for which line.

Fitted to the circuit (calibrate.py), and much faster. With R and δ the devices' resistances and the threshold shifts
of the latch's nMOS, bl for the bit line, blb for its complement, w for the line that wins and l for the other:

    ξ = ln((R_blb + R'_blb) / (R_bl + R'_bl))·exp(-h·(δ_bl + δ_blb)/2) + β(√(R'_bl·R'_blb))·(δ_blb - δ_bl)
    R' = √(R² + R_k²),     β(R) = 2·β_0 / (1 + √(1 + 4·R_s / R))
    t = (τ + t_w + (τ_s + s·t_l)·ln(1 + k)/k)·exp(m·(δ_w + δ_l)/2 + d·(δ_w - δ_l) + e·(δ_w² - δ_l²)/2)
    t_x = a·C·R_0·(R_x / R_0)^p,     k = K·(exp|ξ| - 1)

The bit line wins where ξ > 0. β is gm/I of the latch's nMOS at the current that the device lets through: 1/(n·kT/q) in
weak inversion, for high R, and less for low. R_k is where the transistors in series limit that current: far above it a
device counts by the logarithm of its resistance, far below by its resistance only, which near threshold is next to
nothing. Thresholds that are higher on both sides let the devices count less, as a lower supply does: h.

A line's own discharge t_x is slightly sublinear in R, as a slower line turns its latch transistor on at a smaller
swing. The term with k is the delay of a latch whose sides are nearly alike: two cross-coupled transistors in weak
inversion, dq/dt ∝ -exp(q_b) and dq_b/dt ∝ -exp(q), keep exp(q) - exp(q_b) constant, and integrate to ln(1 + k)/k. The
winner gains on the loser while the loser's line discharges, so that this delay goes with the loser's resistance.

    energy = VDD·(C·V_b·Σ(1 - exp(-t_read / ((R + R_k)·C))) + Q_0 + Q_1·[t ≤ t_read])

is what one read and the precharge after it draw from VDD: the lines' charge, the amplifier's own, and that of the
output that fell.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from trit.runtime.errors import TritError
from trit.runtime.files import write_atomic
from trit.targets.rram.operating_point import CORNERS, OperatingPoint

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
Int8Array = npt.NDArray[np.int8]

REFERENCE_RESISTANCE = 10e3  # R_0 in Ω
BLOCK = 1 << 14  # pairs whose intermediate results stay in the cache


class Coefficients(NamedTuple):
    """The model's coefficients at one operating point: times in s, resistances in Ω, the shifts' in 1/V and 1/V²."""

    tau: float
    a: float
    p: float
    tau_s: float
    s: float
    k: float
    r_k: float
    beta: float
    r_s: float
    m: float
    d: float
    e: float
    h: float
    v_b: float  # V
    q_0: float  # C
    q_1: float


UNITS = Coefficients(1e-9, 1, 1, 1e-9, 1, 1, 1e3, 1, 1e3, 1, 1, 1, 1, 1, 1e-15, 1e-15)  # of the numbers in a file


POSITIVE = 9  # the first ones are positive, and fitted and interpolated as logarithms


class Decisions(NamedTuple):
    """What the amplifier comes to: the time after SEN in s, and +1 where the bit line wins, else -1."""

    times: FloatArray
    signs: Int8Array


def imbalance(
    c: Coefficients, bit_line: Array, complement: Array, shift_bit_line: Array | float, shift_complement: Array | float
) -> Array:
    """ξ, of resistances in Ω and shifts in V."""
    total, other = (np.sqrt(r * r + c.r_k * c.r_k) for r in (bit_line, complement))
    gain = 2 * c.beta / (1 + np.sqrt(1 + 4 * c.r_s / np.sqrt(total * other)))
    devices = np.log((complement + other) / (bit_line + total))
    weight = np.exp(-c.h * (np.asarray(shift_bit_line) + shift_complement) / 2)
    return np.asarray(devices * weight + gain * (np.asarray(shift_complement) - shift_bit_line))


def tie(c: Coefficients, xi: Array) -> Array:
    """ln(1 + k)/k: 1 for sides that are alike, 0 for ones that are not."""
    k = c.k * np.expm1(np.minimum(np.abs(xi), 20.0)) + 1e-12
    return np.asarray(np.log1p(k) / k)


def decision_time(
    c: Coefficients,
    capacitance: float,
    winner: Array,
    loser: Array,
    shift_winner: Array,
    shift_loser: Array,
    xi: Array,
) -> Array:
    """t, in s."""
    line, other = (
        c.a * capacitance * REFERENCE_RESISTANCE * (r / REFERENCE_RESISTANCE) ** c.p for r in (winner, loser)
    )
    mean, difference = (shift_winner + shift_loser) / 2, shift_winner - shift_loser
    shifted = np.exp(c.m * mean + difference * (c.d + c.e * mean))
    return np.asarray((c.tau + line + (c.tau_s + c.s * other) * tie(c, xi)) * shifted)


@dataclass(frozen=True)
class Technology:
    """A sense amplifier in some process: the table of the compact model's coefficients, and where it comes from.

    width and length of the latch's transistors and precharge time, in m and s; the axes in V, °C and F; coefficients
    `[corner][vdd][temperature][capacitance][coefficient]`, NaN where the precharge does not complete.
    """

    name: str
    source: str
    sha256: str
    width: float
    length: float
    precharge: float
    vdd: tuple[float, ...]
    temperature: tuple[float, ...]
    capacitance: tuple[float, ...]
    coefficients: FloatArray

    def at(self, point: OperatingPoint) -> Coefficients:
        """Coefficients at the point: linear in VDD, in temperature and in the logarithm of the capacitance.

        Raises TritError outside the table, and where the precharge does not complete.
        """
        values = self.coefficients[CORNERS.index(point.corner)]
        values = np.concatenate([np.log(values[..., :POSITIVE]), values[..., POSITIVE:]], axis=-1)
        load, loads = point.bit_line_capacitance, self.capacitance
        _require("supply", "V", self.vdd, point.vdd)
        _require("temperature", "°C", self.temperature, point.temperature)
        _require("capacitance of a bit line", "fF", [value * 1e15 for value in loads], load * 1e15)
        values = _interpolate(np.array(self.vdd), point.vdd, values)
        values = _interpolate(np.array(self.temperature), point.temperature, values)
        values = _interpolate(np.log(loads), float(np.log(load)), values)
        if np.isnan(values).any():
            raise TritError(
                f"{self.name}: at {_conditions(point)} a precharge of {self.precharge * 1e9:g} ns does not complete; "
                "raise the supply"
            )
        values[:POSITIVE] = np.exp(values[:POSITIVE])
        return Coefficients(*(float(value) for value in values))

    def decide(
        self,
        point: OperatingPoint,
        bit_line: Array,
        complement: Array,
        shift_bit_line: Array | float = 0.0,
        shift_complement: Array | float = 0.0,
    ) -> Decisions:
        """When and for which line the amplifier decides, whatever the point's read time.

        Resistances in Ω and the shifts of the latch's nMOS thresholds in V broadcast together. Raises as `at` does.
        """
        c = self.at(point)
        arrays = np.broadcast_arrays(bit_line, complement, shift_bit_line, shift_complement)
        shape = arrays[0].shape
        flat = [np.ravel(array) for array in arrays]
        times, signs = np.empty(flat[0].size), np.empty(flat[0].size, np.int8)
        for start in range(0, times.size, BLOCK):
            here = slice(start, start + BLOCK)
            r, r_b, shift, shift_b = (array[here] for array in flat)
            xi = imbalance(c, r, r_b, shift, shift_b)
            first = xi > 0
            winner, of_winner = np.where(first, r, r_b), np.where(first, shift, shift_b)
            loser, of_loser = r + r_b - winner, shift + shift_b - of_winner
            times[here] = decision_time(c, point.bit_line_capacitance, winner, loser, of_winner, of_loser, xi)
            signs[here] = np.where(first, 1, -1)
        return Decisions(times.reshape(shape), signs.reshape(shape))

    def read(
        self,
        point: OperatingPoint,
        bit_line: Array,
        complement: Array,
        shift_bit_line: Array | float = 0.0,
        shift_complement: Array | float = 0.0,
    ) -> Int8Array:
        """Ternary values at the point's read time: +1 or -1 where the amplifier has decided, else 0.

        Arguments as of `decide`, whose signs are what a binary read gives.
        """
        times, signs = self.decide(point, bit_line, complement, shift_bit_line, shift_complement)
        return np.where(times <= point.read_time, signs, np.int8(0))

    def energy(self, point: OperatingPoint, bit_line: Array, complement: Array) -> FloatArray:
        """Energy in J that each read draws from VDD with the precharge after it. SEN and word line have their own."""
        c, load = self.at(point), point.bit_line_capacitance
        discharged = sum(1 - np.exp(-point.read_time / ((r + c.r_k) * load)) for r in (bit_line, complement))
        times, _ = self.decide(point, bit_line, complement)
        fallen = c.q_1 * (times <= point.read_time)
        return np.asarray(point.vdd * (load * c.v_b * discharged + c.q_0 + fallen))

    def contrast(self, point: OperatingPoint, lrs: float, hrs: float) -> float:
        """How many times as long HRS/HRS takes as LRS/HRS, the two HRS devices being alike to a tenth."""
        fast, slow = self._times(point, lrs, hrs)
        return slow / fast

    def limits(self, point: OperatingPoint, lrs: float, hrs: float, mismatch: float = 0.0) -> list[str]:
        """What cannot work at the point, in words, for devices of typical resistance lrs and hrs in Ω.

        `mismatch`: standard deviation of one transistor's threshold voltage in V.
        """
        fast, slow = self._times(point, lrs, hrs)
        best, vdd = self._best_contrast(point, lrs, hrs)
        found = []
        if 2 * slow / fast < best:
            found.append(
                f"at {point.vdd:.2f} V HRS/HRS takes {slow / fast:.1f} times as long as LRS/HRS, "
                f"at {vdd:.2f} V {best:.1f} times: the transistors' resistance swamps the devices'; "
                "raise the supply"
            )
        if point.read_time < fast:
            found.append(
                f"a read time of {_time(point.read_time)} is shorter than LRS/HRS takes, {_time(fast)}: ±1 reads as 0"
            )
        if point.read_time > slow:
            found.append(
                f"a read time of {_time(point.read_time)} is longer than HRS/HRS takes, {_time(slow)}: 0 reads as ±1"
            )
        one_deviation = np.array([0.0, mismatch / np.sqrt(2)])
        margin, lowered = imbalance(self.at(point), np.full(2, lrs), np.full(2, hrs), one_deviation, -one_deviation)
        if 3 * (margin - lowered) > margin:
            found.append(
                f"a threshold mismatch of {mismatch * 1e3:.1f} mV a transistor decides for the wrong line at "
                f"{margin / (margin - lowered):.1f} standard deviations; raise the supply or widen the transistors"
            )
        return found

    def _times(self, point: OperatingPoint, lrs: float, hrs: float) -> tuple[float, float]:
        fast, slow = self.decide(point, np.array([lrs, hrs]), np.array([hrs, 1.1 * hrs])).times
        return float(fast), float(slow)

    def _best_contrast(self, point: OperatingPoint, lrs: float, hrs: float) -> tuple[float, float]:
        """The largest contrast at a higher supply of the table, and that supply; 0 at the highest."""
        found = [(self.contrast(replace(point, vdd=vdd), lrs, hrs), vdd) for vdd in self.vdd if vdd > point.vdd]
        return max(found, default=(0.0, point.vdd))

    def save(self, path: Path) -> None:
        """Write the table as JSON: three significant digits in ns, kΩ, fC, 1, V, 1/V and 1/V²."""
        fields = asdict(self)
        numbers = [[_rounded(x) for x in row] for row in self.coefficients.reshape(-1, len(UNITS)) / UNITS]
        # A row for each operating point keeps the file readable as a table.
        rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in numbers)
        fields["coefficients"] = None
        head = json.dumps({**fields, "columns": Coefficients._fields}, indent=1)
        write_atomic(path, (head.replace('"coefficients": null', f'"coefficients": [\n{rows}\n]') + "\n").encode())


@cache
def load_technology(name_or_path: str | Path = "generic130") -> Technology:
    """A technology by the name of one that comes with trit, or from a file `trit target calibrate` wrote.

    Raises TritError if there is none, or it is not such a file.
    """
    shipped = resources.files("trit.targets.rram").joinpath(f"{name_or_path}.json")
    source = shipped if shipped.is_file() else Path(name_or_path)
    try:
        fields = json.loads(source.read_text("utf-8"))
        columns = fields.pop("columns")
        if columns != list(Coefficients._fields):
            raise TritError(f"{name_or_path}: columns are {columns}; this version's are {list(Coefficients._fields)}")
        axes = [tuple(fields.pop(name)) for name in ("vdd", "temperature", "capacitance")]
        table = np.array(fields.pop("coefficients"), np.float64)
        table = table.reshape(len(CORNERS), *(len(axis) for axis in axes), len(columns)) * UNITS
        return Technology(**fields, vdd=axes[0], temperature=axes[1], capacitance=axes[2], coefficients=table)
    except OSError as error:
        raise TritError(
            f"{name_or_path}: {error.strerror}; the technology that comes with trit is generic130"
        ) from None
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, TritError):
            raise
        raise TritError(f"{name_or_path} is not a sense amplifier's table: {error!r}") from None


def mismatch_deviation(technology: Technology, coefficient: float) -> float:
    """Standard deviation in V of one latch transistor's threshold: A_Vt / √(W·L) (Pelgrom), A_Vt in V·m."""
    return float(coefficient / np.sqrt(technology.width * technology.length))


def _require(what: str, unit: str, axis: Sequence[float], at: float) -> None:
    slack = 1e-9 * (axis[-1] - axis[0])
    if not axis[0] - slack <= at <= axis[-1] + slack:
        raise TritError(f"{what}: {at:g} {unit} is outside the technology's {axis[0]:g} to {axis[-1]:g} {unit}")


def _interpolate(axis: Array, at: float, values: FloatArray) -> FloatArray:
    """Values at a point of their first axis, linearly."""
    upper = min(max(int(np.searchsorted(axis, at)), 1), len(axis) - 1)
    share = (at - axis[upper - 1]) / (axis[upper] - axis[upper - 1])
    if share in (0, 1):  # a neighbour without values does not matter then
        return np.asarray(values[upper - 1 + int(share)])
    return np.asarray((1 - share) * values[upper - 1] + share * values[upper])


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else float(f"{value:.3g}")


def _time(seconds: float) -> str:
    return f"{seconds * 1e9:.3g} ns"


def _conditions(point: OperatingPoint) -> str:
    load = point.bit_line_capacitance * 1e15
    return f"{point.vdd:.2f} V, {load:.0f} fF, {point.temperature:.0f} °C, {point.corner}"
