# SPDX-License-Identifier: Apache-2.0
"""Layers with quantized weights: torch's own computation on the quantized weights, wherever torch's layers fit."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'trit[train]'")
from torch import nn
from torch.nn import functional

from trit.train.layers import (
    BinaryActivation,
    BinaryWeights,
    Int8Weights,
    MaxUnpool,
    Pixels,
    QuantConv1d,
    QuantConv2d,
    QuantLinear,
    TernaryMeanWeights,
    TernaryWeights,
)

QUANTIZERS = [
    BinaryWeights(),
    BinaryWeights(scaled=True),
    TernaryWeights(),
    TernaryMeanWeights(scaled=True),
    Int8Weights(),
]


@pytest.mark.parametrize("quantizer", QUANTIZERS, ids=repr)
@pytest.mark.parametrize("bias", [False, True])
def test_linear(quantizer: nn.Module, bias: bool) -> None:
    layer = QuantLinear(33, 7, quantizer, bias)
    x = torch.randn(5, 33)
    assert torch.equal(layer(x), functional.linear(x, quantizer(layer.weight), layer.bias))


@pytest.mark.parametrize("quantizer", QUANTIZERS, ids=repr)
@pytest.mark.parametrize(
    "options",
    [{}, {"padding": 1, "stride": 2}, {"groups": 6}, {"padding": "same", "dilation": 2}, {"padding": (2, 0)}],
    ids=str,
)
def test_conv2d(quantizer: nn.Module, options: dict[str, object]) -> None:
    layer = QuantConv2d(6, 12, (3, 2), quantizer, **options)
    x = torch.randn(2, 6, 9, 8)
    assert torch.equal(layer(x), functional.conv2d(x, quantizer(layer.weight), **options))


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        (2, [[0, -3, 7, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]),
        ((3, 2), [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [-3, 0, 7, 0, 0]]),
    ],
)
def test_max_unpool(kernel: int | tuple[int, int], expected: list[list[int]]) -> None:
    """A value at the first of equal maxima, row by row; 0 elsewhere, also behind the last whole window."""
    sums = torch.tensor([[0, 5, 5, 1, 9], [5, 0, 1, 5, 9], [9, 9, 9, 9, 9]])
    for kind in (torch.float32, torch.float64):
        values = torch.tensor([[[[-3, 7]]]], dtype=kind)
        found = MaxUnpool(kernel)(values, sums[None, None].to(kind))
        assert torch.equal(found, torch.tensor([[expected]], dtype=kind))


@pytest.mark.parametrize("quantizer", QUANTIZERS, ids=repr)
@pytest.mark.parametrize("options", [{}, {"padding": 2, "stride": 2}, {"groups": 6}], ids=str)
def test_conv1d(quantizer: nn.Module, options: dict[str, object]) -> None:
    layer = QuantConv1d(6, 12, 3, quantizer, bias=True, **options)
    x = torch.randn(2, 6, 20)
    assert torch.equal(layer(x), functional.conv1d(x, quantizer(layer.weight), layer.bias, **options))


@pytest.mark.parametrize("quantizer", QUANTIZERS, ids=repr)
def test_integer_weights_are_what_the_forward_pass_uses(quantizer: nn.Module) -> None:
    layer = QuantConv2d(3, 4, 3, quantizer)
    integers, scale, kind = layer.integer_weights()
    assert integers.dtype == torch.int8
    assert kind == quantizer.kind
    used = integers.float() if scale is None else integers * scale[:, None, None, None]
    assert torch.equal(used, quantizer(layer.weight))


def test_layers_drop_into_any_module_and_learn() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        QuantConv2d(1, 16, 3, TernaryWeights(), padding=1),
        nn.BatchNorm2d(16),
        BinaryActivation(),
        nn.Flatten(),
        QuantLinear(16 * 16, 2, TernaryMeanWeights()),
        nn.BatchNorm1d(2),
    )
    images = torch.randn(64, 1, 4, 4)
    labels = (images[:, 0, 0, 0] > images[:, 0, 3, 3]).long()
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    losses = []
    for _ in range(60):
        loss = functional.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.25 * losses[0]


def test_pixels() -> None:
    images = torch.tensor([[[[0, 73, 255]]]], dtype=torch.uint8)
    assert Pixels(73, 0.5)(images).tolist() == [[[[-36.5, 0.0, 91.0]]]]
    with pytest.raises(ValueError, match="zero point 256"):
        Pixels(256)
    with pytest.raises(ValueError, match="scale 0"):
        Pixels(0, 0)
