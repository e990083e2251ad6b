# SPDX-License-Identifier: Apache-2.0
"""Faulty weights while training: in the forward pass some weights read another value than the stored one.

The network learns to bear what a memory gets wrong (Hirtzlin et al., Frontiers in Neuroscience 13, 2020; Laborieux et
al., TCAS-I 68(1), 2021). The pseudo-gradient is that of the weight itself; evaluation and export are free of faults.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from trit.train.quantizers import WeightQuantizer

ErringKind = Literal["binary", "ternary"]
# Probabilities [stored][read] over -1, 0, +1 for a kind of weights and a layer's fraction of zeros.
ErrorModel = Callable[[ErringKind, float], npt.NDArray[np.float64]]


class Faults:
    """Draws for one layer: a uniform number u a weight, which reads -1 where u < p(-1), +1 where u ≥ p(-1) + p(0).

    per "step": new draws in each forward pass; "chip": the same synapses err all along an epoch, as on one chip.
    """

    def __init__(self, kind: ErringKind, errors: ErrorModel, per: Literal["step", "chip"]) -> None:
        self.kind, self.errors, self.per = kind, errors, per
        self._generator = torch.Generator()
        self._kept: Tensor | None = None

    def renew(self, seed: int) -> None:
        """Begin an epoch, or a chip."""
        self._generator.manual_seed(seed)
        self._kept = None

    def __call__(self, weights: Tensor) -> Tensor:
        """The weights -1, 0, +1 as read."""
        matrix = torch.tensor(self.errors(self.kind, float((weights == 0).float().mean())).copy())
        below = matrix.cumsum(1).to(weights)
        stored = weights.long() + 1
        chance = self._draws(weights)
        return (chance >= below[:, 0][stored]).to(weights) + (chance >= below[:, 1][stored]).to(weights) - 1

    def _draws(self, weights: Tensor) -> Tensor:
        if self._kept is None or self.per == "step":
            self._kept = torch.rand(weights.shape, generator=self._generator).to(weights.device)
        return self._kept


def make_faulty(network: nn.Module, errors: ErrorModel, per: Literal["step", "chip"]) -> list[Faults]:
    """Give every layer of binary or ternary weights faults while it trains."""
    made = []
    for module in network.modules():
        if isinstance(module, WeightQuantizer) and module.kind in ("binary", "ternary"):
            module.faults = Faults(module.kind, errors, per)
            made.append(module.faults)
    return made
