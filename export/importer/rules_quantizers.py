# SPDX-License-Identifier: Apache-2.0
"""Quantizers of QONNX, FINN and ONNX: functions with few values."""

from __future__ import annotations

from bisect import bisect_right
from fractions import Fraction

import numpy as np

from trit.export.importer.constants import code_range, is_one_bit
from trit.export.importer.functions import ONE, ZERO, Function, Rounding, constant
from trit.export.importer.network import Network
from trit.export.importer.rules_pointwise import Input
from trit.export.importer.source import Array, Operation
from trit.export.importer.values import Real

ROUNDINGS: dict[str, Rounding] = {
    "ROUND": "even",
    "HALF_EVEN": "even",
    "FLOOR": "floor",
    "CEIL": "ceil",
    "UP": "away",
    "DOWN": "zero",
    "HALF_UP": "half_away",
    "HALF_DOWN": "half_zero",
}


def _sign(f: Function, scale: Fraction) -> Function:
    """±scale, + at 0."""
    low, high = constant(-scale), constant(scale)
    return f.choose(ZERO, lambda _: low, lambda _: high, lambda _: high)


def bipolar_quant(operation: Operation, inputs: list[Input], network: Network) -> Real:
    return _constant(operation, inputs, 1)[0].mapped(operation, _sign, inputs[1])


def quant(operation: Operation, inputs: list[Input], network: Network) -> Real:
    """scale·(R(clip(x/scale + zero)) - zero)."""
    real, bits = _constant(operation, inputs, 3)
    if is_one_bit(operation, bits):
        return real.mapped(operation, _sign, inputs[1])
    low, high = (Fraction(code) for code in code_range(operation, bits))
    rounding = _rounding(operation)

    def change(f: Function, scale: Fraction, zero: Fraction) -> Function:
        codes = f.affine(1 / scale, zero).clipped(low, high).rounded(rounding)
        return codes.affine(scale, -zero * scale)

    _check_scale(operation, inputs[1])
    return real.mapped(operation, change, inputs[1], inputs[2])


def truncate(operation: Operation, inputs: list[Input], network: Network) -> Real:
    """Trunc of QONNX: the codes of a sum, their last bits cut off."""
    real, _ = _constant(operation, inputs, len(inputs) - 1)
    scale, zero, before = (np.asarray(value, np.float64) for value in inputs[1:4])
    rounding = _rounding(operation, "FLOOR")
    if len(inputs) == 5:  # version 1: by how many bits the codes are narrower
        step = Fraction(2) ** int(before.reshape(-1)[0] - np.asarray(inputs[4]).reshape(-1)[0])
        low, high, output = None, None, scale
    else:
        output = np.asarray(inputs[4], np.float64)
        step = Fraction(2) ** int(np.round(np.log2(output / scale)).reshape(-1)[0])
        low, high = (Fraction(code) for code in code_range(operation, np.asarray(inputs[5])))

    def change(f: Function, s: Fraction, z: Fraction, o: Fraction) -> Function:
        codes = f.affine(1 / s, z).rounded("even").affine(1 / step, ZERO)
        cut = codes.clipped(low, high).rounded(rounding)
        return cut.affine(o, -o * z / step) if low is not None else cut.affine(o, -o * z)

    _check_scale(operation, scale)
    return real.mapped(operation, change, scale, zero, output)


def _rounding(operation: Operation, default: str = "ROUND") -> Rounding:
    mode = str(operation.attributes.get("rounding_mode", default)).upper()
    if mode not in ROUNDINGS:
        raise operation.error(f"rounding mode {mode} is unknown; one of {', '.join(ROUNDINGS)} is expected")
    return ROUNDINGS[mode]


def _constant(operation: Operation, inputs: list[Input], last: int) -> tuple[Real, Array]:
    """The value and the last parameter. Raises GraphError where a parameter is missing or depends on the image."""
    if len(inputs) <= last or not all(isinstance(value, np.ndarray) for value in inputs[1 : last + 1]):
        raise operation.error("its parameters are not constants")
    return inputs[0], inputs[last]


