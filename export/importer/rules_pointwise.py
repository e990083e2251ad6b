# SPDX-License-Identifier: Apache-2.0
"""Operators that work element by element: each changes the functions of its input's channels."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from trit.export.exact import square_root
from trit.export.importer.functions import (
    ONE,
    ZERO,
    Function,
    Piece,
    Rounding,
    add_pieces,
    constant,
    keep,
    multiply_pieces,
)
from trit.export.importer.joining import summed
from trit.export.importer.network import Network
from trit.export.importer.source import Array, Operation
from trit.export.importer.values import Real, exact

Input = Any  # Real, a constant's array, or None where the source leaves it out


def operand(inputs: list[Input], index: int) -> Input:
    """An input that may be left out, at the end or as None."""
    return inputs[index] if index < len(inputs) else None


def first(inputs: list[Input]) -> Real:
    """The first input, which rules of one input know to depend on the image."""
    real: Real = inputs[0]
    return real


def _aligned(operation: Operation, values: Input, real: Real) -> Input:
    """Constants of operator sets before 7 are aligned by `axis`, not by their last one."""
    axis = operation.attributes.get("axis")
    if isinstance(values, Real) or axis is None or not operation.attributes.get("broadcast") or not np.ndim(values):
        return values
    return values.reshape(values.shape + (1,) * (len(real.shape) - int(axis) % len(real.shape) - values.ndim))


def add(operation: Operation, inputs: list[Input], network: Network) -> Real:
    total = inputs[0]
    for other in inputs[1:]:
        total = _sum(operation, total, other, network)
    return first([total])


def _sum(operation: Operation, left: Input, right: Input, network: Network) -> Input:
    if isinstance(left, Real) and isinstance(right, Real):
        if left.parts == right.parts:
            return left.merged(operation, right, add_pieces)
        return summed(operation, left, right, network)
    if not isinstance(left, Real) and not isinstance(right, Real):
        return left + right
    real, values = (left, right) if isinstance(left, Real) else (right, left)
    return real.mapped(operation, lambda f, v: f.affine(ONE, v), _aligned(operation, values, real))


def subtract(operation: Operation, inputs: list[Input], network: Network) -> Real:
    left, right = inputs
    if isinstance(right, Real):
        return add(operation, [left, negate(operation, [right], network)], network)
    return first(inputs).mapped(operation, lambda f, v: f.affine(ONE, -v), _aligned(operation, right, left))


def negate(operation: Operation, inputs: list[Input], network: Network) -> Real:
    return first(inputs).mapped(operation, lambda f: f.affine(-ONE, ZERO))


def multiply(operation: Operation, inputs: list[Input], network: Network) -> Real:
    left, right = inputs
    if isinstance(left, Real) and isinstance(right, Real):
        return left.merged(operation, right, multiply_pieces)
    real, values = (left, right) if isinstance(left, Real) else (right, left)
    return real.mapped(operation, lambda f, v: f.affine(v, ZERO), _aligned(operation, values, real))


def divide(operation: Operation, inputs: list[Input], network: Network) -> Real:
    left, right = inputs
    if isinstance(right, Real):
        raise operation.error("divides by a value that depends on the image; a constant divisor is expected")
    if not np.all(right):
        raise operation.error("divides by 0")
    return first(inputs).mapped(operation, lambda f, v: f.affine(1 / v, ZERO), _aligned(operation, right, left))


def batch_norm(operation: Operation, inputs: list[Input], network: Network) -> Real:
    """γ(x - μ)/√(σ² + ε) + β, the root to 200 bits."""
    real, (gamma, beta, mean, variance) = first(inputs), inputs[1:5]
    if operation.attributes.get("training_mode"):
        raise operation.error("normalizes by the batch it sees (training_mode); running statistics are expected")
    epsilon = Fraction(operation.attributes.get("epsilon", 1e-5))
    last = "channels_last" in operation.domain or len(real.shape) < 2
    shape = [-1] if last else [-1, *[1] * (len(real.shape) - 2)]
    parameters = [np.asarray(values).reshape(shape) for values in (gamma, beta, mean, variance)]
    if min(np.asarray(variance, np.float64)) + epsilon <= 0:
        raise operation.error("a running variance is not positive")

    def change(f: Function, g: Fraction, b: Fraction, m: Fraction, v: Fraction) -> Function:
        factor = g / square_root(v + epsilon)
        return f.affine(factor, b - m * factor)

    return real.mapped(operation, change, *parameters)


def relu(operation: Operation, inputs: list[Input], network: Network) -> Real:
    return first(inputs).mapped(operation, lambda f: f.clipped(ZERO, None))


_SIGNS = ("Sign", "BipolarQuant")
_KEEPING_SIGNS = ("Identity", "Dropout", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "MaxPool", "Clip")


def sign_keeping(operation: Operation, inputs: list[Input], network: Network) -> Real:
    """Tanh, Softsign, Erf, Atan: rising through 0, so that a sign behind them is that of their input."""
    pending = [operation]
    while pending:
        for reader in [r for name in pending.pop().outputs for r in network.readers.get(name, [])]:
            if reader.type in _KEEPING_SIGNS:
                pending.append(reader)
            elif reader.type not in _SIGNS:
                raise operation.error(f"is read by {reader.name} ({reader.type}); {' or '.join(_SIGNS)} is expected")
    return first(inputs)


def leaky_relu(operation: Operation, inputs: list[Input], network: Network) -> Real:
    slope = Fraction(operation.attributes.get("alpha", 0.01))
    return first(inputs).mapped(operation, lambda f: f.choose(ZERO, lambda p: p.affine(slope, ZERO), keep, keep))


def parametric_relu(operation: Operation, inputs: list[Input], network: Network) -> Real:
    def change(f: Function, slope: Fraction) -> Function:
        return f.choose(ZERO, lambda p: p.affine(slope, ZERO), keep, keep)

    return first(inputs).mapped(operation, change, inputs[1])


def hard_sigmoid(operation: Operation, inputs: list[Input], network: Network) -> Real:
    alpha, beta = Fraction(operation.attributes.get("alpha", 0.2)), Fraction(operation.attributes.get("beta", 0.5))
    return first(inputs).mapped(operation, lambda f: f.affine(alpha, beta).clipped(ZERO, ONE))


def absolute(operation: Operation, inputs: list[Input], network: Network) -> Real:
    return first(inputs).mapped(operation, lambda f: f.choose(ZERO, lambda p: p.affine(-ONE, ZERO), keep, keep))


def clip(operation: Operation, inputs: list[Input], network: Network) -> Real:
    bounds = [operand(inputs, 1), operand(inputs, 2)]
    limits = [None if b is None or not np.isfinite(b).all() else exact(b) for b in bounds]
    return first(inputs).mapped(operation, lambda f: f.clipped(*limits))


def minimum(operation: Operation, inputs: list[Input], network: Network) -> Real:
    real, values = _one_real(operation, inputs)
    return real.mapped(operation, lambda f, v: f.clipped(None, v), values)


def maximum(operation: Operation, inputs: list[Input], network: Network) -> Real:
    real, values = _one_real(operation, inputs)
    return real.mapped(operation, lambda f, v: f.clipped(v, None), values)


def _one_real(operation: Operation, inputs: list[Input]) -> tuple[Real, Array]:
    reals = [value for value in inputs if isinstance(value, Real)]
    others = [value for value in inputs if not isinstance(value, Real)]
    if len(reals) != 1 or len(others) != 1:
        raise operation.error("compares several values; one value and one constant are expected")
    return reals[0], others[0]


def _constants(*values: int) -> tuple[Callable[[Piece], Piece], ...]:
    """Changes that put a number in the place of whatever is there."""
    return tuple(lambda _, number=number: number for number in [constant(Fraction(value)) for value in values])


def sign(operation: Operation, inputs: list[Input], network: Network) -> Real:
    """ONNX's: 0 at 0. Where no sum gives exactly 0 the result is binary."""
    return first(inputs).mapped(operation, lambda f: f.choose(ZERO, *_constants(-1, 0, 1)))


