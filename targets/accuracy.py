# SPDX-License-Identifier: Apache-2.0
"""How many images a network classifies right on a target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from trit.export.graph import Graph
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.targets.description import Host, Linux, Microcontroller, Target, Tvm
from trit.targets.figure import Origin, figures_in, weakest
from trit.targets.linux import run_emulated
from trit.targets.microcontroller.simulator import run_simulated
from trit.targets.rram.analog import run_analog
from trit.targets.rram.chip import Adc, Rram
from trit.targets.rram.errors import read_errors, warnings
from trit.targets.rram.monte_carlo import Images, Labels, monte_carlo, require_labels
from trit.targets.tvm import run_tvm

CHIPS = 5  # of an RRAM target, unless told otherwise


@dataclass(frozen=True)
class Accuracy:
    """Fraction of images whose highest score is their label; for an RRAM target, of each of several chips."""

    images: int
    draws: list[float]  # fractions: one, or one a chip
    origin: Origin
    rates: dict[str, float] = field(default_factory=dict)  # mean probabilities of read errors, of chips
    notes: list[str] = field(default_factory=list)

    @property
    def mean(self) -> float:
        """Mean over the draws."""
        return float(np.mean(self.draws))

    @property
    def std(self) -> float:
        """Standard deviation over the draws, of the sample (n - 1); 0 for a single one."""
        return float(np.std(self.draws, ddof=1)) if len(self.draws) > 1 else 0.0

    @property
    def worst(self) -> float:
        """The least of the draws."""
        return min(self.draws)

    def yields(self, bar: float) -> float:
        """Fraction of the chips that reach the accuracy."""
        return float(np.mean(np.array(self.draws) >= bar))

    def __str__(self) -> str:
        spread = f" ± {self.std:.2%}" if len(self.draws) > 1 else ""
        return f"{self.mean:.2%}{spread} ({self.origin})"


def accuracy(
    graph: Graph,
    target: Target,
    images: Images,
    labels: Labels,
    chips: int = CHIPS,
    cluster: str | None = None,
    on_chip: Callable[[], None] | None = None,
) -> Accuracy:
    """Accuracy on images (N, C, H, W) with labels (N,): computed there, simulated, or of that many RRAM chips."""
    require_labels(images, labels)
    origin: Origin = "simulated"
    match target:
        case Host():
            runs, origin = [Session(to_plan(graph)).run(images)], "measured"
        case Tvm():
            runs, origin = [run_tvm(graph, images, target)], "measured"
        case Linux():
            runs = [run_emulated(graph, images, target)]
        case Microcontroller():
            runs = [run_simulated(graph, images, target)]
        case Rram(sense=Adc() as sense):
            runs = [run_analog(graph, images, target, sense, seed) for seed in range(chips)]
            origin = weakest(figure.origin for _, figure in figures_in(target.device))
        case Rram():
            errors = read_errors(target)
            draws = monte_carlo(graph, target, images, labels, chips, errors, cluster=cluster, on_chip=on_chip)
            return Accuracy(len(images), draws, errors.origin, errors.rates(), warnings(target))
    right = [scores.reshape(len(images), -1).argmax(axis=1) == labels for scores in runs]
    return Accuracy(len(images), [float(hits.mean()) for hits in right], origin)
