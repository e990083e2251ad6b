# SPDX-License-Identifier: Apache-2.0
"""Convergent networks: layers that act on one another in both directions until they rest.

The states s of layer n are read by the layer above, through W, and by the layer below, through Wᵀ. With the primitive
function Φ = Σ sⁿ·Pool(Wₙ * sⁿ⁻¹ + bₙ) every state moves, all at once, to

    s ← σ(∂Φ/∂s − β ∂L/∂s)    (β = 0 in the free phase)

Scellier & Bengio 2017; Ernoult et al., "Updates of equilibrium prop match gradients of backprop through time", NeurIPS
2019; Laborieux et al., "Scaling equilibrium propagation to deep ConvNets", Front. Neurosci. 15:633674, 2021. ∂Φ/∂s is
written out here: convolution and pooling upwards, unpooling by the same indices and the transposed convolution
downwards. What the image gives to the first layer does not change and is computed once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod, sqrt
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv2d_weight

Shape = tuple[int, ...]  # of one image's states
Readout = Literal["squared-error", "cross-entropy"]
States = list[Tensor]  # one a layer, (N, *shape)
Drive = tuple[Tensor, Tensor | None]  # what a layer gets from below, and where its maxima were


def hard_sigmoid(x: Tensor) -> Tensor:
    """clip(x/2, 0, 1), the activation of Laborieux et al. 2021."""
    return (x * 0.5).clamp_(0, 1)


def sigmoid(x: Tensor) -> Tensor:
    """1/(1 + exp(2 − 4x)): smooth, with slope 1 at its middle x = 1/2."""
    return torch.sigmoid(4 * x - 2)


def step(x: Tensor) -> Tensor:
    """1 where x ≥ 1/2, else 0: binary activations."""
    return (x >= 0.5).to(x.dtype)


class Dense(nn.Module):
    """Upwards W s + b, downwards Bᵀ s; B is W, or with `separate` weights of its own. W and B are (out, in)."""

    def __init__(self, below: Shape, outputs: int, separate: bool = False) -> None:
        super().__init__()
        self.below, self.shape = below, (outputs,)
        self.weight, self.bias, self.feedback = _parameters((outputs, prod(below)), separate)

    def up(self, below: Tensor) -> Drive:
        return functional.linear(below.flatten(1), self.weight, self.bias), None

    def down(self, above: Tensor, where: Tensor | None = None) -> Tensor:
        weight = self.weight if self.feedback is None else self.feedback
        return functional.linear(above, weight.t()).reshape(-1, *self.below)

    def products(self, above: Tensor, below: Tensor, where: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """∂(s·(W s_below + b))/∂(W, b), summed over the batch."""
        return above.t() @ below.flatten(1), above.sum(0)


class PooledConv(nn.Module):
    """Upwards the 2×2 maxima of W * s + b, downwards Bᵀ * unpooled s; W and B are (out, in, kernel, kernel)."""

    def __init__(self, below: Shape, outputs: int, kernel: int, padding: int, separate: bool = False) -> None:
        super().__init__()
        channels, height, width = below
        self.padding = padding
        self.unpooled = [height + 2 * padding - kernel + 1, width + 2 * padding - kernel + 1]
        self.below, self.shape = below, (outputs, self.unpooled[0] // 2, self.unpooled[1] // 2)
        self.weight, self.bias, self.feedback = _parameters((outputs, channels, kernel, kernel), separate)

    def up(self, below: Tensor) -> Drive:
        sums = functional.conv2d(below, self.weight, self.bias, padding=self.padding)
        drive, where = functional.max_pool2d(sums, 2, return_indices=True)
        return drive, where

    def down(self, above: Tensor, where: Tensor | None = None) -> Tensor:
        weight = self.weight if self.feedback is None else self.feedback
        return functional.conv_transpose2d(self._unpool(above, where), weight, padding=self.padding)

    def products(self, above: Tensor, below: Tensor, where: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """∂(s·Pool(W * s_below + b))/∂(W, b), summed over the batch."""
        spread = self._unpool(above, where)
        product = conv2d_weight(below, list(self.weight.shape), spread, padding=self.padding)  # type: ignore[no-untyped-call]
        return product, above.sum((0, 2, 3))

    def _unpool(self, above: Tensor, where: Tensor | None) -> Tensor:
        assert where is not None
        return functional.max_unpool2d(above, where, [2, 2], output_size=self.unpooled)


Layer = Dense | PooledConv


def _parameters(shape: Shape, separate: bool) -> tuple[nn.Parameter, nn.Parameter, nn.Parameter | None]:
    """Weights and biases uniformly within ±1/√fan_in, as torch's own layers start."""
    bound = 1 / sqrt(prod(shape[1:]))

    def uniform(*size: int) -> nn.Parameter:
        return nn.Parameter(torch.empty(size).uniform_(-bound, bound))

    return uniform(*shape), uniform(shape[0]), uniform(*shape) if separate else None


