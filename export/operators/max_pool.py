# SPDX-License-Identifier: Apache-2.0
"""MaxPool: the largest value of a window, or the smallest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trit.export.graph import Array, BoolArray, Node, OnnxCall, Output, Pads, Pair, PlanFields, Range, Tensor
from trit.export.operators.windows import check_pool, pads_of, pair_of, windows
from trit.runtime.bits import pack_bits

# max(d·x)·d is the maximum where d = +1 and the minimum where d = -1.
_BODY = """
MaxPool <kernel_shape, strides, pads> (x, direction) => (y) {
  x_float = Cast <to = 1> (x)
  d = Cast <to = 1> (direction)
  directed = Mul (x_float, d)
  pooled = MaxPool <kernel_shape: ints = @kernel_shape, strides: ints = @strides, pads: ints = @pads> (directed)
  back = Mul (pooled, d)
  y = CastLike (back, x)
}
"""


@dataclass(frozen=True)
class MaxPool(Node):
    """Maximum over the window, minimum for channels in `minimum`; positions outside are ignored."""

    kernel: Pair
    stride: Pair
    padding: Pads = (0, 0, 0, 0)
    minimum: BoolArray | None = None  # (C,); None: maximum everywhere

    onnx_functions: ClassVar = {"MaxPool": _BODY}
    tables: ClassVar = ("minimum",)

    def check(self, *inputs: Tensor) -> Output:
        (source,) = inputs
        shape = check_pool(self, source, self.kernel, self.stride, self.padding)
        if self.minimum is not None:
            fits = self.minimum.dtype == np.bool_ and self.minimum.shape == (source.shape[0],)
            self.require(fits, "needs a minimum flag a channel")
        return Output((source.kind,), shape, source.zero_point)

    def evaluate(self, *inputs: Array) -> Array:
        (x,) = inputs
        low, high = np.iinfo(np.int32).min, np.iinfo(np.int32).max
        maximum = windows(x, self.kernel, self.stride, self.padding, low).max(axis=(4, 5))
        if self.minimum is None:
            return np.asarray(maximum)
        minimum = windows(x, self.kernel, self.stride, self.padding, high).min(axis=(4, 5))
        return np.asarray(np.where(self.minimum[:, None, None], minimum, maximum))

    def value_range(self, *inputs: Range) -> Range:
        return inputs[0]

    def bound(self, *inputs: int) -> int:
        return inputs[0]

    def plan_fields(self, source: Tensor, output: Tensor, lanes: int) -> PlanFields:
        flags = b"" if self.minimum is None else pack_bits(self.minimum).tobytes()
        return PlanFields(self.kernel, self.stride, (1, 1), self.padding, parameters=flags)

    def to_onnx(self, inputs: Sequence[Tensor], output: Tensor) -> OnnxCall:
        flags = np.zeros(1, np.bool_) if self.minimum is None else self.minimum
        direction = np.where(flags, -1, 1).astype(np.int8)[:, None, None]
        attributes = {"kernel_shape": self.kernel, "strides": self.stride, "pads": self.padding}
        return OnnxCall("MaxPool", {"direction": direction}, attributes)

    @classmethod
    def from_onnx(cls, name: str, inputs: Sequence[str], output: str, call: OnnxCall) -> MaxPool:
        (direction,), attributes = call.constants.values(), call.attributes
        flags = direction.reshape(-1) < 0
        kernel, stride = pair_of(attributes["kernel_shape"]), pair_of(attributes["strides"])
        return cls(name, inputs[0], output, kernel, stride, pads_of(attributes), flags if flags.any() else None)
