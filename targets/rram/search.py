# SPDX-License-Identifier: Apache-2.0
"""Operating points side by side, and the one that takes the least energy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from trit.export.graph import Graph
from trit.export.schema import check
from trit.runtime.errors import TritError
from trit.targets.accuracy import Accuracy, accuracy
from trit.targets.rram.chip import Operation, Pcsa, Rram
from trit.targets.rram.cost import layer_costs
from trit.targets.rram.errors import read_errors, warnings
from trit.targets.rram.monte_carlo import Images, Labels

READ_TIMES = 25  # that are tried at a supply
SUPPLIES = 13  # that tune tries
FINE_SUPPLIES = 5  # and then from the one before the best to the best
SUPPLY_RANGE = (0.6, 1.8)  # V, which calibrations cover
SEARCH_DRAWS = 512  # synapses of each weight beside each class of amplifier, where read times are compared
DUTY = 0.5  # of a cycle that the discharge may take; the rest is precharge and latch

Tests = tuple[Images, Labels]


@dataclass(frozen=True)
class Point:
    """A chip at an operating point."""

    operation: Operation
    rates: dict[str, float]  # mean error rates by name
    energy: float | None  # J for one image, of the network if there is one
    latency: float | None  # s
    accuracy: Accuracy | None
    warnings: list[str]


def sweep(
    target: Rram,
    over: Mapping[str, Iterable[Any]],
    graph: Graph | None = None,
    tests: Tests | None = None,
    chips: int = 0,
) -> Iterator[Point]:
    """The points of the grid over keys of the operation, the last key fastest.

    With the costs of the network if there is one, and its accuracy on labelled images if there are chips. Raises
    TritError for an unknown key or a bad value.
    """
    for values in product(*over.values()):
        yield evaluate(at(target, **dict(zip(over, values, strict=True))), graph, tests, chips)


def at(target: Rram, **changes: Any) -> Rram:
    """The chip at another operating point."""
    table = {**target.model_dump(), "operation": {**target.operation.model_dump(), **changes}}
    moved = check(Rram, table, f"target {target.name}")
    moved._name = target.name
    return moved


def evaluate(
    target: Rram,
    graph: Graph | None = None,
    tests: Tests | None = None,
    chips: int = 0,
) -> Point:
    costs = layer_costs(graph, target) if graph else []
    found = None
    if graph and tests and chips:
        found = accuracy(graph, target, *tests, chips)
    rates = found.rates if found else read_errors(target).rates()
    return Point(
        target.operation,
        rates,
        sum(cost.energy for cost in costs) if graph else None,
        sum(cost.latency for cost in costs) if graph else None,
        found,
        warnings(target),
    )


def with_best_read_time(target: Rram) -> Rram:
    """The chip with the read time that errs least at its supply: the fewest of the errors ±1 → 0 and 0 → ±1 together.

    Of several times without errors in these draws, the middle one, which has most margin to either side.
    The clock is as it was, or slower where the discharge would take more than DUTY of a cycle.
    """
    times = np.geomspace(1e-10, 1e-5, READ_TIMES)
    for _ in range(2):
        lapses = np.array([_lapses(at(target, read_time=float(time))) for time in times])
        least = times[lapses == lapses.min()]
        best = least[len(least) // 2]
        step = times[1] / times[0]
        times = np.geomspace(best / step, best * step, READ_TIMES)
    time = float(f"{best:.3g}")
    return at(target, read_time=time, clock=min(target.operation.clock, DUTY / time))


def _lapses(target: Rram) -> float:
    rates = read_errors(target, draws=SEARCH_DRAWS).rates()
    return rates["lost"] + rates["raised"] if target.cell.stores_ternary else rates["flip"]


def tune(
    target: Rram,
    graph: Graph,
    tests: Tests,
    chips: int,
    least: float,
    on_point: Callable[[Point], None] = lambda point: None,
) -> Point | None:
    """The operating point that takes the least energy an image of those whose mean accuracy is at least `least`.

    Supplies of SUPPLY_RANGE are tried, each with its best read time, and then more of them around the best; None where
    none of them reaches the accuracy. Raises TritError for a chip without a circuit model.
    """
    if not isinstance(target.sense, Pcsa):
        raise TritError(f"{target.name}: only sense amplifiers with a circuit model (sense.kind pcsa) can be tuned")
    points: dict[float, Point] = {}

    def try_all(low: float, high: float, count: int) -> Point | None:
        for supply in (round(float(value), 4) for value in np.linspace(low, high, count)):
            if supply not in points:
                moved = with_best_read_time(at(target, supply=supply))
                points[supply] = evaluate(moved, graph, tests, chips)
                on_point(points[supply])
        good = [point for point in points.values() if point.accuracy and point.accuracy.mean >= least]
        return min(good, key=lambda point: point.energy or 0.0, default=None)

    best = try_all(*SUPPLY_RANGE, SUPPLIES)
    if best is None:
        return None
    step = (SUPPLY_RANGE[1] - SUPPLY_RANGE[0]) / (SUPPLIES - 1)
    return try_all(max(SUPPLY_RANGE[0], best.operation.supply - step), best.operation.supply, FINE_SUPPLIES)
