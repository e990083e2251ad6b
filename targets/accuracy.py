# SPDX-License-Identifier: Apache-2.0
"""How many images a network classifies right on a target."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from trit.export.graph import Graph
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.runtime.errors import TritError
from trit.targets.description import Host, Linux, Microcontroller, Origin, Rram, Target, weakest
from trit.targets.linux import run_emulated
from trit.targets.microcontroller.simulator import run_simulated
from trit.targets.rram.executor import run_rram_with_errors

Images = npt.NDArray[np.uint8]
RRAM_DRAWS = 5  # of read errors


@dataclass(frozen=True)
class Accuracy:
    """Fraction of images whose highest score is their label: the mean over draws of errors, one without errors."""

    images: int
    draws: list[float]
    origin: Origin
    notes: list[str] = field(default_factory=list)  # what is only assumed

    @property
    def mean(self) -> float:
        return float(np.mean(self.draws))

    @property
    def std(self) -> float:
        """Standard deviation over the draws, of the sample (n - 1); 0 for a single one."""
        return float(np.std(self.draws, ddof=1)) if len(self.draws) > 1 else 0.0

    def __str__(self) -> str:
        spread = f" ± {self.std:.2%}" if len(self.draws) > 1 else ""
        return f"{self.mean:.2%}{spread} ({self.origin})"


def accuracy(graph: Graph, target: Target, images: Images, labels: npt.NDArray[Any]) -> Accuracy:
    """Accuracy on images (N, C, H, W) with labels (N,): computed there, simulated, or with the chip's read errors."""
    if len(images) != len(labels) or not len(images):
        raise TritError(f"{len(images)} images and {len(labels)} labels; accuracy needs as many of each, at least one")
    origin: Origin
    notes: list[str] = []
    match target:
        case Host():
            runs, origin = [Session(to_plan(graph)).run(images)], "measured"
        case Linux():
            runs, origin = [run_emulated(graph, images, target)], "simulated"
        case Microcontroller():
            runs, origin = [run_simulated(graph, images, target)], "simulated"
        case Rram():
            runs = [run_rram_with_errors(graph, images, target, seed) for seed in range(RRAM_DRAWS)]
            origin = weakest(["simulated", *(figure.origin for _, figure in target.errors)])
            notes = [note for key, note in target.assumed().items() if key.startswith("errors.")]
    right = [scores.reshape(len(images), -1).argmax(axis=1) == labels for scores in runs]
    return Accuracy(len(images), [float(hits.mean()) for hits in right], origin, notes)
