# SPDX-License-Identifier: Apache-2.0
"""MaxUnpool: a window's value goes to where the window's maximum is, as what acts down through a max pool does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trit.export.graph import Array, Node, OnnxCall, Output, Pair, PlanFields, Range, Tensor
from trit.export.operators.windows import pair_of, window_shape, windows

# In integers, so that sums may be of any size. The windows become rows; ArgMax gives the first maximum of each.
_BODY = """
MaxUnpool <kernel_shape, zero_point, covered, split, rows, positions, windows, image, pads> (x, other) => (y) {
  begin = Constant <value_ints: ints = [0, 0]> ()
  end = Constant <value_ints: ints = @covered> ()
  axes = Constant <value_ints: ints = [2, 3]> ()
  whole = Slice (other, begin, end, axes)
  split_shape = Constant <value_ints: ints = @split> ()
  parts = Reshape (whole, split_shape)
  apart = Transpose <perm = [0, 1, 3, 2, 4]> (parts)
  rows_shape = Constant <value_ints: ints = @rows> ()
  window = Reshape (apart, rows_shape)
  maximum = ArgMax <axis = 1> (window)
  position = Constant <value_ints: ints = @positions> ()
  is_maximum = Equal (maximum, position)
  mask = Cast <to = 6> (is_maximum)
  zero = Constant <value_int: int = @zero_point> ()
  zero_int = Cast <to = 6> (zero)
  x_int = Cast <to = 6> (x)
  x_value = Sub (x_int, zero_int)
  column_shape = Constant <value_ints: ints = [-1, 1]> ()
  column = Reshape (x_value, column_shape)
  spread = Mul (mask, column)
  windows_shape = Constant <value_ints: ints = @windows> ()
  spread_apart = Reshape (spread, windows_shape)
  spread_parts = Transpose <perm = [0, 1, 3, 2, 4]> (spread_apart)
  image_shape = Constant <value_ints: ints = @image> ()
  spread_image = Reshape (spread_parts, image_shape)
  rest = Constant <value_ints: ints = @pads> ()
  value = Pad (spread_image, rest)
  code = Add (value, zero_int)
  y = Cast <to = 2> (code)
}
"""


@dataclass(frozen=True)
class MaxUnpool(Node):
    """The value of a window (`input`) at the first maximum of the window's sums (`other`), in row-major order; else 0.

    Windows are `kernel` wide and apart; behind the last whole one the output is 0, too.
    """

    other: str
    kernel: Pair

    onnx_functions: ClassVar = {"MaxUnpool": _BODY}

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.input, self.other

    def check(self, *inputs: Tensor) -> Output:
        source, sums = inputs
        self.require(source.kind == "uint8", f"cannot unpool {source.kind}")
        self.require(sums.kind == "int32", f"unpools to the maxima of {sums.kind}, not of int32 sums")
        self.require(min(self.kernel) >= 1, "kernel out of range")
        pooled = (sums.shape[0], *window_shape(sums.shape, self.kernel, self.kernel, (0, 0, 0, 0)))
        self.require(source.shape == pooled, f"unpools {source.shape} to {sums.shape}, which has windows for {pooled}")
        return Output(("uint8",), sums.shape, source.zero_point)

    def evaluate(self, *inputs: Array) -> Array:
        values, sums = inputs
        height, width = self.kernel
        found = windows(sums, self.kernel, self.kernel, (0, 0, 0, 0), 0).reshape(*values.shape, height * width)
        first = found.argmax(axis=4)
        n, c, y, x = np.ogrid[tuple(slice(size) for size in values.shape)]
        output = np.zeros_like(sums)
        output[n, c, y * height + first // width, x * width + first % width] = values
        return output

    def value_range(self, *inputs: Range) -> Range:
        low, high = inputs[0]
        return min(low, 0), max(high, 0)

    def bound(self, *inputs: int) -> int:
        return inputs[0]

    def plan_fields(self, source: Tensor, output: Tensor, lanes: int) -> PlanFields:
        return PlanFields(self.kernel, self.kernel, (1, 1))

    def to_onnx(self, inputs: Sequence[Tensor], output: Tensor) -> OnnxCall:
        (channels, height, width), (rows, columns) = inputs[0].shape, self.kernel
        covered = (height * rows, width * columns)  # by whole windows
        attributes = {
            "kernel_shape": self.kernel,
            "zero_point": output.zero_point,
            "covered": covered,
            "split": [-1, height, rows, width, columns],
            "rows": [-1, rows * columns],
            "positions": list(range(rows * columns)),
            "windows": [-1, height, width, rows, columns],
            "image": [-1, channels, *covered],
            "pads": [0] * 6 + [output.shape[1] - covered[0], output.shape[2] - covered[1]],
        }
        return OnnxCall("MaxUnpool", {}, attributes)

    @classmethod
    def from_onnx(cls, name: str, inputs: Sequence[str], output: str, call: OnnxCall) -> MaxUnpool:
        return cls(name, inputs[0], output, inputs[1], pair_of(call.attributes["kernel_shape"]))
