# SPDX-License-Identifier: Apache-2.0
"""A convergent network as a fixed number of steps of trit's layers, with integer weights, exported exactly.

A step adds what a layer's two neighbours give it, integers both, and makes the next states of the sum. The weights of
a layer are codes times a unit, a power of two: −1 and 1 times α where they are binary, −127..127 where they are
rounded to int8. The sum of the greater unit is doubled until both have one. States that are hard sigmoids are rounded
to 8 bits, multiples of 1/256, and pixels are read as such. Binary ones are (1 + σ)/2 with σ = ±1, and what the image
gives to the first layer is rounded to a multiple of α/2 of the layer above, 8 bits of it. The states start as a pass
upwards leaves them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, log2

import torch
from torch import Tensor, nn

from trit.train.equilibrium_layers import Layer, PooledConv, hard_sigmoid
from trit.train.layers import BinaryActivation, BinaryWeights, EightBitActivation, MaxUnpool, QuantConv2d
from trit.train.quantizers import WeightKind, WeightQuantizer

STATE_SCALE = 1 / 256  # of a hard sigmoid's code
LARGEST = 127  # code of an int8 weight


@dataclass(frozen=True)
class Codes:
    """A layer's weights W = unit·values, or nearly."""

    values: Tensor
    unit: float
    kind: WeightKind

    @classmethod
    def binary(cls, weights: Tensor, magnitude: float) -> Codes:
        return cls(weights.detach().sign(), magnitude, "binary")

    @classmethod
    def int8(cls, weights: Tensor) -> Codes:
        """Rounded to −127..127 times the smallest power of two that holds them all."""
        largest = float(weights.detach().abs().max())
        unit = 2.0 ** ceil(log2(largest / LARGEST)) if largest else 1.0
        return cls((weights.detach() / unit).round(), unit, "int8")


class _Given(WeightQuantizer):
    """Weights that are int8 codes already."""

    kind = "int8"

    def integers(self, weight: Tensor) -> Tensor:
        return weight


