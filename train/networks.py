# SPDX-License-Identifier: Apache-2.0
"""The networks that recipes name, built of trit's layers."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Any

from torch import Tensor, nn

from trit.train.equilibrium import ConvergentNetwork
from trit.train.equilibrium_layers import Dense, Layer, PooledConv, hard_sigmoid, step
from trit.train.layers import Pixels, QuantConv2d, QuantLinear
from trit.train.quantizers import (
    WEIGHT_QUANTIZERS,
    BinaryActivation,
    EightBitActivation,
    Float32Weights,
    Int8Weights,
    TernaryActivation,
    WeightQuantizer,
)
from trit.train.recipe import Cnn, Convergent, DsCnn, Equilibrium, Mlp, Quantization, Recipe, Residual, Vgg


def build(recipe: Recipe) -> nn.Sequential:
    """The recipe's network: uint8 images (N, C, H, W) to scores (N, classes), normalized if it is not convergent."""
    layers: list[nn.Module] = [Pixels(recipe.zero_point, recipe.pixel_scale)]
    match recipe.network:
        case Mlp(hidden=hidden):
            channels, height, width = recipe.input_shape
            layers += [nn.Flatten(), *_dense(channels * height * width, hidden, recipe)]
        case Cnn(stages=stages, hidden=hidden):
            layers += _convolutional(recipe, stages, hidden)
        case Vgg(width=f):
            layers += _convolutional(recipe, [[f, f], [2 * f, 2 * f], [4 * f, 4 * f]], [512])
        case DsCnn() as network:
            layers += _separable(recipe, network)
        case Residual(stages=stages):
            layers += _residual(recipe, stages)
        case Convergent() as network if recipe.equilibrium:
            layers.append(_convergent(recipe, network, recipe.equilibrium))
    _exempt(layers, recipe.quantization)
    built = nn.Sequential(_named(layers))
    if recipe.quantization.start is not None:
        for module in built.modules():
            if isinstance(module, QuantConv2d | QuantLinear):
                nn.init.uniform_(module.weight, -recipe.quantization.start, recipe.quantization.start)
    return built


def unrolled(network: nn.Sequential) -> nn.Module:
    """The network as it is lowered: a convergent one as a fixed number of steps, any other as it is.

    Raises TritError for a convergent network that has no such form.
    """
    first, last = network[0], network[-1]
    if isinstance(first, Pixels) and isinstance(last, ConvergentNetwork):
        return last.unrolled(first).eval()
    return network


def _exempt(layers: list[nn.Module], quantization: Quantization) -> None:
    """Give the first and the last layer weights of their own where the recipe says so, and the others are quantized."""
    quantized = [layer for layer in layers if isinstance(layer, QuantConv2d | QuantLinear)]
    if quantization.weights == "float32" or not quantized:
        return
    for layer, weights in ((quantized[0], quantization.first), (quantized[-1], quantization.last)):
        if weights is not None:
            layer.weight_quantizer = _quantizer(quantization, weights)


