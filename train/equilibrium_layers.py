# SPDX-License-Identifier: Apache-2.0
"""The layers of convergent networks, which act upwards and downwards, and what their states become of a drive."""

from __future__ import annotations

from math import prod, sqrt
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv2d_weight

Shape = tuple[int, ...]  # of one image's states
Drive = tuple[Tensor, Tensor | None]  # what a layer gets from below, and where its maxima were


def hard_sigmoid(x: Tensor) -> Tensor:
    """clip(x/2, 0, 1), the activation of Laborieux et al. 2021."""
    return (x * 0.5).clamp_(0, 1)


def step(x: Tensor) -> Tensor:
    """1 where x ≥ 1/2, else 0: binary activations."""
    return (x >= 0.5).to(x.dtype)


class Acting(Protocol):
    """What a layer does to the states below and above it."""

    def up(self, below: Tensor) -> Drive: ...

    def down(self, above: Tensor, where: Tensor | None = None) -> Tensor: ...


class Dense(nn.Module):
    """Upwards W s + b, downwards Bᵀ s; B is W, or with `separate` weights of its own. W and B are (out, in)."""

    def __init__(self, below: Shape, outputs: int, separate: bool = False) -> None:
        super().__init__()
        self.below, self.shape = below, (outputs,)
        self.weight, self.bias, self.feedback = _parameters((outputs, prod(below)), separate)

    def up(self, below: Tensor) -> Drive:
        """W s + b, (N, out), of the states below (N, *below)."""
        return functional.linear(below.flatten(1), self.weight, self.bias), None

    def down(self, above: Tensor, where: Tensor | None = None) -> Tensor:
        """Bᵀ s, (N, *below), of this layer's states (N, out)."""
        return functional.linear(above, backward_weight(self).t()).reshape(-1, *self.below)

    def products(self, above: Tensor, below: Tensor, where: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """∂(s·(W s_below + b))/∂(W, b), summed over the batch."""
        return above.t() @ below.flatten(1), above.sum(0)


class PooledConv(nn.Module):
    """Upwards the 2×2 maxima of W * s + b, downwards Bᵀ * unpooled s; W and B are (out, in, kernel, kernel)."""

    def __init__(self, below: Shape, outputs: int, kernel: int, padding: int, separate: bool = False) -> None:
        super().__init__()
        channels, height, width = below
        self.padding = padding
        self.unpooled_size = [height + 2 * padding - kernel + 1, width + 2 * padding - kernel + 1]
        self.below, self.shape = below, (outputs, self.unpooled_size[0] // 2, self.unpooled_size[1] // 2)
        self.weight, self.bias, self.feedback = _parameters((outputs, channels, kernel, kernel), separate)

    def up(self, below: Tensor) -> Drive:
        """Pool(W * s + b), (N, *shape), of the states below (N, *below), and where the maxima were."""
        return self.pooled(self.upwards(below, self.weight, self.bias))

    def down(self, above: Tensor, where: Tensor | None = None) -> Tensor:
        """Bᵀ * unpooled s, (N, *below), of this layer's states (N, *shape), put back to where the maxima were."""
        return self.downwards(self.unpooled(above, where), backward_weight(self))

    def upwards(self, below: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """weight * s + bias, (N, out, height, width), of the states below (N, *below), before the pool."""
        return functional.conv2d(below, weight, bias, padding=self.padding)

    def downwards(self, unpooled: Tensor, weight: Tensor) -> Tensor:
        """weightᵀ * s, (N, *below), of states that are unpooled."""
        return functional.conv_transpose2d(unpooled, weight, padding=self.padding)

    def pooled(self, sums: Tensor) -> Drive:
        """The 2×2 maxima of sums before the pool, and where they were."""
        drive, where = functional.max_pool2d(sums, 2, return_indices=True)
        return drive, where

    def unpooled(self, above: Tensor, where: Tensor | None) -> Tensor:
        """This layer's states where its maxima were, zeros elsewhere."""
        assert where is not None
        return functional.max_unpool2d(above, where, [2, 2], output_size=self.unpooled_size)

    def products(self, above: Tensor, below: Tensor, where: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """∂(s·Pool(W * s_below + b))/∂(W, b), summed over the batch."""
        spread = self.unpooled(above, where)
        product = conv2d_weight(below, list(self.weight.shape), spread, padding=self.padding)  # type: ignore[no-untyped-call]
        return product, above.sum((0, 2, 3))


Layer = Dense | PooledConv


def backward_weight(layer: Layer) -> Tensor:
    """What a layer acts downwards with: W, or weights of its own."""
    return layer.weight if layer.feedback is None else layer.feedback


def _parameters(shape: Shape, separate: bool) -> tuple[nn.Parameter, nn.Parameter, nn.Parameter | None]:
    """Weights and biases uniformly within ±1/√fan_in, as torch's own layers start."""
    bound = 1 / sqrt(prod(shape[1:]))

    def uniform(*size: int) -> nn.Parameter:
        return nn.Parameter(torch.empty(size).uniform_(-bound, bound))

    return uniform(*shape), uniform(shape[0]), uniform(*shape) if separate else None
