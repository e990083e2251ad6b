# SPDX-License-Identifier: Apache-2.0
"""One synapse: two RRAM devices, how a weight is stored in them, how it is read, and how a read goes wrong.

The precharge sense amplifier discharges both bit lines through the pair's devices and sees which is faster: the
one in the low-resistance state (LRS). With both in the high-resistance state (HRS) neither has discharged when the
amplifier is sampled, which is the third value: a ternary weight takes the devices and the single sense operation
of a binary one (Laborieux et al., "Implementation of Ternary Weights with Resistive RAM Using a Single Sense
Operation per Synapse", IEEE TCAS-I 68(1), 2021, doi 10.1109/TCSI.2020.3031627).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trit.export.graph import BoolArray, Int8Array, WeightKind
from trit.runtime.errors import TritError


def program(weights: Int8Array, polarity: int) -> BoolArray:
    """States (2, ...) that store the weights (...): is the device on the bit line, on its complement, in LRS?

    `polarity` is the weight that LRS on the bit line stands for, +1 or -1; 0 is HRS on both.
    """
    return np.stack([weights * polarity > 0, weights * polarity < 0])


def sense(states: BoolArray, polarity: int) -> Int8Array:
    """Weights (...) that an error-free read of the states (2, ...) gives."""
    bit_line, complement = states.astype(np.int8)
    return np.asarray(polarity * (bit_line - complement), np.int8)


@dataclass(frozen=True)
class ErrorRates:
    """Probability that one read gives another weight than the stored one.

    sign: +1 ↔ -1 (type 1); lost: ±1 → 0 (type 2); raised: 0 → ±1, either sign as often (type 3); flip: +1 ↔ -1
    of a binary weight.
    """

    sign: float = 0.0
    lost: float = 0.0
    raised: float = 0.0
    flip: float = 0.0

    def __post_init__(self) -> None:
        for name, rate in vars(self).items():
            if not 0 <= rate <= 1:
                raise TritError(f"error rate {name} is {rate}; a probability is between 0 and 1")
        if self.sign + self.lost > 1:
            raise TritError(
                f"error rates sign and lost of a non-zero weight add up to {self.sign + self.lost}, above 1"
            )

    def of_layer(self, weights: Int8Array) -> ErrorRates:
        """The same rates, whatever the layer's weights."""
        return self


@dataclass(frozen=True)
class BitErrorRate:
    """The one-parameter model of the published training code (Quantized_VGG, model_utils.py).

    Binary: a weight flips with probability `ber`. Ternary, with p0 the layer's fraction of zeros and
    q = 2·ber / (1 + p0): 0 → ±1 with probability q, ±1 → 0 with q / 2, never ±1 → ∓1; the mean error rate of the
    layer is q·(p0 + (1 - p0) / 2) = ber.
    """

    ber: float

    def of_layer(self, weights: Int8Array) -> ErrorRates:
        """Rates of the layer with these ternary or binary weights. Raises TritError where q would exceed 1."""
        zeros = float((weights == 0).mean())
        raised = 2 * self.ber / (1 + zeros)
        if not 0 <= raised <= 1:
            limit = (1 + zeros) / 2
            raise TritError(f"bit error rate {self.ber}: with {zeros:.1%} zeros the model holds from 0 to {limit:.3f}")
        return ErrorRates(lost=raised / 2, raised=raised, flip=self.ber)


def disturb(weights: Int8Array, kind: WeightKind, rates: ErrorRates, rng: np.random.Generator) -> Int8Array:
    """Weights as read once with errors at these rates, independent from synapse to synapse."""
    chance = rng.random(weights.shape)
    if kind == "binary":
        return np.where(chance < rates.flip, -weights, weights)
    kept = np.where(chance < rates.sign, -weights, np.where(chance < rates.sign + rates.lost, np.int8(0), weights))
    # Of the zeros that are raised, the lower half of the interval becomes +1, the upper half -1.
    raised = (chance < rates.raised / 2).astype(np.int8) * np.int8(2) - (chance < rates.raised).astype(np.int8)
    return np.where(weights == 0, raised, kept)
