# SPDX-License-Identifier: Apache-2.0
"""Conv: binary, ternary or int8 weights times 8-bit values or bits, summed up in int32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from trit.export.graph import (
    Array,
    Int8Array,
    Node,
    OnnxCall,
    Output,
    Pads,
    Pair,
    PlanFields,
    Range,
    Tensor,
    WeightKind,
)
from trit.export.operators.windows import pads_of, pair_of, window_shape, windows
from trit.runtime.bits import Words, pack_bytes, pack_planes

GEOMETRY = ("strides", "pads", "dilations", "group", "zero_point")  # the attributes of every convolution's function
_GEOMETRY = ", ".join(GEOMETRY)
_ATTRIBUTES = f"{_GEOMETRY}, weight_shape, fan_in"
_UNPACK_ATTRIBUTES = "weight_shape: ints = @weight_shape, fan_in: ints = @fan_in"

# One row of packed bits per output channel, (kh, kw, in) flattened, channels innermost, little bit order.
_UNPACK = """
UnpackBits <weight_shape, fan_in> (packed) => (bits) {
  shifts = Constant <value = uint8[8] {0, 1, 2, 3, 4, 5, 6, 7}> ()
  one = Constant <value = uint8[1] {1}> ()
  last = Constant <value = int64[1] {-1}> ()
  first = Constant <value = int64[1] {0}> ()
  second = Constant <value = int64[1] {1}> ()
  row = Constant <value = int64[2] {0, -1}> ()
  bytes = Unsqueeze (packed, last)
  shifted = BitShift <direction = "RIGHT"> (bytes, shifts)
  single = BitwiseAnd (shifted, one)
  rows = Reshape (single, row)
  count = Constant <value_ints: ints = @fan_in> ()
  used = Slice (rows, first, count, second)
  shape = Constant <value_ints: ints = @weight_shape> ()
  ohwi = Reshape (used, shape)
  oihw = Transpose <perm = [0, 3, 1, 2]> (ohwi)
  bits = Cast <to = 1> (oihw)
}
"""

_SUM = """
  zero_float = Constant <value_float: float = @zero_point> ()
  x_float = Cast <to = 1> (x)
  value = Sub (x_float, zero_float)
  sum = Conv <strides: ints = @strides, pads: ints = @pads, dilations: ints = @dilations, group: int = @group>
    (value, weight)
  acc = Cast <to = 6> (sum)
