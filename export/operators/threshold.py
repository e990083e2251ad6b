# SPDX-License-Identifier: Apache-2.0
"""Threshold: integers become bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trit.export.graph import Array, BoolArray, Int32Array, Node, OnnxCall, Output, PlanFields, Range, Tensor
from trit.runtime.bits import pack_bits

_BODY = """
Threshold <zero_point, kind> (x, lo, hi, direction) => (bits) {
  zero = Constant <value_int: int = @zero_point> ()
  zero_int = Cast <to = 6> (zero)
  x_int = Cast <to = 6> (x)
  value = Sub (x_int, zero_int)
  reaches = GreaterOrEqual (value, hi)
  below = Less (value, lo)
  up = Cast <to = 6> (reaches)
  down = Cast <to = 6> (below)
  level = Sub (up, down)
  direction_int = Cast <to = 6> (direction)
  directed = Mul (level, direction_int)
  bits = Cast <to = 3> (directed)
}
"""


@dataclass(frozen=True)
class Threshold(Node):
    """out = d · ([acc >= hi] - [acc < lo]) per channel, d = -1 where `negative`; binary where lo == hi throughout."""

    lo: Int32Array  # (C,)
    hi: Int32Array  # (C,), lo <= hi
    negative: BoolArray  # (C,)

    onnx_functions: ClassVar = {"Threshold": _BODY}
    tables: ClassVar = ("lo", "hi", "negative")

    @property
    def falls(self) -> BoolArray:
        """(C,): does the output fall where the input rises?"""
        return self.negative

    def check(self, *inputs: Tensor) -> Output:
        (source,) = inputs
        channels = source.shape[0]
        self.require(source.kind in ("int32", "uint8"), f"cannot threshold {source.kind}")
        for values, dtype in ((self.lo, np.int32), (self.hi, np.int32), (self.negative, np.bool_)):
            fits = values.dtype == dtype and values.shape == (channels,)
            self.require(fits, f"needs {dtype.__name__} of {channels} channels")
        self.require(bool((self.lo <= self.hi).all()), "lower threshold above the upper one")
        is_binary = np.array_equal(self.lo, self.hi)
        return Output(("binary", "ternary") if is_binary else ("ternary",), source.shape)

    def evaluate(self, *inputs: Array) -> Array:
        (x,) = inputs
        lo, hi, negative = (values[:, None, None] for values in (self.lo, self.hi, self.negative))
        level = (x >= hi).astype(np.int32) - (x < lo)
        return np.asarray(np.where(negative, -level, level), np.int32)

    def value_range(self, *inputs: Range) -> Range:
        return -1, 1

    def bound(self, *inputs: int) -> int:
        return 1

    def plan_fields(self, source: Tensor, output: Tensor, lanes: int) -> PlanFields:
        values = [self.lo] if output.kind == "binary" else [self.lo, self.hi]
        flags = pack_bits(self.negative).tobytes()
        return PlanFields(parameters=b"".join([*(v.astype("<i4").tobytes() for v in values), flags]))

    def to_onnx(self, inputs: Sequence[Tensor], output: Tensor) -> OnnxCall:
        direction = np.where(self.negative, -1, 1).astype(np.int8)
        hi, lo = self.hi[:, None, None], self.lo[:, None, None]
        if np.array_equal(lo, hi):
            lo = hi  # one array is written once
        constants: dict[str, Array] = {"lo": lo, "hi": hi, "direction": direction[:, None, None]}
        return OnnxCall("Threshold", constants, {"zero_point": inputs[0].zero_point, "kind": output.kind})

    @classmethod
    def from_onnx(cls, name: str, inputs: Sequence[str], output: str, call: OnnxCall) -> Threshold:
        lo, hi, direction = (values.reshape(-1) for values in call.constants.values())
        return cls(name, inputs[0], output, lo=lo, hi=hi, negative=direction < 0)
