# SPDX-License-Identifier: Apache-2.0
"""Concat: two tensors side by side along the channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trit.export.graph import Array, Node, OnnxCall, Output, PlanFields, Range, Tensor

_BODY = """
Concat (x, other) => (joined) {
  joined = Concat <axis = 1> (x, other)
}
"""


@dataclass(frozen=True)
class Concat(Node):
    """The channels of `input`, then those of `other`; both of one kind, height, width and zero point."""

    other: str

    onnx_functions: ClassVar = {"Concat": _BODY}

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.input, self.other

    def check(self, *inputs: Tensor) -> Output:
        source, other = inputs
        self.require("float32" not in (source.kind, other.kind), "cannot join scores")
        self.require(other.kind == source.kind, f"joins {source.kind} and {other.kind}")
        self.require(other.shape[1:] == source.shape[1:], f"joins {source.shape} and {other.shape}")
        points = source.zero_point, other.zero_point
        self.require(points[0] == points[1], f"joins zero points {points[0]} and {points[1]}")
        return Output((source.kind,), (source.shape[0] + other.shape[0], *source.shape[1:]), source.zero_point)

    def evaluate(self, *inputs: Array) -> Array:
        return np.concatenate(inputs, axis=1)

    def value_range(self, *inputs: Range) -> Range:
        (low, high), (other_low, other_high) = inputs
        return min(low, other_low), max(high, other_high)

    def bound(self, *inputs: int) -> int:
        return max(inputs)

    def plan_fields(self, source: Tensor, output: Tensor, lanes: int) -> PlanFields:
        return PlanFields()

    def to_onnx(self, inputs: Sequence[Tensor], output: Tensor) -> OnnxCall:
        return OnnxCall("Concat", {}, {})

    @classmethod
    def from_onnx(cls, name: str, inputs: Sequence[str], output: str, call: OnnxCall) -> Concat:
        return cls(name, inputs[0], output, inputs[1])