"""

_BINARY = f"""
BinaryConv <{_ATTRIBUTES}> (x, sign) => (acc) {{
  bits = trit.UnpackBits <{_UNPACK_ATTRIBUTES}> (sign)
  one = Constant <value = float {{1.0}}> ()
  twice = Add (bits, bits)
  weight = Sub (one, twice)
{_SUM}}}
"""

_TERNARY = f"""
TernaryConv <{_ATTRIBUTES}> (x, nonzero, sign) => (acc) {{
  nonzero_bits = trit.UnpackBits <{_UNPACK_ATTRIBUTES}> (nonzero)
  sign_bits = trit.UnpackBits <{_UNPACK_ATTRIBUTES}> (sign)
  twice = Add (sign_bits, sign_bits)
  weight = Sub (nonzero_bits, twice)
{_SUM}}}
"""

_INT8 = f"""
Int8Conv <{_GEOMETRY}> (x, w) => (acc) {{
  weight = Cast <to = 1> (w)
{_SUM}}}
"""

# What trit.export.onnx_int2 calls in place of BinaryConv and TernaryConv.
_INT2 = f"""
Int2Conv <{_GEOMETRY}> (x, w) => (acc) {{
  one = Constant <value = float {{1.0}}> ()
  weight = DequantizeLinear (w, one)
{_SUM}}}
"""

_FUNCTIONS: dict[WeightKind, str] = {"binary": "BinaryConv", "ternary": "TernaryConv", "int8": "Int8Conv"}
_KINDS = {function: kind for kind, function in _FUNCTIONS.items()}
_LEAST_AND_MOST: dict[WeightKind, Range] = {"binary": (-1, 1), "ternary": (-1, 1), "int8": (-127, 127)}


@dataclass(frozen=True)
class Conv(Node):
    """acc[o, y, x] = Σ w[o, i, ky, kx] · value(in[i, y·s + ky·d - p, x·s + kx·d - p]); positions outside count 0."""

    weights: Int8Array  # (O, I / groups, KH, KW), values of weight_kind
    weight_kind: WeightKind
    stride: Pair = (1, 1)
    padding: Pads = (0, 0, 0, 0)  # top, left, bottom, right
    dilation: Pair = (1, 1)
    groups: int = 1

    onnx_functions: ClassVar = {
        "UnpackBits": _UNPACK,
        "BinaryConv": _BINARY,
        "TernaryConv": _TERNARY,
        "Int8Conv": _INT8,
        "Int2Conv": _INT2,
    }

    @property
    def kernel(self) -> Pair:
        """Height and width of the window."""
        return self.weights.shape[2], self.weights.shape[3]

    @property
    def is_depthwise(self) -> bool:
        """One channel in, one channel out, in order."""
        return self.groups > 1 and len(self.weights) == self.groups and self.weights.shape[1] == 1

    def check(self, *inputs: Tensor) -> Output:
        (source,) = inputs
        self.require(source.kind == "uint8" or source.is_bits, f"cannot convolve {source.kind}")
        self._check_weights()
        outputs, inputs_a_group = self.weights.shape[:2]
        fits = self.groups >= 1 and outputs % self.groups == 0 and inputs_a_group * self.groups == source.shape[0]
        message = f"weights {self.weights.shape} in {self.groups} groups do not fit {source.shape[0]} channels"
        self.require(fits, message)
        in_range = min(*self.stride, *self.dilation) >= 1 and min(self.padding) >= 0
        self.require(in_range, "stride or padding out of range")
        size = window_shape(source.shape, self.kernel, self.stride, self.padding, self.dilation)
        return Output(("int32",), (outputs, *size))

    def _check_weights(self) -> None:
        right = self.weights.dtype == np.int8 and self.weights.ndim == 4 and self.weights.size > 0
        self.require(right, "weights are not int8 (O, I, H, W)")
        low, high = _LEAST_AND_MOST[self.weight_kind]
        right = bool((self.weights >= low).all() and (self.weights <= high).all())
        right = right and (self.weight_kind != "binary" or bool(self.weights.all()))
        allowed = "-1, 1" if self.weight_kind == "binary" else f"{low}..{high}"
        self.require(right, f"a {self.weight_kind} weight is not one of {allowed}")

    def evaluate(self, *inputs: Array) -> Array:
        found = windows(inputs[0], self.kernel, self.stride, self.padding, 0, self.dilation)
        count, _, height, width = found.shape[:4]
        groups, outputs = self.groups, len(self.weights)
        # float64 products are exact (|acc| < 2^31 < 2^53) and go through BLAS.
        columns = found.reshape(count, groups, -1, height, width, *found.shape[4:]).astype(np.float64)
        columns = columns.transpose(1, 0, 3, 4, 2, 5, 6).reshape(groups, count * height * width, -1)
        rows = self.weights.reshape(groups, outputs // groups, -1).astype(np.float64)
        acc = columns @ rows.transpose(0, 2, 1)
        acc = acc.reshape(groups, count, height, width, outputs // groups).transpose(1, 0, 4, 2, 3)
        return np.asarray(acc.reshape(count, outputs, height, width), np.int32)

    def value_range(self, *inputs: Range) -> Range:
        positive = int(np.maximum(self.weights, 0).sum(axis=(1, 2, 3), dtype=np.int64).max())
        negative = -int(np.minimum(self.weights, 0).sum(axis=(1, 2, 3), dtype=np.int64).min())
        # Zero padding adds 0 to what a tap may see.
        low, high = min(inputs[0][0], 0), max(inputs[0][1], 0)
        return positive * low - negative * high, positive * high - negative * low

    def bound(self, *inputs: int) -> int:
        return int(np.prod(self.weights.shape[1:])) * _LEAST_AND_MOST[self.weight_kind][1] * inputs[0]

    def plan_fields(self, source: Tensor, output: Tensor, lanes: int) -> PlanFields:
        lanes = lanes if self.groups == 1 else 1
        counted = self.weight_kind == "ternary" and not self.is_depthwise
        counts = np.count_nonzero(self.weights, axis=(1, 2, 3)).astype("<u4").tobytes() if counted else b""
        return PlanFields(
            self.kernel,
            self.stride,
            self.dilation,
            self.padding,
            self.groups,
            lanes,
            self.weight_kind,
            self._plan_weights(source, lanes).tobytes(),
            counts,
        )

    def _plan_weights(self, source: Tensor, lanes: int) -> Words:
        """Words of the weights, with `lanes` output channels interleaved.

        bits in:   [⌈O/lanes⌉][kh][kw][plane][⌈I/groups/32⌉][lanes]
        uint8 in:  [⌈O/lanes⌉][plane][⌈kh·kw·I/groups/32⌉][lanes], a channel's taps in one string (kh, kw, I/groups)
        depthwise: [kh][kw][plane][⌈C/32⌉], packed along the channels as activations are
        int8:      as uint8 in or depthwise, with ⌈…/4⌉ words of four weights in place of planes
        """
        if self.is_depthwise:
            return self._pack(self.weights[:, 0].transpose(1, 2, 0))
        rows = self.weights.transpose(0, 2, 3, 1)
        if source.kind == "uint8" or self.weight_kind == "int8":
            rows = rows.reshape(rows.shape[0], 1, 1, -1)
        strings = self._pack(rows)  # (O, kh, kw, plane, words), int8: (O, 1, 1, words)
        fillers = -strings.shape[0] % lanes
        strings = np.concatenate([strings, np.zeros((fillers, *strings.shape[1:]), strings.dtype)])
        blocks = strings.reshape(-1, lanes, *strings.shape[1:])
        return np.ascontiguousarray(np.moveaxis(blocks, 1, -1))

    def _pack(self, values: Array) -> Words:
        return pack_bytes(values) if self.weight_kind == "int8" else pack_planes(values, self.weight_kind)

    def to_onnx(self, inputs: Sequence[Tensor], output: Tensor) -> OnnxCall:
        function = _FUNCTIONS[self.weight_kind]
        attributes: dict[str, Any] = {
            "strides": self.stride,
            "pads": self.padding,
            "dilations": self.dilation,
            "group": self.groups,
            "zero_point": float(inputs[0].zero_point),
        }
        if self.weight_kind == "int8":
            return OnnxCall(function, {"weights": self.weights}, attributes)
        rows = self.weights.transpose(0, 2, 3, 1)
        planes = {"sign": rows < 0} if self.weight_kind == "binary" else {"nonzero": rows != 0, "sign": rows < 0}
        attributes |= {"weight_shape": rows.shape, "fan_in": [int(np.prod(rows.shape[1:]))]}
        return OnnxCall(function, {name: _pack(plane) for name, plane in planes.items()}, attributes)

    @classmethod
    def from_onnx(cls, name: str, inputs: Sequence[str], output: str, call: OnnxCall) -> Conv:
        kind = _KINDS[call.function]
        attributes = call.attributes
        return cls(
            name,
            inputs[0],
            output,
            weights=_weights_of(call, kind),
            weight_kind=kind,
            stride=pair_of(attributes["strides"]),
            padding=pads_of(attributes),
            dilation=pair_of(attributes["dilations"]),
            groups=attributes["group"],
        )


def _weights_of(call: OnnxCall, kind: WeightKind) -> Int8Array:
    if kind == "int8":
        (weights,) = call.constants.values()
        return weights
    shape, count = tuple(call.attributes["weight_shape"]), call.attributes["fan_in"][0]
    planes = [_unpack(rows, shape, count) for rows in call.constants.values()]
    values = (1 if kind == "binary" else planes[0]) - 2 * planes[-1]
    if values.min() < -1:
        raise ValueError("a weight is negative and zero at once")
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


def _pack(plane: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """A plane (O, KH, KW, I) as rows of bytes (O, ⌈KH·KW·I/8⌉)."""
    return np.packbits(plane.reshape(len(plane), -1), axis=1, bitorder="little")


def _unpack(rows: Array, shape: tuple[int, ...], count: int) -> npt.NDArray[np.int8]:
    """Bits (O, KH, KW, I) of packed rows (O, bytes)."""
    if rows.dtype != np.uint8 or rows.shape != (shape[0], -(-count // 8)):
        raise ValueError(f"packed weights have shape {rows.shape}")
    return np.unpackbits(rows, axis=1, count=count, bitorder="little").reshape(shape).astype(np.int8)
