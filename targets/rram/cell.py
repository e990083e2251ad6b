# SPDX-License-Identifier: Apache-2.0
"""One synapse of two RRAM devices: how a weight is stored in them, and how it is read.

The precharge sense amplifier discharges both bit lines through the pair's devices and sees which is faster: the
one in the low-resistance state (LRS). With both in the high-resistance state (HRS) neither has discharged when the
amplifier is sampled, which is the third value: a ternary weight takes the devices and the single sense operation
of a binary one (Laborieux et al., "Implementation of Ternary Weights with Resistive RAM Using a Single Sense
Operation per Synapse", IEEE TCAS-I 68(1), 2021, doi 10.1109/TCSI.2020.3031627).
"""

from __future__ import annotations

import numpy as np

from trit.export.graph import BoolArray, Int8Array


def program(weights: Int8Array, polarity: int) -> BoolArray:
    """States (2, ...) that store the weights (...): is the device on the bit line, on its complement, in LRS?

    `polarity` is the weight that LRS on the bit line stands for, +1 or -1; 0 is HRS on both.
    """
    return np.stack([weights * polarity > 0, weights * polarity < 0])


def sense(states: BoolArray, polarity: int) -> Int8Array:
    """Weights (...) that an error-free read of the states (2, ...) gives."""
    bit_line, complement = states.astype(np.int8)
    return np.asarray(polarity * (bit_line - complement), np.int8)
