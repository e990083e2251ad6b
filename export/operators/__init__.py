# SPDX-License-Identifier: Apache-2.0
"""The operators of the integer graph, one file each; TRIT_OPERATORS in runtime/src/format.h is the same list in C."""

from trit.export.graph import Node
from trit.export.operators.add import Add
from trit.export.operators.concat import Concat
from trit.export.operators.conv import Conv
from trit.export.operators.max_pool import MaxPool
from trit.export.operators.max_unpool import MaxUnpool
from trit.export.operators.rescale import Rescale
from trit.export.operators.scores import Scores
from trit.export.operators.sum_pool import SUM_ZERO_POINT, SumPool
from trit.export.operators.threshold import Threshold
from trit.export.operators.windows import window_shape

__all__ = [
    "OPERATORS",
    "SUM_ZERO_POINT",
    "Add",
    "Concat",
    "Conv",
    "MaxPool",
    "MaxUnpool",
    "OutputStage",
    "Rescale",
    "Scores",
    "SumPool",
    "Threshold",
    "window_shape",
]

OPERATORS: tuple[type[Node], ...] = (
    Conv,
    Threshold,
    MaxPool,
    SumPool,
    Add,
    Scores,
    Concat,
    Rescale,
    MaxUnpool,
)  # as C numbers them, from 1

# What turns accumulators into activations: Conv and Add can apply it to what they store. Monotone in each channel.
OutputStage = Threshold | Rescale