class ResidualBlock(nn.Module):
    """y = Q(x + Q(norm(conv(act(x))))) on an 8-bit stream x with quantizer Q: one convolution a shortcut."""

    def __init__(self, channels: int, quantization: Quantization) -> None:
        super().__init__()
        self.act = _activation(quantization)
        self.conv = QuantConv2d(channels, channels, 3, _quantizer(quantization), padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.branch, self.stream = _stream(quantization), _stream(quantization)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.stream(x + self.branch(self.norm(self.conv(self.act(x)))))
        return y


def _named(layers: list[nn.Module]) -> OrderedDict[str, nn.Module]:
    """pixels, conv1, pool1, norm1, act1, …: the names that profiles and Netron show."""
    counts: Counter[str] = Counter()
    named = OrderedDict[str, nn.Module]()
    for layer in layers:
        name = _NAMES[type(layer)]
        counts[name] += 1
        named[name if type(layer) in (Pixels, nn.Flatten) else f"{name}{counts[name]}"] = layer
    return named


_NAMES: dict[type, str] = {
    Pixels: "pixels",
    nn.Flatten: "flatten",
    QuantConv2d: "conv",
    QuantLinear: "dense",
    nn.MaxPool2d: "pool",
    nn.AdaptiveAvgPool2d: "pool",
    nn.BatchNorm1d: "norm",
    nn.BatchNorm2d: "norm",
    BinaryActivation: "act",
    TernaryActivation: "act",
    EightBitActivation: "act",
    nn.ReLU: "act",
    nn.Identity: "act",
    ResidualBlock: "block",
    ConvergentNetwork: "convergent",
}


def _convolutional(recipe: Recipe, stages: list[list[int]], hidden: list[int]) -> list[nn.Module]:
    channels, height, width = recipe.input_shape
    layers: list[nn.Module] = []
    for stage in stages:
        for index, outputs in enumerate(stage):
            layers.append(QuantConv2d(channels, outputs, 3, _quantizer(recipe.quantization), padding=1))
            if index == len(stage) - 1:
                # Before batch norm, as Laborieux et al.: the maximum of accumulators, not of signs, while training.
                layers.append(nn.MaxPool2d(2))
            layers += [nn.BatchNorm2d(outputs), _activation(recipe.quantization)]
            channels = outputs
        height, width = height // 2, width // 2
    return [*layers, nn.Flatten(), *_dense(channels * height * width, hidden, recipe)]


def _separable(recipe: Recipe, network: DsCnn) -> list[nn.Module]:
    width = network.width

    def convolution(inputs: int, kernel: int | tuple[int, int], **options: Any) -> list[nn.Module]:
        layer = QuantConv2d(inputs, width, kernel, _quantizer(recipe.quantization), **options)
        return [layer, nn.BatchNorm2d(width), _activation(recipe.quantization)]

    padding = tuple((size - stride + 1) // 2 for size, stride in zip(network.kernel, network.stride, strict=True))
    layers = convolution(recipe.input_shape[0], network.kernel, stride=network.stride, padding=padding)
    for stride in network.strides:
        layers += convolution(width, 3, padding=1, groups=width, stride=stride)
        layers += convolution(width, 1)
    # A sum of bits has 8 bits, a sum of 8-bit values more.
    rescaled = [_activation(recipe.quantization)] if recipe.quantization.activations == "8-bit" else []
    return [*layers, nn.AdaptiveAvgPool2d(1), *rescaled, nn.Flatten(), *_dense(width, [], recipe)]


def _residual(recipe: Recipe, stages: list[tuple[int, int]]) -> list[nn.Module]:
    quantization, channels = recipe.quantization, recipe.input_shape[0]
    layers: list[nn.Module] = []
    for index, (outputs, blocks) in enumerate(stages):
        if index == 0:
            layers.append(QuantConv2d(channels, outputs, 3, _quantizer(quantization), padding=1))
        else:
            layers += [nn.MaxPool2d(2), QuantConv2d(channels, outputs, 1, _quantizer(quantization))]
        layers += [nn.BatchNorm2d(outputs), _stream(quantization)]
        layers += [ResidualBlock(outputs, quantization) for _ in range(blocks)]
        channels = outputs
    layers += [nn.AdaptiveAvgPool2d(1), _stream(quantization), nn.Flatten()]
    return [*layers, *_dense(channels, [], recipe)]


def _convergent(recipe: Recipe, network: Convergent, equilibrium: Equilibrium) -> ConvergentNetwork:
    separate = equilibrium.feedback == "separate"
    below: tuple[int, ...] = recipe.input_shape
    layers: list[Layer] = []
    for channels, padding in zip(network.channels, network.padding, strict=True):
        layers.append(PooledConv(below, channels, network.kernel, padding, separate))
        below = layers[-1].shape
    for outputs in [*network.hidden, len(recipe.labels)]:
        layers.append(Dense(below, outputs, separate))
        below = layers[-1].shape
    activation = step if recipe.quantization.activations == "binary" else hard_sigmoid
    weights = recipe.quantization.weights
    assert weights != "ternary" and weights != "ternary-mean"  # the recipe says so
    settings = equilibrium.readout, equilibrium.free_steps, activation, weights, recipe.pixel_scale
    built = ConvergentNetwork(layers, *settings)
    if equilibrium.magnitudes:
        built.binarize(equilibrium.magnitudes)
    return built


def _dense(inputs: int, hidden: list[int], recipe: Recipe) -> list[nn.Module]:
    quantization, classes = recipe.quantization, len(recipe.labels)
    layers: list[nn.Module] = []
    for outputs in hidden:
        layers.append(QuantLinear(inputs, outputs, _quantizer(quantization)))
        layers += [nn.BatchNorm1d(outputs), _activation(quantization)]
        inputs = outputs
    layers.append(QuantLinear(inputs, classes, _quantizer(quantization)))
    return [*layers, nn.BatchNorm1d(classes)]


def _quantizer(quantization: Quantization, weights: str | None = None) -> WeightQuantizer:
    """Of most layers, or of one with `weights` of its own."""
    match weights or quantization.weights:
        case "float32":
            return Float32Weights()
        case "int8":
            return Int8Weights()
        case few:
            quantizer: WeightQuantizer = WEIGHT_QUANTIZERS[few](scaled=quantization.scaled)
            return quantizer


def _activation(quantization: Quantization) -> nn.Module:
    match quantization.activations:
        case "binary":
            return BinaryActivation()
        case "ternary":
            return TernaryActivation(quantization.threshold, quantization.window)
        case "8-bit":
            return EightBitActivation(quantization.activation_scale, 0)  # a ReLU as well
        case "relu":
            return nn.ReLU()


def _stream(quantization: Quantization) -> nn.Module:
    """Signed 8-bit values of one scale, so that they can be added; float32 beside a plain ReLU."""
    if quantization.activations == "relu":
        return nn.Identity()
    return EightBitActivation(quantization.activation_scale, 128)
