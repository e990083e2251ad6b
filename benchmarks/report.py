# SPDX-License-Identifier: Apache-2.0
"""What all benchmarks share: interleaved timing, the table of rows with their bars, and the exit status."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from trit.tables import Column, show


@dataclass(frozen=True)
class Row:
    """One figure beside a peer's. `bar` is what the value must reach, "≥ 4", or not exceed, "≤ 1.3"; "": none."""

    work: str
    value: float
    unit: str
    peer: str = ""
    peer_value: float | None = None
    bar: str = ""

    @property
    def holds(self) -> bool:
        if not self.bar:
            return True
        sign, limit = self.bar.split()
        return {"≥": self.value >= float(limit), "≤": self.value <= float(limit)}[sign]


def interleaved(steps: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 3) -> dict[str, list[float]]:
    """Seconds of each step in each round; every round runs all of them, so that a slow moment meets all alike."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(warm_up + rounds):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - start)
    return {name: seconds[warm_up:] for name, seconds in times.items()}


def ratio(times: Mapping[str, Sequence[float]], one: str, other: str) -> float:
    """Median over the rounds of one's time over the other's in the same round."""
    return statistics.median(a / b for a, b in zip(times[one], times[other], strict=True))


def milliseconds(times: Sequence[float]) -> float:
    return statistics.median(times) * 1e3


def run(title: str, work: Mapping[str, Callable[[], list[Row]]]) -> None:
    """The command line of one benchmark: run the parts that --only names, print, exit 1 if a row does not hold."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--only", default="", help="run only the parts whose name contains this")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    options = parser.parse_args()
    chosen = {name: part for name, part in work.items() if options.only in name}
    if not chosen:
        parser.error(f"no part is called {options.only!r}: there are {', '.join(work)}")
    rows = []
    for name, part in chosen.items():
        print(f"measuring {name}", file=sys.stderr, flush=True)
        rows += part()
    table = [{**asdict(row), "holds": row.holds} for row in rows]
    show(title, _COLUMNS, table, options.json, machine=machine())
    sys.exit(0 if all(row.holds for row in rows) else 1)


def machine() -> str:
    """The processor and how many of it this process has."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.machine()
    return f"{model}, {os.cpu_count()} processors"


def version(*options: str) -> str:
    """The commit that the figures are of, as `git describe --always` with these options names it."""
    words = ["git", "describe", "--always", *options]
    done = subprocess.run(words, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    return done.stdout.strip()


_COLUMNS = [
    Column("work", "work"),
    Column("value", "value", "{:.3g}"),
    Column("unit", "unit"),
    Column("peer", "peer"),
    Column("peer_value", "peer's value", "{:.3g}"),
    Column("bar", "bar"),
    Column("holds", "holds"),
]
