# SPDX-License-Identifier: Apache-2.0
"""Add: residual connections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trit.export.graph import Array, Node, OnnxCall, Output, PlanFields, Range, Tensor

_BODY = """
Add <zero_point, other_zero_point> (x, other) => (sum) {
  x_int = Cast <to = 6> (x)
  other_int = Cast <to = 6> (other)
  zero = Constant <value_int: int = @zero_point> ()
  zero_int = Cast <to = 6> (zero)
  other_zero = Constant <value_int: int = @other_zero_point> ()
  other_zero_int = Cast <to = 6> (other_zero)
  x_value = Sub (x_int, zero_int)
  other_value = Sub (other_int, other_zero_int)
  sum = Add (x_value, other_value)
}
"""


@dataclass(frozen=True)
class Add(Node):
    """Sum of two tensors' values, in int32."""

    other: str

    onnx_functions: ClassVar = {"Add": _BODY}

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.input, self.other

    def check(self, *inputs: Tensor) -> Output:
        source, other = inputs
        self.require(other.shape == source.shape, f"adds {source.shape} and {other.shape}")
        self.require("float32" not in (source.kind, other.kind), "cannot add scores")
        return Output(("int32",), source.shape)

    def evaluate(self, *inputs: Array) -> Array:
        return np.asarray(inputs[0] + inputs[1])

    def value_range(self, *inputs: Range) -> Range:
        (low, high), (other_low, other_high) = inputs
        return low + other_low, high + other_high

    def bound(self, *inputs: int) -> int:
        return sum(inputs)

    def plan_fields(self, source: Tensor, output: Tensor, lanes: int) -> PlanFields:
        return PlanFields()

    def to_onnx(self, inputs: Sequence[Tensor], output: Tensor) -> OnnxCall:
        zero_points = [tensor.zero_point for tensor in inputs]
        return OnnxCall("Add", {}, dict(zip(("zero_point", "other_zero_point"), zero_points, strict=True)))

    @classmethod
    def from_onnx(cls, name: str, inputs: Sequence[str], output: str, call: OnnxCall) -> Add:
        return cls(name, inputs[0], output, inputs[1])
