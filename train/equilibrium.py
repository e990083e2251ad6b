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

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from trit.runtime.errors import TritError
from trit.train.equilibrium_layers import Acting, Drive, Layer, hard_sigmoid
from trit.train.equilibrium_unrolled import STATE_SCALE, Codes, Unrolled
from trit.train.layers import Pixels
from trit.train.quantizers import WeightKind

Readout = Literal["squared-error", "cross-entropy"]
States = list[Tensor]  # one a layer, (N, *shape)


@dataclass(frozen=True)
class Nudge:
    """The force −β ∂L/∂s that draws the output towards the target."""

    beta: Tensor  # (N, 1); an image may have its own
    target: Tensor  # (N, classes), one-hot


class ConvergentNetwork(nn.Module):
    """Images (N, C, H, W) to scores (N, classes): what drives the output after `free_steps` steps from zero.

    In evaluation mode weights of the kinds "int8" and "binary", and the states, are those of the exported form. Images
    are multiples of `pixel_scale`.

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
        weights: WeightKind = "float32",
        pixel_scale: float = STATE_SCALE,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.readout, self.free_steps, self.activation = readout, free_steps, activation
        self.weights, self.pixel_scale = weights, pixel_scale
        self.magnitudes: list[float] = []  # α of each layer whose weights are −α and α

    def binarize(self, magnitudes: list[float]) -> None:
        """Make all weights of a layer α·sign(w), α the layer's magnitude."""
        self.weights, self.magnitudes = "binary", magnitudes
        with torch.no_grad():
            for layer, magnitude in zip(self.all_layers, magnitudes, strict=True):
                layer.weight.copy_(torch.where(layer.weight < 0, -magnitude, magnitude))

    @property
    def all_layers(self) -> list[Layer]:
        """The layers from the image up, the read-out among them."""
        return list(self.layers)  # type: ignore[arg-type]

    @property
    def dynamic(self) -> list[Layer]:
        """The layers that have states."""
        return self.all_layers[: -1 if self.readout == "cross-entropy" else None]

    def rest(self, images: Tensor) -> States:
        """All states zero, (N, *shape) a layer."""
        return [images.new_zeros(len(images), *layer.shape) for layer in self.dynamic]

    def settle(
        self, first: Drive, states: States, steps: int, nudge: Nudge | None = None, acting: Sequence[Acting] = ()
    ) -> States:
        """The states after so many steps; `first` is what the first layer gets from the image.

        `acting` stands for the layers from the second on: rounded ones, or ones near known states.
        """
        for _ in range(steps):
            states = [self.activation(drive) for drive in self.drives(first, states, nudge, acting)]
        return states

    def drives(
        self, first: Drive, states: States, nudge: Nudge | None = None, acting: Sequence[Acting] = ()
    ) -> list[Tensor]:
        """∂Φ/∂s − β ∂L/∂s of every layer."""
        layers = acting or self.dynamic[1:]
        ups = [first, *(layer.up(below) for layer, below in zip(layers, states[:-1], strict=True))]
        forces = [
            layer.down(above, where) for layer, above, (_, where) in zip(layers, states[1:], ups[1:], strict=True)
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

    def unrolled(self, pixels: Pixels | None = None) -> Unrolled:
        """The network of trit's layers that computes what the export does; `pixels` comes before its first layer.

        Raises TritError where it has no such form.
        """
        if self.weights == "float32":
            raise TritError("a convergent network with float32 weights runs nowhere: train it with int8 or binary ones")
        acts_back, codes = self.readout == "squared-error", self._codes()
        feedback = [
            own if layer.feedback is None else Codes.int8(layer.feedback)
            for layer, own in zip(self.all_layers[1:], codes[1:], strict=True)
        ]
        pixels = Pixels(pixels.zero_point, STATE_SCALE) if pixels else None
        return Unrolled(self.all_layers, codes, feedback, self.activation, self.free_steps, acts_back, pixels)

    def _codes(self) -> list[Codes]:
        """The weights as integers; those of the first layer for pixels in the states' unit."""
        layers, units = self.all_layers, self.pixel_scale / STATE_SCALE
        if self.weights == "int8":
            return [Codes.int8(layer.weight * (units if index == 0 else 1)) for index, layer in enumerate(layers)]
        first, *others = (Codes.binary(layer.weight, m) for layer, m in zip(layers, self.magnitudes, strict=True))
        return [replace(first, unit=first.unit * units), *others]

    def forward(self, images: Tensor) -> Tensor:
        if not self.training and self.weights != "float32":
            scores: Tensor = self.unrolled()((images / self.pixel_scale).round() * STATE_SCALE)
            return scores
        first = self.all_layers[0].up(images)
        states = self.settle(first, self.rest(images), self.free_steps)
        return self.logits(states[-1]) if self.readout == "cross-entropy" else self.drives(first, states)[-1]
