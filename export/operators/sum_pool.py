# SPDX-License-Identifier: Apache-2.0
"""SumPool: the sum of a window's values; average pools are this, their divisor folded into what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trit.export.graph import ONNX_TYPES, Array, Node, OnnxCall, Output, Pads, Pair, PlanFields, Range, Tensor
from trit.export.operators.windows import check_pool, pads_of, pair_of, windows

SUM_ZERO_POINT = 128  # of the uint8 tensor that sums of bits are

_BODY = """
SumPool <kernel, strides, pads, zero_point, plane_shape, output_shape, output_zero_point, to> (x) => (y) {
  zero = Constant <value_float: float = @zero_point> ()
  x_float = Cast <to = 1> (x)
  value = Sub (x_float, zero)
  plane = Constant <value_ints: ints = @plane_shape> ()
  planes = Reshape (value, plane)
  kernel_dims = Constant <value_ints: ints = @kernel> ()
  ones = ConstantOfShape <value = float[1] {1.0}> (kernel_dims)
  sums = Conv <strides: ints = @strides, pads: ints = @pads> (planes, ones)
  shape = Constant <value_ints: ints = @output_shape> ()
  sum = Reshape (sums, shape)
  output_zero = Constant <value_float: float = @output_zero_point> ()
  code = Add (sum, output_zero)
  y = Cast <to: int = @to> (code)
}
"""


@dataclass(frozen=True)
class SumPool(Node):
    """Sum of the values over the window; positions outside count 0. Bits give uint8 with zero point 128."""

    kernel: Pair
    stride: Pair
    padding: Pads = (0, 0, 0, 0)

    onnx_functions: ClassVar = {"SumPool": _BODY}

    @property
    def area(self) -> int:
        """Positions of the window."""
        return self.kernel[0] * self.kernel[1]

    def check(self, *inputs: Tensor) -> Output:
        (source,) = inputs
        shape = check_pool(self, source, self.kernel, self.stride, self.padding)
        if not source.is_bits:
            return Output(("int32",), shape)
        self.require(self.area <= 127, "window has more than 127 positions")
        return Output(("uint8",), shape, SUM_ZERO_POINT)

    def evaluate(self, *inputs: Array) -> Array:
        found = windows(inputs[0], self.kernel, self.stride, self.padding, 0)
        return np.asarray(found.sum(axis=(4, 5), dtype=np.int32))

    def value_range(self, *inputs: Range) -> Range:
        low, high = inputs[0]
        return self.area * min(low, 0), self.area * max(high, 0)

    def bound(self, *inputs: int) -> int:
        return self.area * inputs[0]

    def plan_fields(self, source: Tensor, output: Tensor, lanes: int) -> PlanFields:
        return PlanFields(self.kernel, self.stride, (1, 1), self.padding)

    def to_onnx(self, inputs: Sequence[Tensor], output: Tensor) -> OnnxCall:
        attributes = {
            "kernel": [1, 1, *self.kernel],
            "strides": self.stride,
            "pads": self.padding,
            "zero_point": float(inputs[0].zero_point),
            "plane_shape": [-1, 1, *inputs[0].shape[1:]],
            "output_shape": [-1, *output.shape],
            "output_zero_point": float(output.zero_point),
            "to": ONNX_TYPES[output.kind],
        }
        return OnnxCall("SumPool", {}, attributes)

    @classmethod
    def from_onnx(cls, name: str, inputs: Sequence[str], output: str, call: OnnxCall) -> SumPool:
        attributes = call.attributes
        return cls(
            name,
            inputs[0],
            output,
            pair_of(attributes["kernel"][2:]),
            pair_of(attributes["strides"]),
            pads_of(attributes),
        )
