# SPDX-License-Identifier: Apache-2.0
"""Functions with few values as tensors of the integer graph: bits by thresholds, codes by rescaling.

Two or three levels are bits. More are 8-bit codes, where one multiplier climbs all the steps, which it does for evenly
spaced ones. Any others are a sum of thresholds (a thermometer): the levels 0, 1, 3 are t + u + v with ternary t, u, v,
and the next layer reads all of them, its weights once for each, so that it stays packed and exact.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from trit.export.graph import INT32_MAX, INT32_MIN
from trit.export.importer.functions import HALF, Function, NotDiscrete, common_divisor
from trit.export.importer.network import IMAGE, Network
from trit.export.importer.source import Operation
from trit.export.importer.values import Real
from trit.export.operators import Rescale, Threshold
from trit.export.rescaling import climbing

MOST_PARTS = 15
MOST_CODE = 255
EXPECTED = "a quantizer is expected before it: Sign, Quant, BipolarQuant, MultiThreshold, QuantizeLinear, …"


@dataclass(frozen=True)
class Line:
    """scales[c]·Σ parts + offsets[c], the parts tensors of bits or codes, all of one kind and zero point."""

    parts: tuple[str, ...]
    scales: list[Fraction]
    offsets: list[Fraction]


def line_of(operation: Operation, real: Real, network: Network, sums: bool = False) -> Line:
    """The values as a line of bits or codes, which are made here if need be; of any integers if `sums`.

    Raises GraphError, naming the operation that reads them, where they are no few levels.
    """
    kinds = {network.tensor(part).kind for part in real.parts}
    domain = network.domain(real.parts)
    # Sums of few values can be codes; the others are summed in the next layer.
    summable = all(part in network.sums for part in real.parts) and domain.high - domain.low > MOST_CODE
    ready = sums or "int32" not in kinds or summable
    if real.is_linear and ready:
        pieces = [function.pieces[0][1] for function in real.functions]
        # A pixel's function is of its code, the graph's value is the code less the zero point.
        point = network.tensor(IMAGE).zero_point if IMAGE in real.parts else 0
        return Line(real.parts, [piece.a for piece in pieces], [piece.at(point) for piece in pieces])
    key = (real.parts, real.functions, real.floats)
    if key not in network.known:
        network.known[key] = _quantized(operation, real, network)
    found: Line = network.known[key]
    return found


@dataclass(frozen=True)
class Staircase:
    """Integer levels k of one channel: (first x, k) of each run."""

    runs: tuple[tuple[int, int], ...]

    @property
    def falls(self) -> bool:
        return self.runs[0][1] > self.runs[-1][1]

    def first(self, least: int) -> int:
        """The first x from which k >= least (where k falls: k < least) on; INT32_MIN or _MAX where all or none."""
        holds = [(k >= least) != self.falls for _, k in self.runs]
        if holds[0]:
            return INT32_MIN
        return next((x for (x, _), held in zip(self.runs, holds, strict=True) if held), INT32_MAX)


def _quantized(operation: Operation, real: Real, network: Network) -> Line:
    """Bits where they do, else codes where they are exact, else a sum of bits."""
    try:
        known = {function: function.levels() for function in set(real.functions)}
    except NotDiscrete:
        raise operation.error(f"reads real values; {EXPECTED}") from None
    levels = [known[function] for function in real.functions]
    if real.floats is not None:
        levels = [_where_floats_are(f, runs) for f, runs in zip(real.floats, levels, strict=True)]
    if any(not _is_monotone([value for _, value in runs]) for runs in known.values()):
        raise operation.error(f"reads {real.name}, which rises and falls; a monotone quantizer is expected")
    grids, binary = _grids(known)
    units, middles = ([grids[function][index] for function in real.functions] for index in (0, 1))
    rows = zip(levels, units, middles, strict=True)
    stairs = [Staircase(tuple((x, int((value - m) / unit)) for x, value in runs)) for runs, unit, m in rows]
    reach = max(abs(k) for stair in stairs for _, k in stair.runs)
    if reach > 1:
        # Codes count the steps of binary levels from 0.
        counted = [Staircase(tuple((x, (k + reach) // 2) for x, k in s.runs)) for s in stairs] if binary else stairs
        codes = _codes(real, counted, network)
        if codes is not None and binary:
            offsets = [middle - unit * reach for unit, middle in zip(units, middles, strict=True)]
            return Line(codes, [2 * unit for unit in units], offsets)
        if codes is not None:
            return Line(codes, units, middles)
    if reach > MOST_PARTS:
        raise operation.error(
            f"reads {real.name}, which has {reach} steps at uneven distances; "
            f"a uniform quantizer of at most 8 bits or {MOST_PARTS} steps is expected"
        )
    return Line(_thermometer(real, stairs, max(reach, 1), binary, network), units, middles)


def _grids(
    levels: dict[Function, list[tuple[int, Fraction]]],
) -> tuple[dict[Function, tuple[Fraction, Fraction]], bool]:
    """Unit and middle of each function's levels, the same of all if that can be, and whether all steps are odd."""
    values = {function: {value for _, value in runs} for function, runs in levels.items()}
    unit, middle, binary = _grid(set().union(*values.values()))
    if all(abs(value - middle) <= MOST_CODE * unit for found in values.values() for value in found):
        return dict.fromkeys(values, (unit, middle)), binary
    # A scale a channel, which depthwise convolutions can do with.
    units = {function: common_divisor(found) or Fraction(1) for function, found in values.items()}
    odd = all(value / units[function] in (-1, 1) for function, found in values.items() for value in found)
    return {function: (unit, Fraction(0)) for function, unit in units.items()}, odd