def _check_scale(operation: Operation, scale: Array) -> None:
    if not (np.asarray(scale, np.float64) > 0).all():
        raise operation.error("has a scale that is not positive")


def multi_threshold(operation: Operation, inputs: list[Input], network: Network) -> Real:
    """out_scale·#{t: x >= t} + out_bias, thresholds (C or 1, T)."""
    real, thresholds = _constant(operation, inputs, 1)
    layout = operation.attributes.get("data_layout") or {2: "NC", 3: "NWC", 4: "NCHW"}.get(len(real.shape), "NC")
    axis = layout.index("C") if "C" in layout else 1
    scale = Fraction(operation.attributes.get("out_scale", 1.0))
    bias = Fraction(operation.attributes.get("out_bias", 0.0))
    shape = [1] * len(real.shape)
    shape[axis] = -1
    columns = [np.asarray(column).reshape(shape) for column in np.asarray(thresholds, np.float64).T]

    def change(f: Function, *steps: Fraction) -> Function:
        return _count(f, sorted(steps)).affine(scale, bias)

    return real.mapped(operation, change, *columns)


def _count(f: Function, steps: list[Fraction]) -> Function:
    """How many of the ascending steps the function has reached."""
    starts = {start for start, _ in f.pieces}
    for start, end, piece in f.spans():
        starts |= {first for step in steps for first, _ in piece.runs(step, start, end)}
    return Function.of(f.domain, [(x, constant(Fraction(bisect_right(steps, f.at(x))))) for x in sorted(starts)])


def quantize_linear(operation: Operation, inputs: list[Input], network: Network) -> Real:
    """Codes: saturate(R(x/scale) + zero), R to even."""
    real, scale = _constant(operation, inputs, 1)
    zero = inputs[2] if len(inputs) > 2 and inputs[2] is not None else _no_zero_point(operation)
    low, high = (Fraction(code) for code in type_range(operation, zero))
    _check_scale(operation, scale)

    def change(f: Function, s: Fraction, z: Fraction) -> Function:
        return f.affine(1 / s, ZERO).rounded("even").affine(ONE, z).clipped(low, high)

    return real.mapped(operation, change, *_along_axis(operation, real, scale, zero))


def dequantize_linear(operation: Operation, inputs: list[Input], network: Network) -> Real:
    """scale·(code - zero)."""
    real, scale = _constant(operation, inputs, 1)
    zero = inputs[2] if len(inputs) > 2 and inputs[2] is not None else np.zeros((), np.int8)

    def change(f: Function, s: Fraction, z: Fraction) -> Function:
        return f.affine(s, -s * z)

    return real.mapped(operation, change, *_along_axis(operation, real, scale, zero))


def _no_zero_point(operation: Operation) -> Array:
    from onnx import helper

    kind = operation.attributes.get("output_dtype") or 2  # uint8
    return np.zeros((), helper.tensor_dtype_to_np_dtype(kind))


def type_range(operation: Operation, zero_point: Array) -> tuple[int, int]:
    """Least and greatest value of an integer type by its name, of which numpy has only some."""
    name = zero_point.dtype.name
    digits = name.lstrip("uint")
    if not digits.isdigit():
        raise operation.error(f"quantizes to {name}; integers are expected")
    width = int(digits)
    return (0, 2**width - 1) if name.startswith("u") else (-(2 ** (width - 1)), 2 ** (width - 1) - 1)


def _along_axis(operation: Operation, real: Real, *parameters: Array) -> list[Array]:
    """A scale a channel lies along the operator's axis."""
    axis = int(operation.attributes.get("axis", 1)) % max(len(real.shape), 1)
    shape = [1] * len(real.shape)
    shape[axis] = -1
    numbers = [np.asarray(values).astype(np.float64) for values in parameters]
    return [values.reshape(shape) if values.size > 1 else values.reshape(()) for values in numbers]
