# SPDX-License-Identifier: Apache-2.0
"""trit's operators as ONNX model-local functions: bodies in standard operators, so that any runtime can run the file.

Tensors between operators are (N, C, H, W): uint8 codes, int8 bits (-1, 0, +1), int32 accumulators, float32 scores.
Bodies compute in float32, which is exact while sums stay below 2^24; the writer checks that.
"""

from __future__ import annotations

from functools import cache
from typing import Any

DOMAIN = "trit"
VERSION = 1
OPSET = 21
IR_VERSION = 10
EXACT_FLOAT32 = 2**24

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

_CONV_BODY = """
  zero_float = Constant <value_float: float = @zero_point> ()
  x_float = Cast <to = 1> (x)
  value = Sub (x_float, zero_float)
  sum = Conv <strides: ints = @strides, pads: ints = @pads, dilations: ints = @dilations, group: int = @group>
    (value, weight)
  acc = Cast <to = 6> (sum)
}
"""

_CONV_ATTRIBUTES = "strides, pads, dilations, group, zero_point, weight_shape, fan_in"

_BINARY_CONV = f"""
BinaryConv <{_CONV_ATTRIBUTES}> (x, sign) => (acc) {{
  bits = trit.UnpackBits <weight_shape: ints = @weight_shape, fan_in: ints = @fan_in> (sign)
  one = Constant <value = float {{1.0}}> ()
  twice = Add (bits, bits)
  weight = Sub (one, twice)
{_CONV_BODY}"""

_TERNARY_CONV = f"""
TernaryConv <{_CONV_ATTRIBUTES}> (x, nonzero, sign) => (acc) {{
  nonzero_bits = trit.UnpackBits <weight_shape: ints = @weight_shape, fan_in: ints = @fan_in> (nonzero)
  sign_bits = trit.UnpackBits <weight_shape: ints = @weight_shape, fan_in: ints = @fan_in> (sign)
  twice = Add (sign_bits, sign_bits)
  weight = Sub (nonzero_bits, twice)
{_CONV_BODY}"""

_THRESHOLD = """
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

# max(d·x)·d is the maximum where d = +1 and the minimum where d = -1.
_MAX_POOL = """
MaxPool <kernel_shape, strides, pads> (x, direction) => (y) {
  x_float = Cast <to = 1> (x)
  d = Cast <to = 1> (direction)
  directed = Mul (x_float, d)
  pooled = MaxPool <kernel_shape: ints = @kernel_shape, strides: ints = @strides, pads: ints = @pads> (directed)
  back = Mul (pooled, d)
  y = CastLike (back, x)
}
"""

_SUM_POOL = """
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

_ADD = """
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

_SCORES = """
Scores (acc, scale, bias) => (scores) {
  acc_float = Cast <to = 1> (acc)
  product = Mul (acc_float, scale)
  scores = Add (product, bias)
}
"""

_FUNCTIONS = (_UNPACK, _BINARY_CONV, _TERNARY_CONV, _THRESHOLD, _MAX_POOL, _SUM_POOL, _ADD, _SCORES)


@cache
def functions() -> dict[str, Any]:
    """FunctionProto of every operator by name."""
    from onnx import parser

    header = f'<opset_import: ["" : {OPSET}, "{DOMAIN}" : {VERSION}], domain: "{DOMAIN}">'
    parsed = [parser.parse_function(header + text) for text in _FUNCTIONS]
    return {function.name: function for function in parsed}