def _where_floats_are(floats: Function, runs: list[tuple[int, Fraction]]) -> list[tuple[int, Fraction]]:
    """The levels, each where float32 finds the nearest to it: a pixel may lie just on a threshold."""
    values = sorted({value for _, value in runs})
    middles = [(low + high) / 2 for low, high in pairwise(values)]
    found: list[tuple[int, Fraction]] = []
    for x, value in floats.levels():
        level = values[bisect_right(middles, value)]
        if not found or found[-1][1] != level:
            found.append((x, level))
    return found


def _is_monotone(values: Sequence[Fraction]) -> bool:
    return list(values) in (sorted(values), sorted(values, reverse=True))


def _grid(levels: set[Fraction]) -> tuple[Fraction, Fraction, bool]:
    """(unit, middle, binary): each level is middle + unit·k, with all k odd if binary.

    Levels that are multiples of one unit need no middle, so that zero padding fits in. Others lie around theirs.
    """
    unit = common_divisor(levels) or Fraction(1)
    steps = max(abs(level / unit) for level in levels)
    spacing = common_divisor(level - min(levels) for level in levels)
    if spacing and (max(levels) - min(levels)) / spacing < steps:
        return spacing * HALF, (max(levels) + min(levels)) * HALF, True
    return unit, Fraction(0), all(int(level / unit) % 2 == 1 for level in levels)


def _thermometer(real: Real, stairs: list[Staircase], reach: int, binary: bool, network: Network) -> tuple[str, ...]:
    """k as a sum of `reach` thresholds: [k >= j] - [k <= -j] for j = 1, 2, …; binary: ±1 about j = 1 - reach, …"""
    source = network.widened(network.added(real.parts))
    negative = np.array([stair.falls for stair in stairs])
    parts = []
    for part in range(1, reach + 1):
        upper = 2 * part - reach if binary else part
        lower = upper if binary else 1 - part
        # A falling k is below the upper level from the first bound on: d = -1 turns both around.
        hi = [stair.first(lower if stair.falls else upper) for stair in stairs]
        lo = [stair.first(upper if stair.falls else lower) for stair in stairs]
        name = network.lowering.name_of(real.name)
        bounds = (_shifted(lo, source, network), _shifted(hi, source, network))
        parts.append(
            network.append(Threshold(name, source, name, *bounds, negative), "binary" if binary else "ternary")
        )
    return tuple(parts)


def _shifted(bounds: list[int], source: str, network: Network) -> np.ndarray:
    """Bounds of a pixel's codes as bounds of its value, code - zero point."""
    zero_point = network.tensor(source).zero_point if source == IMAGE else 0
    finite = [b if b in (INT32_MIN, INT32_MAX) else b - zero_point for b in bounds]
    return np.array(finite, np.int32)


def _codes(real: Real, stairs: list[Staircase], network: Network) -> tuple[str, ...] | None:
    """k as an 8-bit code less its zero point, by one rescaling, or by two where codes end before 255; None: inexact."""
    least = min(0, *(k for stair in stairs for _, k in stair.runs))
    most = max(0, *(k for stair in stairs for _, k in stair.runs))
    if most - least > MOST_CODE:
        return None
    base = MOST_CODE - (most - least)  # the highest code is 255, where clamping ends the stairs
    source = network.widened(network.added(real.parts))
    domain = network.domain((source,))
    rows = []
    known: dict[Staircase, tuple[int, int, int] | None] = {}
    for stair in stairs:
        if stair not in known:
            known[stair] = climbing(_first_inputs(stair, least, base), domain.low, domain.high, stair.falls)
        found = known[stair]
        if found is None:
            return None
        rows.append(found)
    multiplier, offset, shift = (np.array(column) for column in zip(*rows, strict=True))
    zero_point = network.tensor(source).zero_point if source == IMAGE else 0
    offset = offset.astype(np.int64) + zero_point * multiplier.astype(np.int64)
    name = network.lowering.name_of(real.name)
    factors = multiplier.astype(np.int32), offset, shift.astype(np.uint8)
    codes = network.append(Rescale(name, source, name, *factors, 0 if base else -least))
    if base:
        # What lies below the stairs has a code below `base`: cut it off.
        name = network.lowering.name_of(real.name)
        ones, zeros = np.ones(len(stairs), np.int32), np.zeros(len(stairs), np.uint8)
        codes = network.append(Rescale(name, codes, name, ones, np.full(len(stairs), -base, np.int64), zeros, -least))
    return (codes,)


def _first_inputs(stair: Staircase, least: int, base: int) -> dict[int, int]:
    """The x with which the staircase reaches each code (where it falls: leaves it).

    Codes below the whole staircase's do not matter, as they are cut off; those below this channel's do.
    """
    lowest = min(k for _, k in stair.runs)
    start = base + lowest - least + (lowest == least)
    return {code: stair.first(code - base + least) for code in range(max(start, 1), MOST_CODE + 1)}
