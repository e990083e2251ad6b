# SPDX-License-Identifier: Apache-2.0
"""Scores: the last accumulators as real numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trit.export.graph import Array, Float32Array, Node, OnnxCall, Output, PlanFields, Range, Tensor

_BODY = """
Scores (acc, scale, bias) => (scores) {
  acc_float = Cast <to = 1> (acc)
  product = Mul (acc_float, scale)
  scores = Add (product, bias)
}
"""


@dataclass(frozen=True)
class Scores(Node):
    """out[c] = float32(acc[c]) · scale[c] + bias[c], product and sum rounded to float32 one after the other."""

    scale: Float32Array  # (C,)
    bias: Float32Array  # (C,)

    onnx_functions: ClassVar = {"Scores": _BODY}
    tables: ClassVar = ("scale", "bias")

    def check(self, *inputs: Tensor) -> Output:
        (source,) = inputs
        self.require(source.kind == "int32", f"cannot score {source.kind}")
        for values in (self.scale, self.bias):
            fits = values.dtype == np.float32 and values.shape == source.shape[:1]
            self.require(fits, "needs a float32 a channel")
            self.require(bool(np.isfinite(values).all()), "scale or bias is not finite")
        return Output(("float32",), source.shape)

    def evaluate(self, *inputs: Array) -> Array:
        product = inputs[0].astype(np.float32) * self.scale[:, None, None]
        return np.asarray(product + self.bias[:, None, None])

    def value_range(self, *inputs: Range) -> Range:
        return 0, 0  # of integers; float32 has none

    def bound(self, *inputs: int) -> int:
        return 0

    def plan_fields(self, source: Tensor, output: Tensor, lanes: int) -> PlanFields:
        return PlanFields(parameters=np.concatenate([self.scale, self.bias]).astype("<f4").tobytes())

    def to_onnx(self, inputs: Sequence[Tensor], output: Tensor) -> OnnxCall:
        return OnnxCall("Scores", {"scale": self.scale[:, None, None], "bias": self.bias[:, None, None]}, {})

    @classmethod
    def from_onnx(cls, name: str, inputs: Sequence[str], output: str, call: OnnxCall) -> Scores:
        scale, bias = (values.reshape(-1) for values in call.constants.values())
        return cls(name, inputs[0], output, scale, bias)
