# SPDX-License-Identifier: Apache-2.0
"""Layers with binary, ternary or int8 weights, drop-in replacements of torch's own, and what goes with them.

Each takes torch's arguments and a weight quantizer; a convolution with groups == in_channels is depthwise.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from trit.train.quantizers import (
    BinaryActivation,
    BinaryWeights,
    EightBitActivation,
    Int8Weights,
    TernaryActivation,
    TernaryMeanWeights,
    TernaryWeights,
    WeightKind,
    WeightQuantizer,
)

__all__ = [
    "BinaryActivation",
    "BinaryWeights",
    "EightBitActivation",
    "Int8Weights",
    "MaxUnpool",
    "Pixels",
    "QuantConv1d",
    "QuantConv2d",
    "QuantLinear",
    "TernaryActivation",
    "TernaryMeanWeights",
    "TernaryWeights",
]


class Pixels(nn.Module):
    """The first layer of a network: 8-bit inputs q become (q - zero_point)·scale.

    The zero point is an integer, so that the first convolution can compute in integers, zero padding included. Raises
    ValueError for one that is not in 0..255, or a scale that is not positive.
    """

    def __init__(self, zero_point: int = 0, scale: float = 1 / 64) -> None:
        super().__init__()
        if not 0 <= zero_point <= 255 or scale <= 0:
            raise ValueError(f"Pixels: zero point {zero_point} is not in 0..255 or scale {scale} is not positive")
        self.zero_point, self.scale = int(zero_point), float(scale)

    def forward(self, pixels: Tensor) -> Tensor:
        if not pixels.is_floating_point():
            pixels = pixels.float()
        return (pixels - self.zero_point) * self.scale

    def extra_repr(self) -> str:
        return f"zero_point={self.zero_point}, scale={self.scale}"


class MaxUnpool(nn.Module):
    """Values (N, C, H // kh, W // kw) to where the maxima of the windows of sums (N, C, H, W) are, 0 everywhere else.

    Of several maxima the first in row-major order gets the value, as torch's max_pool2d with return_indices finds them.
    """

    def __init__(self, kernel: int | tuple[int, int] = 2) -> None:
        super().__init__()
        self.kernel = (kernel, kernel) if isinstance(kernel, int) else kernel

    def forward(self, values: Tensor, sums: Tensor) -> Tensor:
        _, where = nn.functional.max_pool2d(sums, self.kernel, return_indices=True)
        size = list(sums.shape[2:])
        unpooled: Tensor = nn.functional.max_unpool2d(values, where, list(self.kernel), output_size=size)
        return unpooled

    def extra_repr(self) -> str:
        return f"kernel={self.kernel}"


IntegerWeights = tuple[Tensor, Tensor | None, WeightKind]


class _Quantized(nn.Module):
    """What export asks of a layer with quantized weights."""

    weight: Tensor
    weight_quantizer: WeightQuantizer

    def integer_weights(self) -> IntegerWeights:
        """(int8 values, float32 scale per output channel or None, kind); q(W) = scale·values."""
        quantizer = self.weight_quantizer
        with torch.no_grad():
            return quantizer.integers(self.weight).to(torch.int8), quantizer.scale(self.weight), quantizer.kind


class QuantLinear(_Quantized, nn.Linear):
    """y = x·q(W)ᵀ + b, x (N, in), W (out, in), b (out,) or none; q is the weight quantizer's."""

    def __init__(self, inputs: int, outputs: int, weight_quantizer: WeightQuantizer, bias: bool = False) -> None:
        super().__init__(inputs, outputs, bias)
        self.weight_quantizer = weight_quantizer
        _init_latent(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight_quantizer(self.weight), self.bias)


class QuantConv2d(_Quantized, nn.Conv2d):
    """y = x * q(W) + b, x (N, in, H, W), W (out, in / groups, KH, KW), b (out,) or none; nn.Conv2d's options."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel_size: int | tuple[int, int],
        weight_quantizer: WeightQuantizer,
        bias: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(inputs, outputs, kernel_size, bias=bias, **options)
        self.weight_quantizer = weight_quantizer
        _init_latent(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self._conv_forward(x, self.weight_quantizer(self.weight), self.bias)
        return y


class QuantConv1d(_Quantized, nn.Conv1d):
    """y = x * q(W) + b, x (N, in, L), W (out, in / groups, K), b (out,) or none; takes nn.Conv1d's options."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel_size: int,
        weight_quantizer: WeightQuantizer,
        bias: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(inputs, outputs, kernel_size, bias=bias, **options)
        self.weight_quantizer = weight_quantizer
        _init_latent(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self._conv_forward(x, self.weight_quantizer(self.weight), self.bias)
        return y


def _init_latent(weight: Tensor) -> None:
    # As Laborieux et al., TCAS-I 2021: N(0, 0.03) beside a threshold of 0.05.
    nn.init.normal_(weight, 0.0, 0.03)