# What a comparison of x with t gives below, at and above t.
COMPARISONS = {
    "Greater": (0, 0, 1),
    "GreaterOrEqual": (0, 1, 1),
    "Less": (1, 0, 0),
    "LessOrEqual": (1, 1, 0),
    "Equal": (0, 1, 0),
}


def compare(operation: Operation, inputs: list[Input], network: Network) -> Real:
    below, equal, above = COMPARISONS[operation.type]
    left, right = inputs
    if not isinstance(left, Real):
        left, right, (below, equal, above) = right, left, (above, equal, below)
    if isinstance(right, Real):
        left, right = subtract(operation, [left, right], network), np.zeros(())
    values = _constants(below, equal, above)
    return first([left]).mapped(operation, lambda f, t: f.choose(t, *values), _aligned(operation, right, left))


def negation(operation: Operation, inputs: list[Input], network: Network) -> Real:
    return first(inputs).mapped(operation, lambda f: f.affine(-ONE, ONE))


def both(operation: Operation, inputs: list[Input], network: Network) -> Real:
    return multiply(operation, inputs, network)


def where(operation: Operation, inputs: list[Input], network: Network) -> Any:
    condition, yes, no = inputs
    if not isinstance(condition, Real):
        if np.all(condition) or not np.any(condition):
            return yes if np.all(condition) else no
        raise operation.error("chooses by a constant that is not one value; a comparison is expected")
    # c·yes + (1 - c)·no, as c is 0 or 1.
    other = negation(operation, [condition], network)
    chosen = multiply(operation, [condition, yes], network)
    return add(operation, [chosen, multiply(operation, [other, no], network)], network)


ROUNDINGS: dict[str, Rounding] = {"Round": "even", "Floor": "floor", "Ceil": "ceil"}


def rounding(operation: Operation, inputs: list[Input], network: Network) -> Real:
    mode = ROUNDINGS[operation.type]
    return first(inputs).mapped(operation, lambda f: f.rounded(mode))


def cast(operation: Operation, inputs: list[Input], network: Network) -> Real:
    """To floats and integers; truth is 0 and 1."""
    from onnx import TensorProto

    target = operation.attributes["to"]
    if isinstance(target, str):
        target = TensorProto.DataType.Value(target)
    if target == TensorProto.BOOL:
        return first(inputs).mapped(operation, lambda f: f.choose(ZERO, *_constants(1, 0, 1)))
    floats = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)
    real = first(inputs)
    return real if target in floats else real.mapped(operation, lambda f: f.rounded("zero"))


def cast_like(operation: Operation, inputs: list[Input], network: Network) -> Real:
    """To the type of another value, of which only a constant's is known; integers are integers in any type."""
    real, like = first(inputs), inputs[1]
    if isinstance(like, np.ndarray) and like.dtype.kind == "f":
        return real
    whole = real.mapped(operation, lambda f: f.rounded("zero"))
    if isinstance(like, Real) and whole.functions != real.functions:
        raise operation.error("casts fractions to a type that depends on the image; a constant is expected")
    return whole


def unchanged(operation: Operation, inputs: list[Input], network: Network) -> Real:
    return first(inputs)
