# SPDX-License-Identifier: Apache-2.0
"""Quantizers: each is a forward function and the pseudo-gradient that stands for its derivative.

Values are quantized in the forward pass; the optimizer moves the real-valued ("latent") weights along the
pseudo-gradient. Each direction is one or two native torch operations, so that a step costs little more than in
float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd import Function

IN_CACHE = 1 << 16  # values that several operations go over while they are in a core's second-level cache

WeightKind = Literal["binary", "ternary", "int8", "float32"]


def sign(x: Tensor) -> Tensor:
    """+1 where x >= 0 (so also at 0), else -1, in the type of x."""
    # Adding 0 makes 0 of -0. torch.where with two numbers takes ten times as long.
    return torch.copysign(torch.ones((), dtype=x.dtype, device=x.device), x + 0.0)


def ternarize(x: Tensor, threshold: float | Tensor) -> Tensor:
    """sign(x) where |x| > threshold, else 0; the comparison is strict, in the type of x."""
    return nn.functional.hardshrink(x, float(threshold)).sign_()


class _ClippedSign(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return sign(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        passed: Tensor = torch.ops.aten.hardtanh_backward(gradient, x, -1.0, 1.0)
        return passed


class _ClippedTernary(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, threshold: float, window: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.window = window
        return ternarize(x, threshold)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(gradient, x, -ctx.window, ctx.window), None, None


class _ClippedEightBit(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float, low: int, high: int) -> Tensor:
        ctx.save_for_backward(x)
        ctx.range = scale * low, scale * high
        codes = torch.empty_like(x)
        images = max(1, IN_CACHE * len(x) // max(1, x.numel()))
        for part, values in zip(torch.split(x, images), torch.split(codes, images), strict=True):
            wide = part.float() if part.element_size() < 4 else part  # bfloat16 holds codes, not the halves between
            values.copy_((wide / scale).add_(0.5).floor_().clamp_(low, high).mul_(scale))
        return codes

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (x,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(gradient, x, *ctx.range), None, None, None


class _StraightThrough(Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, quantized: Tensor) -> Tensor:
        return quantized

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


class BinaryActivation(nn.Module):
    """Forward: sign(x), +1 at 0, of x of any shape. Pseudo-gradient: dy/dx = 1 for |x| < 1, else 0 (straight-through).

    Hubara et al., "Binarized Neural Networks", NeurIPS 2016, eq. 4.
    """

    def forward(self, x: Tensor) -> Tensor:
        return _ClippedSign.apply(x)  # type: ignore[no-any-return, no-untyped-call]


class TernaryActivation(nn.Module):
    """Forward: sign(x) where |x| > threshold, else 0. Pseudo-gradient: dy/dx = 1 for |x| < window, else 0.

    The ternarization of Laborieux et al., TCAS-I 2021 (threshold 0.05 and window 1 there). Raises ValueError unless
    0 < threshold < window.
    """

    def __init__(self, threshold: float = 0.05, window: float = 1.0) -> None:
        super().__init__()
        if not 0 < threshold < window:
            raise ValueError(f"TernaryActivation: threshold {threshold} is not between 0 and the window {window}")
        self.threshold, self.window = float(threshold), float(window)

    def forward(self, x: Tensor) -> Tensor:
        return _ClippedTernary.apply(x, self.threshold, self.window)  # type: ignore[no-any-return, no-untyped-call]

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, window={self.window}"


class EightBitActivation(nn.Module):
    """Forward: scale·(clamp(⌊x/scale + 1/2⌋ + z, 0, 255) - z), z the zero point. Pseudo-gradient: 1 inside, else 0.

    z = 128 suits signed values, as of a residual stream; z = 0 is a ReLU as well. Inside is -z·scale < x <
    (255 - z)·scale (Jacob et al., "Quantization and Training of Neural Networks for Integer-Arithmetic-Only Inference",
    CVPR 2018). Raises ValueError for a zero point outside 0..255, or a scale that is not positive and finite.
    """

    def __init__(self, scale: float = 1 / 16, zero_point: int = 128) -> None:
        super().__init__()
        if not 0 <= zero_point <= 255 or not 0 < scale < float("inf"):
            raise ValueError(
                f"EightBitActivation: zero point {zero_point} is not in 0..255 or scale {scale} is not positive"
            )
        self.scale, self.zero_point = float(scale), int(zero_point)

    def forward(self, x: Tensor) -> Tensor:
        return _ClippedEightBit.apply(x, self.scale, -self.zero_point, 255 - self.zero_point)  # type: ignore[no-any-return, no-untyped-call]

    def extra_repr(self) -> str:
        return f"scale={self.scale}, zero_point={self.zero_point}"


class WeightQuantizer(nn.Module):
    """Base of the weight quantizers: w ↦ scale·integers with the straight-through pseudo-gradient dq/dw = 1.

    Where `scaled`, the scale of an output channel is the mean |w| over its weights that are not zero, which
    minimises |w - scale·integers|² (XNOR-Net and TWN, below); it counts as a constant in the backward pass.
    """

    kind: WeightKind
    faults: Callable[[Tensor], Tensor] | None = None  # what of the integers is read while training; see faults.py

    def __init__(self, scaled: bool = False) -> None:
        super().__init__()
        self.scaled = scaled

    def integers(self, weight: Tensor) -> Tensor:
        """The integer values in the weight's shape and type."""
        raise NotImplementedError

    def scale(self, weight: Tensor) -> Tensor | None:
        """Scale of each output channel, shape (O,); None if not scaled."""
        if not self.scaled:
            return None
        rows = weight.detach().flatten(1)
        used = self.integers(weight.detach()).flatten(1).abs()
        return (rows.abs() * used).sum(1) / used.sum(1).clamp(min=1)

    def forward(self, weight: Tensor) -> Tensor:
        quantized, scale = self.integers(weight.detach()), self.scale(weight)
        if self.faults is not None and self.training:
            quantized = self.faults(quantized)
        if scale is not None:
            quantized = quantized * scale.reshape(-1, *[1] * (weight.dim() - 1))
        return _StraightThrough.apply(weight, quantized)  # type: ignore[no-any-return, no-untyped-call]

    def extra_repr(self) -> str:
        return f"scaled={self.scaled}"


