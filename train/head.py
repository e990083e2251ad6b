# SPDX-License-Identifier: Apache-2.0
"""From a trained binary network to the head that goes on learning on the device."""

from __future__ import annotations

import math
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from trit.runtime.errors import TritError
from trit.runtime.learner import Head, consolidation
from trit.train.layers import BinaryActivation, BinaryWeights, QuantLinear

SCALE = 1 << 13  # of int16 hidden weights: 1.0 is 8192, and what is beyond 4 is 4
Float64 = npt.NDArray[np.float64]


def learning_head(
    network: nn.Sequential,
    metaplasticity: float = 1.5,
    learning_rate: float = 0.01,
    threshold_rate: float = 4.0,
    bias_rate: float = 0.1,
    margin: float = 0.03,
    features: tuple[int, int, int] | None = None,
) -> Head:
    """The head of a network that ends in dense, batch norm, BinaryActivation, dense, batch norm; binary weights.

    The step of a hidden weight is `learning_rate` times the sum of 32 samples' gradients; a threshold, in units of its
    sum, moves by `threshold_rate` and a bias, in bits, by `bias_rate` for an error of 1; errors below `margin` are
    none. `features` is the shape (C, H, W) of what the first dense layer reads flattened, where H or W is not 1.
    Raises TritError for other layers.
    """
    hidden, norm, activation, output, last = [None] * max(0, 5 - len(network)) + list(network)[-5:]
    if not (_is_binary(hidden) and _is_binary(output) and isinstance(activation, BinaryActivation)):
        raise TritError("learning on the device needs a network that ends in dense, norm, act, dense, norm, all binary")
    weights, outputs = _float64(hidden.weight), _float64(output.weight)
    if features is not None:
        weights = weights.reshape(-1, *features).transpose(0, 2, 3, 1).reshape(len(weights), -1)
    # A falling threshold is a rising one of the row with its signs turned round; so is a falling score.
    slope, shift = _affine(norm)
    weights *= np.where(slope < 0, -1, 1)[:, None]
    slope_last, bias = _affine(last)
    outputs *= np.where(slope_last < 0, -1, 1)[:, None]
    bits = 256 / math.log(2)
    return Head(
        weights=_int16(weights),
        outputs=_int16(outputs),
        thresholds=np.ceil(-shift / abs(slope) * 256).astype(np.int32),
        biases=np.round(bias * bits).astype(np.int32),
        factors=consolidation(metaplasticity, SCALE),
        gain=max(1, round(float(abs(slope_last).mean()) * bits)),
        window=round(float(np.median(1 / abs(slope))) * 128),  # half a deviation
        rate=round(learning_rate * SCALE * 16),
        threshold_rate=round(threshold_rate * 256),
        bias_rate=round(bias_rate * 256),
        margin=round(margin * 4096),
    )


def _is_binary(layer: Any) -> TypeGuard[QuantLinear]:
    quantizer = getattr(layer, "weight_quantizer", None)
    return isinstance(layer, QuantLinear) and isinstance(quantizer, BinaryWeights) and layer.bias is None


def _affine(norm: Any) -> tuple[Float64, Float64]:
    """(slope, shift) of batch norm in evaluation mode: slope·a + shift."""
    if not isinstance(norm, nn.BatchNorm1d) or norm.running_var is None or norm.running_mean is None:
        raise TritError("learning on the device needs batch norm with running statistics behind both dense layers")
    deviation = np.sqrt(_float64(norm.running_var) + norm.eps)
    slope = (_float64(norm.weight) if norm.affine else np.ones_like(deviation)) / deviation
    shift = (_float64(norm.bias) if norm.affine else np.zeros_like(deviation)) - _float64(norm.running_mean) * slope
    return np.where(slope == 0, 1e-12, slope), shift


def _float64(values: Tensor) -> Float64:
    return values.detach().cpu().double().numpy().copy()


def _int16(weights: Float64) -> npt.NDArray[np.int16]:
    """Scaled and rounded; a sign survives: what would become 0 from below is -1."""
    scaled = np.clip(np.round(weights * SCALE), -32767, 32767)
    return np.where((weights < 0) & (scaled == 0), -1, scaled).astype(np.int16)