@dataclass(frozen=True)
class Nudge:
    """The force −β ∂L/∂s that draws the output towards the target."""

    beta: Tensor  # (N, 1); an image may have its own
    target: Tensor  # (N, classes), one-hot


class ConvergentNetwork(nn.Module):
    """Images (N, C, H, W) to scores (N, classes): what drives the output after `free_steps` steps from zero.

    readout "squared-error": the output is a layer of states, L = ½|s − y|². "cross-entropy": the last layer reads
    logits W s + b off the states below it and does not act back, L = −log softmax(W s + b)[label] (Laborieux et al.).
    """

    layers: nn.ModuleList

    def __init__(
        self,
        layers: list[Layer],
        readout: Readout = "squared-error",
        free_steps: int = 30,
        activation: Callable[[Tensor], Tensor] = hard_sigmoid,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.readout, self.free_steps, self.activation = readout, free_steps, activation
        self.binary_weight: float | None = None  # α, where all weights are −α or α

    def binarize(self) -> None:
        """Make all weights α·sign(w), one α for all layers: the mean |w| of the layer with the most inputs."""
        weights = [layer.weight for layer in self.all_layers]
        self.binary_weight = float(max(weights, key=lambda w: w[0].numel()).detach().abs().mean())
        with torch.no_grad():
            for weight in weights:
                weight.copy_(torch.where(weight < 0, -self.binary_weight, self.binary_weight))

    @property
    def all_layers(self) -> list[Layer]:
        return list(self.layers)  # type: ignore[arg-type]

    @property
    def dynamic(self) -> list[Layer]:
        """The layers that have states."""
        return self.all_layers[: -1 if self.readout == "cross-entropy" else None]

    def rest(self, images: Tensor) -> States:
        """All states zero."""
        return [images.new_zeros(len(images), *layer.shape) for layer in self.dynamic]

    def settle(self, first: Drive, states: States, steps: int, nudge: Nudge | None = None) -> States:
        """The states after so many steps; `first` is what the first layer gets from the image."""
        for _ in range(steps):
            states = [self.activation(drive) for drive in self.drives(first, states, nudge)]
        return states

    def drives(self, first: Drive, states: States, nudge: Nudge | None = None) -> list[Tensor]:
        """∂Φ/∂s − β ∂L/∂s of every layer."""
        layers = self.dynamic
        ups = [first, *(layer.up(below) for layer, below in zip(layers[1:], states[:-1], strict=True))]
        forces = [
            layer.down(above, where) for layer, above, (_, where) in zip(layers[1:], states[1:], ups[1:], strict=True)
        ]
        drives = [up + force for (up, _), force in zip(ups, forces, strict=False)]
        top = ups[-1][0]
        return [*drives, top if nudge is None else top - self.pull(states[-1], nudge)]

    def pull(self, top: Tensor, nudge: Nudge) -> Tensor:
        """β ∂L/∂s of the last layer with states."""
        if self.readout == "squared-error":
            return nudge.beta * (top - nudge.target)
        readout = self.all_layers[-1]
        error = torch.softmax(self.logits(top), 1) - nudge.target
        return readout.down(nudge.beta * error)

    def logits(self, top: Tensor) -> Tensor:
        """Of the cross-entropy read-out: W s + b."""
        return self.all_layers[-1].up(top)[0]

    def loss(self, states: States, target: Tensor) -> Tensor:
        """L of each image, (N,)."""
        if self.readout == "squared-error":
            return 0.5 * (states[-1] - target).square().sum(1)
        return functional.cross_entropy(self.logits(states[-1]), target, reduction="none")

    def primitive(self, images: Tensor, states: States) -> Tensor:
        """Φ of each image, (N,): what `drives` is the derivative of, as long as no feedback weights are separate."""
        below = [images, *states[:-1]]
        pairs = zip(self.dynamic, below, states, strict=True)
        return torch.stack([(layer.up(b)[0] * s).flatten(1).sum(1) for layer, b, s in pairs]).sum(0)

    def forward(self, images: Tensor) -> Tensor:
        first = self.all_layers[0].up(images)
        states = self.settle(first, self.rest(images), self.free_steps)
        return self.logits(states[-1]) if self.readout == "cross-entropy" else self.drives(first, states)[-1]