class Unrolled(nn.Module):
    """Images to scores: `steps` steps of the states, and what drives the last layer then.

    `upwards` are the layers' weights, `downwards` those of all but the first layer the other way. The last layer has
    states of its own and acts back, where `acts_back`. Images are multiples of 1/256. Dense layers are convolutions of
    one position here. Convolutions go with hard sigmoids, and their padding is below their kernel.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        upwards: Sequence[Codes],
        downwards: Sequence[Codes],
        activation: Callable[[Tensor], Tensor],
        steps: int,
        acts_back: bool,
        pixels: nn.Module | None = None,
    ) -> None:
        super().__init__()
        binary = activation is not hard_sigmoid
        self.steps, self.pixels = steps, pixels or nn.Identity()
        self.dynamic = len(layers) if acts_back else len(layers) - 1
        self.up = nn.ModuleList(_upwards(layer, codes) for layer, codes in zip(layers, upwards, strict=True))
        self.pool = nn.ModuleList(_pool(layer) for layer in layers)
        above = list(zip(layers[1:], downwards, strict=True))[: self.dynamic - 1]
        self.down = nn.ModuleList(_downwards(layer, codes) for layer, codes in above)
        self.unpool = MaxUnpool(2)
        first = upwards[1].unit if binary else upwards[0].unit  # binary: the image's part comes in α/2
        own = [first, *(codes.unit for codes in upwards[1:])]
        pairs = [(up, down.unit) for up, (_, down) in zip(own, above, strict=False)]
        self.doublings = [(_doublings(up, min(up, down)), _doublings(down, min(up, down))) for up, down in pairs]
        units = [min(pair) for pair in pairs]
        form = _binary if binary else _eight_bit
        self.first, begins, goes_on, act, self.scores = form(layers, upwards, units, self.dynamic)
        self.begins, self.goes_on, self.act = nn.ModuleList(begins), nn.ModuleList(goes_on), nn.ModuleList(act)

    def forward(self, images: Tensor) -> Tensor:
        first = self.pool[0](self.up[0](self.pixels(images)))
        constant = self.first(first)
        states: list[Tensor] = []
        for index, (begin, act) in enumerate(zip(self.begins, self.act, strict=True)):
            states.append(act(begin(first if index == 0 else self.pool[index](self.up[index](states[-1])))))
        for _ in range(self.steps - 1):
            sums = [self.up[index](states[index - 1]) for index in range(1, self.dynamic)]
            given = [constant, *(self.pool[index](of_layer) for index, of_layer in enumerate(sums, 1))]
            states = [self._next(index, given[index], states, sums) for index in range(self.dynamic)]
        scores: Tensor = self.scores(self.up[-1](states[len(self.up) - 2]))
        return torch.flatten(scores, 1)

    def _next(self, index: int, given: Tensor, states: list[Tensor], sums: list[Tensor]) -> Tensor:
        """State `index` after a step; `sums` are those before the pools of the layers from the second on."""
        if index < len(self.down):
            above = states[index + 1]
            if isinstance(self.pool[index + 1], nn.MaxPool2d):
                above = self.unpool(above, sums[index])
            upwards, downwards = self.doublings[index]
            given = _doubled(given, upwards) + _doubled(self.down[index](above), downwards)
        elif index == 0:
            return states[0]  # nothing acts back on it
        state: Tensor = self.act[index](self.goes_on[index](given))
        return state


Form = tuple[nn.Module, list[nn.Module], list[nn.Module], list[nn.Module], nn.Module]  # first, begins, goes_on, …


def _eight_bit(layers: Sequence[Layer], upwards: Sequence[Codes], units: Sequence[float], dynamic: int) -> Form:
    """States q/256: a drive unit·(W s) + b goes through clip(x/2, 0, 1) in steps of 1/256."""
    own = [codes.unit for codes in upwards[:dynamic]]
    units = [*units, *own[len(units) :]]  # of those that nothing acts back on
    halves = [layer.bias / 2 for layer in layers[:dynamic]]
    begins: list[nn.Module] = [_affine(unit / 2, bias) for unit, bias in zip(own, halves, strict=True)]
    goes_on: list[nn.Module] = [_affine(unit / 2, bias) for unit, bias in zip(units, halves, strict=True)]
    act: list[nn.Module] = [EightBitActivation(STATE_SCALE, 0) for _ in range(dynamic)]
    return nn.Identity(), begins, goes_on, act, _affine(upwards[-1].unit, layers[-1].bias)


def _binary(layers: Sequence[Layer], upwards: Sequence[Codes], units: Sequence[float], dynamic: int) -> Form:
    """States (1 + σ)/2: a drive Σ α/2·(W σ + W 1) + b is compared with 1/2."""
    own = [codes.unit for codes in upwards]
    ones = [codes.unit * codes.values.sum(1) / 2 for codes in upwards]  # what states of 1/2 each would give upwards
    back = [codes.unit * codes.values.sum(0) / 2 for codes in upwards[1 : 1 + len(units)]]
    begins: list[nn.Module] = [_affine(own[0], layers[0].bias - 0.5)]
    goes_on: list[nn.Module] = []
    for index, layer in enumerate(layers[:dynamic]):
        below = layer.bias - 0.5 + ones[index] if index else torch.full_like(layer.bias, -0.5)
        if index:
            begins.append(_affine(own[index] / 2, below))
        if index < len(units):
            goes_on.append(_affine(units[index] / 2, below + back[index]))
        else:
            goes_on.append(_affine(own[index] / 2, below))
    act: list[nn.Module] = [BinaryActivation() for _ in range(dynamic)]
    scores = _affine(own[-1] / 2, layers[-1].bias + ones[-1])
    if not units:
        return nn.Identity(), begins, goes_on, act, scores
    # The image's part in units of α/2 of the layer above, which is what its bits are worth.
    unit = own[1] / 2
    coded = nn.Sequential(_affine(own[0] / unit, layers[0].bias / unit), EightBitActivation(1.0, 128))
    return coded, begins, goes_on, act, scores


def _pool(layer: Layer) -> nn.Module:
    return nn.MaxPool2d(2) if isinstance(layer, PooledConv) else nn.Identity()


def _upwards(layer: Layer, codes: Codes) -> QuantConv2d:
    return _convolution(_filters(layer, codes), (_padding(layer), _padding(layer)), codes)


def _downwards(layer: Layer, codes: Codes) -> QuantConv2d:
    """The transposed convolution, as one of stride 1 whose filters are turned round."""
    filters = _filters(layer, codes).transpose(0, 1).flip(2, 3)
    height, width = (size - 1 - _padding(layer) for size in filters.shape[2:])
    return _convolution(filters, (height, width), codes)


def _filters(layer: Layer, codes: Codes) -> Tensor:
    """(out, in, height, width); a dense layer's cover the image that they read."""
    if isinstance(layer, PooledConv):
        return codes.values
    return codes.values.reshape(len(codes.values), *(*layer.below, 1, 1)[:3])


def _padding(layer: Layer) -> int:
    return layer.padding if isinstance(layer, PooledConv) else 0


def _convolution(filters: Tensor, padding: tuple[int, int], codes: Codes) -> QuantConv2d:
    outputs, inputs, height, width = filters.shape
    quantizer = BinaryWeights() if codes.kind == "binary" else _Given()
    layer = QuantConv2d(inputs, outputs, (height, width), quantizer, padding=padding)
    layer.weight = nn.Parameter(filters.contiguous())
    return layer


def _affine(factor: float, offset: Tensor) -> nn.BatchNorm2d:
    """factor·x + offset, as the one layer that says so exactly."""
    norm = nn.BatchNorm2d(len(offset), eps=0.0).eval()
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