class BinaryWeights(WeightQuantizer):
    """q = sign(w), +1 at 0. Courbariaux et al., "BinaryConnect", NeurIPS 2015; scaled: Rastegari et al., "XNOR-Net"."""

    kind = "binary"

    def integers(self, weight: Tensor) -> Tensor:
        return sign(weight)


class TernaryWeights(WeightQuantizer):
    """q = sign(w) where |w| > threshold, else 0, with one fixed threshold (Laborieux et al., TCAS-I 2021: 0.05)."""

    kind = "ternary"

    def __init__(self, threshold: float = 0.05, scaled: bool = False) -> None:
        super().__init__(scaled)
        self.threshold = float(threshold)

    def integers(self, weight: Tensor) -> Tensor:
        return ternarize(weight, self.threshold)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, scaled={self.scaled}"


class TernaryMeanWeights(WeightQuantizer):
    """q = sign(w) where |w| > 0.7·mean|w|, else 0, the mean over the layer.

    Li et al., "Ternary Weight Networks", 2016, eq. 6.
    """

    kind = "ternary"

    def integers(self, weight: Tensor) -> Tensor:
        return ternarize(weight, 0.7 * weight.detach().abs().mean())


class Int8Weights(WeightQuantizer):
    """q = round(w / scale) in -127..127, ties to even, with scale = max|w| / 127 of each output channel.

    For the few layers that need more than three values, such as the first or the last. Jacob et al., "Quantization and
    Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018, section 3, symmetric.
    """

    kind = "int8"

    def __init__(self) -> None:
        super().__init__(scaled=True)

    def scale(self, weight: Tensor) -> Tensor:
        return weight.detach().flatten(1).abs().amax(1) / 127

    def integers(self, weight: Tensor) -> Tensor:
        scale = self.scale(weight).clamp(min=torch.finfo(weight.dtype).tiny)
        return (weight / scale.reshape(-1, *[1] * (weight.dim() - 1))).round().clamp(-127, 127)


class Float32Weights(WeightQuantizer):
    """Forward: w. For the float32 twin that a quantized network is compared with; it cannot be exported."""

    kind = "float32"

    def forward(self, weight: Tensor) -> Tensor:
        return weight


WEIGHT_QUANTIZERS = {"binary": BinaryWeights, "ternary": TernaryWeights, "ternary-mean": TernaryMeanWeights}
