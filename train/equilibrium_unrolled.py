# SPDX-License-Identifier: Apache-2.0
"""A dense convergent network with binary weights as a fixed number of steps of trit's layers, exported exactly.

A step adds what a layer's two neighbours give it, integers both, and makes the next states of the sum. The layers'
magnitudes α are powers of two: the sum of the greater α is doubled until both have one unit. States that are hard
sigmoids are rounded to 8 bits, multiples of 1/256. Binary ones are (1 + σ)/2 with σ = ±1, and what the image gives to
the first layer is rounded to a multiple of α/2 of the layer above, 8 bits of it. The states start as a pass upwards
leaves them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log2

import torch
from torch import Tensor, nn

from trit.runtime.errors import TritError
from trit.train.equilibrium_layers import Dense, Layer, hard_sigmoid
from trit.train.layers import BinaryActivation, BinaryWeights, EightBitActivation, QuantLinear

STATE_SCALE = 1 / 256  # of a hard sigmoid's code


def unrolls(layers: Sequence[Layer], magnitudes: Sequence[float]) -> bool:
    """Is this a network that `Unrolled` takes?"""
    return bool(magnitudes) and all(isinstance(layer, Dense) for layer in layers)


class Unrolled(nn.Module):
    """Images to scores: `steps` steps of the states, and what drives the last layer then.

    The last layer has states of its own and acts back, where `acts_back`. Raises TritError where weights are not binary
    or layers not dense.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        magnitudes: Sequence[float],
        activation: Callable[[Tensor], Tensor],
        steps: int,
        acts_back: bool,
        pixels: nn.Module | None = None,
    ) -> None:
        super().__init__()
        _check(layers, magnitudes)
        self.steps, self.pixels, self.flatten = steps, pixels or nn.Identity(), nn.Flatten()
        self.up = nn.ModuleList(_dense(layer.weight) for layer in layers)
        above = layers[1:] if acts_back else layers[1:-1]
        self.down = nn.ModuleList(_dense(layer.weight.t()) for layer in above)
        binary = activation is not hard_sigmoid
        upwards = [magnitudes[1], *magnitudes[1:]] if binary else magnitudes  # binary: the image's part comes in α/2
        pairs = list(zip(upwards, magnitudes[1 : 1 + len(above)], strict=False))
        self.doublings = [(_doublings(up, min(up, down)), _doublings(down, min(up, down))) for up, down in pairs]
        units = [min(pair) for pair in pairs]
        form = _binary if binary else _eight_bit
        self.first, begins, goes_on, act, self.scores = form(layers, magnitudes, units, acts_back)
        self.begins, self.goes_on, self.act = nn.ModuleList(begins), nn.ModuleList(goes_on), nn.ModuleList(act)

    def forward(self, images: Tensor) -> Tensor:
        first = self.up[0](self.flatten(self.pixels(images)))
        constant = self.first(first)
        states: list[Tensor] = []
        for index, (begin, act) in enumerate(zip(self.begins, self.act, strict=True)):
            states.append(act(begin(first if index == 0 else self.up[index](states[-1]))))
        for _ in range(self.steps - 1):
            states = [self._next(index, constant, states) for index in range(len(states))]
        scores: Tensor = self.scores(self.up[-1](states[len(self.up) - 2]))
        return scores

    def _next(self, index: int, constant: Tensor, states: list[Tensor]) -> Tensor:
        """State `index` after a step."""
        given = constant if index == 0 else self.up[index](states[index - 1])
        if index < len(self.down):
            upwards, downwards = self.doublings[index]
            given = _doubled(given, upwards) + _doubled(self.down[index](states[index + 1]), downwards)
        elif index == 0:
            return states[0]  # nothing acts back on it
        state: Tensor = self.act[index](self.goes_on[index](given))
        return state


def _check(layers: Sequence[Layer], magnitudes: Sequence[float]) -> None:
    if not magnitudes:
        raise TritError("a convergent network with float32 weights runs nowhere: train one with binary weights")
    if not unrolls(layers, magnitudes):
        raise TritError(
            "a convergent network with convolutions is not exported: what acts down through a max pool needs an "
            "operator that the integer graph does not have"
        )


Form = tuple[nn.Module, list[nn.Module], list[nn.Module], list[nn.Module], nn.Module]  # first, begins, goes_on, …


def _eight_bit(layers: Sequence[Layer], magnitudes: Sequence[float], units: Sequence[float], acts_back: bool) -> Form:
    """States q/256: a drive α(W s) + b goes through clip(x/2, 0, 1) in steps of 1/256."""
    count = len(layers) if acts_back else len(layers) - 1
    begins: list[nn.Module] = [
        _affine(a / 2, layer.bias / 2) for a, layer in zip(magnitudes, layers[:count], strict=False)
    ]
    units = [*units, *magnitudes[len(units) : count]]  # of those that nothing acts back on
    goes_on: list[nn.Module] = [
        _affine(unit / 2, layer.bias / 2) for unit, layer in zip(units, layers[:count], strict=True)
    ]
    act: list[nn.Module] = [EightBitActivation(STATE_SCALE, 0) for _ in range(count)]
    return nn.Identity(), begins, goes_on, act, _affine(magnitudes[-1], layers[-1].bias)


def _binary(layers: Sequence[Layer], magnitudes: Sequence[float], units: Sequence[float], acts_back: bool) -> Form:
    """States (1 + σ)/2: a drive Σ α/2·(W σ + W 1) + b is compared with 1/2."""
    count = len(layers) if acts_back else len(layers) - 1
    ones = [layer.weight.sum(1) / 2 for layer in layers]  # what states of 1/2 each would give upwards
    back = [layer.weight.sum(0) / 2 for layer in layers[1 : 1 + len(units)]]
    begins: list[nn.Module] = [_affine(magnitudes[0], layers[0].bias - 0.5)]
    goes_on: list[nn.Module] = []
    for index, layer in enumerate(layers[:count]):
        below = layer.bias - 0.5 + ones[index] if index else torch.full_like(layer.bias, -0.5)
        if index:
            begins.append(_affine(magnitudes[index] / 2, below))
        if index < len(units):
            goes_on.append(_affine(units[index] / 2, below + back[index]))
        else:
            goes_on.append(_affine(magnitudes[index] / 2, below))
    act: list[nn.Module] = [BinaryActivation() for _ in range(count)]
    scores = _affine(magnitudes[-1] / 2, layers[-1].bias + ones[-1])
    if not units:
        return nn.Identity(), begins, goes_on, act, scores
    # The image's part in units of α/2 of the layer above, which is what its bits are worth.
    unit = magnitudes[1] / 2
    coded = nn.Sequential(_affine(magnitudes[0] / unit, layers[0].bias / unit), EightBitActivation(1.0, 128))
    return coded, begins, goes_on, act, scores


def _dense(weight: Tensor) -> QuantLinear:
    layer = QuantLinear(weight.shape[1], weight.shape[0], BinaryWeights())
    layer.weight = nn.Parameter(weight.detach().sign())
    return layer


def _affine(factor: float, offset: Tensor) -> nn.BatchNorm1d:
    """factor·x + offset, as the one layer that says so exactly."""
    norm = nn.BatchNorm1d(len(offset), eps=0.0).eval()
    nn.init.constant_(norm.weight, factor)
    with torch.no_grad():
        norm.bias.copy_(offset)
    return norm


def _doublings(larger: float, smaller: float) -> int:
    return round(log2(larger / smaller))


def _doubled(value: Tensor, times: int) -> Tensor:
    for _ in range(times):
        value = value + value
    return value
