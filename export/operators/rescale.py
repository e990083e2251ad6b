# SPDX-License-Identifier: Apache-2.0
"""Rescale: integers become 8-bit codes of another scale. This is the one definition of rescaling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trit.export.graph import (
    Array,
    BoolArray,
    Int32Array,
    Int64Array,
    Node,
    OnnxCall,
    Output,
    PlanFields,
    Range,
    Tensor,
    UInt8Array,
)

MAX_CODE = 255
MAX_SHIFT = 62
OFFSET_LIMIT = 2**62  # offsets are smaller in magnitude, as products are, so that their sum fits 64 bits

# ONNX shifts unsigned integers alone; a negative sum gives code 0 either way.
_BODY = """
Rescale <zero_point, output_zero_point> (x, multiplier, offset, shift) => (codes) {
  zero = Constant <value_int: int = @zero_point> ()
  x_long = Cast <to = 7> (x)
  value = Sub (x_long, zero)
  factor = Cast <to = 7> (multiplier)
  product = Mul (value, factor)
  sum = Add (product, offset)
  least = Constant <value = int64 {0}> ()
  positive = Max (sum, least)
  unsigned = Cast <to = 13> (positive)
  distance = Cast <to = 13> (shift)
  shifted = BitShift <direction = "RIGHT"> (unsigned, distance)
  most = Constant <value = uint64 {255}> ()
  clamped = Min (shifted, most)
  codes = Cast <to = 2> (clamped)
}
"""


@dataclass(frozen=True)
class Rescale(Node):
    """q = clamp((x · multiplier + offset) >> shift, 0, 255) per channel, in 64 bits; the value is q - zero_point."""

    multiplier: Int32Array  # (C,), above -2^31
    offset: Int64Array  # (C,), within ±2^62; holds the zero point and the half that rounds
    shift: UInt8Array  # (C,), 0..62
    zero_point: int

    onnx_functions: ClassVar = {"Rescale": _BODY}
    tables: ClassVar = ("multiplier", "offset", "shift")

    @property
    def falls(self) -> BoolArray:
        """(C,): does the output fall where the input rises?"""
        return self.multiplier < 0

    def check(self, *inputs: Tensor) -> Output:
        (source,) = inputs
        channels = source.shape[0]
        self.require(source.kind in ("int32", "uint8"), f"cannot rescale {source.kind}")
        for values, dtype in ((self.multiplier, np.int32), (self.offset, np.int64), (self.shift, np.uint8)):
            fits = values.dtype == dtype and values.shape == (channels,)
            self.require(fits, f"needs {dtype.__name__} of {channels} channels")
        self.require(bool((self.multiplier > -(2**31)).all()), "a multiplier is out of range")
        in_range = (self.offset > -OFFSET_LIMIT) & (self.offset < OFFSET_LIMIT) & (self.shift <= MAX_SHIFT)
        self.require(bool(in_range.all()), "an offset or shift is out of range")
        return Output(("uint8",), source.shape, self.zero_point)

    def evaluate(self, *inputs: Array) -> Array:
        multiplier, offset, shift = (v[:, None, None] for v in (self.multiplier, self.offset, self.shift))
        sums = inputs[0].astype(np.int64) * multiplier + offset
        codes = np.clip(sums >> shift.astype(np.int64), 0, MAX_CODE)
        return np.asarray(codes - self.zero_point, np.int32)

    def value_range(self, *inputs: Range) -> Range:
        """Of the codes at both ends of the input, as every channel is monotone."""
        ends = np.array(inputs[0], np.int64)[:, None]
        codes = np.clip((ends * self.multiplier + self.offset) >> self.shift.astype(np.int64), 0, MAX_CODE)
        return int(codes.min()) - self.zero_point, int(codes.max()) - self.zero_point

    def bound(self, *inputs: int) -> int:
        return max(self.zero_point, MAX_CODE - self.zero_point)

    def plan_fields(self, source: Tensor, output: Tensor, lanes: int) -> PlanFields:
        shifts = self.shift.tobytes() + bytes(-len(self.shift) % 4)
        return PlanFields(
            parameters=self.multiplier.astype("<i4").tobytes() + self.offset.astype("<i8").tobytes() + shifts
        )

    def to_onnx(self, inputs: Sequence[Tensor], output: Tensor) -> OnnxCall:
        constants: dict[str, Array] = {"multiplier": self.multiplier, "offset": self.offset, "shift": self.shift}
        attributes = {"zero_point": inputs[0].zero_point, "output_zero_point": self.zero_point}
        return OnnxCall("Rescale", {name: v[:, None, None] for name, v in constants.items()}, attributes)

    @classmethod
    def from_onnx(cls, name: str, inputs: Sequence[str], output: str, call: OnnxCall) -> Rescale:
        multiplier, offset, shift = (values.reshape(-1) for values in call.constants.values())
        return cls(name, inputs[0], output, multiplier, offset, shift, call.attributes["output_zero_point"])
