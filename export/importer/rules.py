# SPDX-License-Identifier: Apache-2.0
"""The table of what the importer understands: a rule an operator, and the endings that choose the classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from trit.export.importer import rules_layers as layers
from trit.export.importer import rules_layout as layout
from trit.export.importer import rules_pointwise as pointwise
from trit.export.importer import rules_quantizers as quantizers
from trit.export.importer.network import Network
from trit.export.importer.source import Operation
from trit.export.importer.values import Real

Rule = Callable[[Operation, list[Any], Network], Any]  # the outputs' values: one, or a tuple


@dataclass(frozen=True)
class Ending:
    """What keeps the order of the scores, or tells the best of them; the scores are the network's output."""

    scores: Real


def ending(operation: Operation, inputs: list[Any], network: Network) -> tuple[Ending, ...]:
    """Softmax, LogSoftmax, Sigmoid, ArgMax, TopK over the classes."""
    real: Real = inputs[0]
    axis = int(operation.attributes.get("axis", -1)) % len(real.shape)
    if operation.type != "Sigmoid" and real.shape[axis] not in (real.positions.size, np.prod(real.shape[axis:])):
        raise operation.error(f"chooses along axis {axis} of values of shape {real.shape}; the classes are expected")
    if operation.type == "TopK" and not operation.attributes.get("largest", 1):
        raise operation.error("takes the smallest scores; the largest are expected")
    if operation.type == "ArgMax" and operation.attributes.get("select_last_index"):
        raise operation.error("takes the last of equal scores; the first is expected")
    network.notes.append(f"{operation.name} ({operation.type}) is left out: the scores are what it reads")
    return (Ending(real),) * len(operation.outputs)


def _table() -> dict[str, Rule]:
    rules: list[tuple[Rule, str]] = [
        (layers.convolution, "Conv"),
        (layers.gemm, "Gemm"),
        (layers.matmul, "MatMul"),
        (layers.xnor_popcount, "XnorPopcountMatMul"),
        (layers.max_pool, "MaxPool MaxPoolNHWC"),
        (layers.average_pool, "AveragePool"),
        (layers.quant_average_pool, "QuantAvgPool2d"),
        (layers.global_average, "GlobalAveragePool"),
        (layers.global_max, "GlobalMaxPool"),
        (layers.reduce_positions, "ReduceMean ReduceSum ReduceMax"),
        (quantizers.bipolar_quant, "BipolarQuant"),
        (quantizers.quant, "Quant IntQuant"),
        (quantizers.truncate, "Trunc"),
        (quantizers.multi_threshold, "MultiThreshold"),
        (quantizers.quantize_linear, "QuantizeLinear"),
        (quantizers.dequantize_linear, "DequantizeLinear"),
        (pointwise.add, "Add Sum"),
        (pointwise.subtract, "Sub"),
        (pointwise.multiply, "Mul"),
        (pointwise.divide, "Div"),
        (pointwise.negate, "Neg"),
        (pointwise.batch_norm, "BatchNormalization"),
        (pointwise.relu, "Relu"),
        (pointwise.sign_keeping, "Tanh Softsign Erf Atan"),
        (pointwise.leaky_relu, "LeakyRelu"),
        (pointwise.parametric_relu, "PRelu"),
        (pointwise.hard_sigmoid, "HardSigmoid"),
        (pointwise.absolute, "Abs"),
        (pointwise.clip, "Clip"),
        (pointwise.minimum, "Min"),
        (pointwise.maximum, "Max"),
        (pointwise.sign, "Sign"),
        (pointwise.compare, " ".join(pointwise.COMPARISONS)),
        (pointwise.negation, "Not"),
        (pointwise.both, "And"),
        (pointwise.where, "Where"),
        (pointwise.rounding, "Round Floor Ceil"),
        (pointwise.cast, "Cast"),
        (pointwise.cast_like, "CastLike"),
        (pointwise.unchanged, "Identity Dropout"),
        (layout.rearrange, "Transpose Reshape Flatten Squeeze Unsqueeze Slice Gather Split Expand DepthToSpace"),
        (layout.pad, "Pad"),
        (layout.shape, "Shape"),
        (layout.size, "Size"),
        (layout.concat, "Concat"),
        (ending, "Softmax LogSoftmax Sigmoid ArgMax TopK"),
    ]
    return {name: rule for rule, names in rules for name in names.split()}


RULES = _table()
