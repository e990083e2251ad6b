# SPDX-License-Identifier: Apache-2.0
"""What depends on no image, computed beforehand in the source's own float arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trit.export.importer.source import OPSET, Array, Operation


def fold(operation: Operation, inputs: Sequence[Array | None]) -> list[Array]:
    """The outputs of an operation whose inputs are all constants. Raises GraphError for one that nobody knows."""
    if operation.type in _QUANTIZERS:
        values = [np.asarray(value, np.float32) for value in inputs if value is not None]
        return [_QUANTIZERS[operation.type](operation, *values)]
    if operation.type == "Constant":
        return [_constant(operation)]
    return _evaluate(operation, inputs)


def _constant(operation: Operation) -> Array:
    """A Constant's value, whichever attribute holds it."""
    for name, value in operation.attributes.items():
        if name in ("value_float", "value_floats"):
            return np.asarray(value, np.float32)
        if name.startswith("value"):
            return np.asarray(value)
    raise operation.error("has no value that is numbers")


def _evaluate(operation: Operation, inputs: Sequence[Array | None]) -> list[Array]:
    """By ONNX's own reference implementation."""
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    feeds = {name: value for name, value in zip(operation.inputs, inputs, strict=True) if value is not None and name}
    node = helper.make_node(operation.type, operation.inputs, operation.outputs, **_attributes(operation))
    try:
        found = ReferenceEvaluator(node, opsets={"": OPSET}).run(None, feeds)
    except Exception as error:  # whatever numpy, onnx or the file may come up with
        reason = " ".join(str(error).split())[:120]
        raise operation.error(f"its constant inputs cannot be evaluated ({reason})") from error
    return [np.asarray(value) for value in found]


def _attributes(operation: Operation) -> dict[str, Any]:
    from onnx import numpy_helper

    return {
        name: numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        for name, value in operation.attributes.items()
    }


def _bipolar(operation: Operation, x: Array, scale: Array) -> Array:
    return np.where(x >= 0, scale, -scale)


def _quant(operation: Operation, x: Array, scale: Array, zero_point: Array, bits: Array) -> Array:
    y = x / scale + zero_point
    if is_one_bit(operation, bits):
        codes = np.where(y >= 0, np.float32(1), np.float32(-1))
    else:
        codes = numpy_rounding(operation, np.clip(y, *code_range(operation, bits)))
    return np.asarray((codes - zero_point) * scale, np.float32)


def is_one_bit(operation: Operation, bits: Array) -> bool:
    """QONNX gives a signed Quant of 1 bit the meaning of BipolarQuant."""
    return float(bits.reshape(-1)[0]) == 1 and bool(operation.attributes.get("signed", 1))


def code_range(operation: Operation, bits: Array) -> tuple[float, float]:
    """Least and greatest code of a Quant: QONNX's definition, by bits, signed and narrow."""
    if bits.size != 1:
        raise operation.error("has a bit width a channel; one for all is expected")
    width, signed = float(bits.reshape(-1)[0]), operation.attributes.get("signed", 1)
    narrow = operation.attributes.get("narrow", 0)
    if signed:
        half = 2.0 ** (width - 1)
        return (1 - half if narrow else -half), half - 1
    return 0.0, 2.0**width - (2 if narrow else 1)


def numpy_rounding(operation: Operation, y: Array) -> Array:
    mode = str(operation.attributes.get("rounding_mode", "ROUND")).upper()
    match mode:
        case "ROUND" | "HALF_EVEN":
            return np.round(y)
        case "FLOOR":
            return np.floor(y)
        case "CEIL":
            return np.ceil(y)
        case "UP":
            return np.sign(y) * np.ceil(np.abs(y))
        case "DOWN":
            return np.fix(y)
        case "HALF_UP":
            return np.sign(y) * np.floor(np.abs(y) + 0.5)
        case "HALF_DOWN":
            return np.sign(y) * np.ceil(np.abs(y) - 0.5)
    raise operation.error(f"rounding mode {mode} is unknown; one of QONNX's is expected")


_QUANTIZERS: dict[str, Callable[..., Array]] = {"BipolarQuant": _bipolar, "Quant": _quant, "IntQuant": _quant}
