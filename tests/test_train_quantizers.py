# SPDX-License-Identifier: Apache-2.0
"""Quantizers: values and pseudo-gradients against their formulas."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'trit[train]'")

from trit.train.quantizers import (
    WEIGHT_QUANTIZERS,
    BinaryActivation,
    BinaryWeights,
    EightBitActivation,
    Int8Weights,
    TernaryActivation,
    TernaryMeanWeights,
    TernaryWeights,
)

# Both sides of every threshold and window edge, the edges themselves, and both zeros.
POINTS = torch.tensor([-3.0, -1.5, -1.0001, -1.0, -0.9999, -0.5, -0.05, -0.01, -0.0, 0.0])
POINTS = torch.cat([POINTS, -POINTS])


def gradient_of(module: torch.nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Values at x, and the gradient of Σ k·y_k there divided by k: dy/dx of each point."""
    x = x.clone().requires_grad_()
    y = module(x)
    factors = torch.arange(1, len(x) + 1, dtype=x.dtype)
    (y * factors).sum().backward()
    assert x.grad is not None
    return y.detach(), x.grad / factors


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_binary_activation(dtype: torch.dtype) -> None:
    x = POINTS.to(dtype)
    y, gradient = gradient_of(BinaryActivation(), x)
    assert y.dtype == dtype
    assert y.tolist() == [1.0 if value >= 0 else -1.0 for value in x.tolist()]
    assert gradient.tolist() == [1.0 if abs(value) < 1 else 0.0 for value in x.tolist()]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize(("threshold", "window"), [(0.05, 1.0), (0.5, 1.5)])
def test_ternary_activation(dtype: torch.dtype, threshold: float, window: float) -> None:
    x = POINTS.to(dtype)
    y, gradient = gradient_of(TernaryActivation(threshold, window), x)
    edge = torch.tensor(threshold, dtype=dtype).item()
    assert y.dtype == dtype
    assert y.tolist() == [(value > edge) - (value < -edge) for value in x.tolist()]
    assert gradient.tolist() == [1.0 if abs(value) < window else 0.0 for value in x.tolist()]


@pytest.mark.parametrize(("threshold", "window"), [(0.0, 1.0), (1.0, 1.0), (-0.1, 1.0)])
def test_a_threshold_outside_the_window_is_refused(threshold: float, window: float) -> None:
    with pytest.raises(ValueError, match=f"threshold {threshold}"):
        TernaryActivation(threshold, window)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("zero_point", [0, 128, 255])
@pytest.mark.parametrize("scale", [1 / 64, 0.25])
def test_eight_bit_activation(dtype: torch.dtype, zero_point: int, scale: float) -> None:
    """Every code, ties between two codes, and values beyond both ends; scales are powers of two, so all is exact."""
    codes = torch.arange(-600, 601) / 2  # in bfloat16 not every tie is a value of its own
    x = torch.cat([POINTS, codes * scale, 1000 * POINTS]).to(dtype)
    y, gradient = gradient_of(EightBitActivation(scale, zero_point), x)
    low, high = -zero_point, 255 - zero_point
    assert y.dtype == dtype
    assert y.tolist() == [scale * min(max(math.floor(v / scale + 0.5), low), high) for v in x.tolist()]
    inside = [float(scale * low < v < scale * high) for v in x.tolist()]
    assert gradient.tolist() == pytest.approx(inside, rel=0.01)  # in bfloat16 the factors are rounded


@pytest.mark.parametrize(("scale", "zero_point"), [(0.0, 0), (-1.0, 128), (float("inf"), 0), (0.5, -1), (0.5, 256)])
def test_an_impossible_scale_or_zero_point_is_refused(scale: float, zero_point: int) -> None:
    with pytest.raises(ValueError, match=f"zero point {zero_point} .* scale {scale}"):
        EightBitActivation(scale, zero_point)


@pytest.mark.parametrize("kind", sorted(WEIGHT_QUANTIZERS))
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("shape", [(5, 7), (4, 3, 5), (6, 2, 3, 3)])
def test_weights_are_scaled_integers(kind: str, scaled: bool, shape: tuple[int, ...]) -> None:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 0.1
    quantizer = WEIGHT_QUANTIZERS[kind](scaled=scaled)
    integers, scale = quantizer.integers(weight), quantizer.scale(weight)
    assert set(integers.unique().tolist()) == ({-1.0, 1.0} if kind == "binary" else {-1.0, 0.0, 1.0})
    if not scaled:
        assert scale is None
        assert torch.equal(quantizer(weight), integers)
        return
    assert scale is not None
    for row, whole, factor, quantized in zip(weight, integers, scale, quantizer(weight), strict=True):
        assert factor.item() == pytest.approx(row[whole != 0].abs().mean().item(), rel=1e-6)
        assert torch.equal(quantized, whole * factor)


@pytest.mark.parametrize("kind", sorted(WEIGHT_QUANTIZERS))
@pytest.mark.parametrize("scaled", [False, True])
def test_weights_pass_the_gradient_straight_through(kind: str, scaled: bool) -> None:
    weight = torch.tensor([[-3.0, -0.1, 0.01, 0.2], [0.0, 1.0, -2.0, 0.5]], requires_grad=True)
    passed = torch.arange(8.0).reshape(2, 4)
    WEIGHT_QUANTIZERS[kind](scaled=scaled)(weight).backward(passed)
    assert weight.grad is not None
    assert torch.equal(weight.grad, passed)


@pytest.mark.parametrize("shape", [(5, 7), (4, 3, 5), (6, 2, 3, 3)])
def test_int8_weights_reach_127_in_every_channel(shape: tuple[int, ...]) -> None:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 0.1
    quantizer = Int8Weights()
    integers, scale = quantizer.integers(weight), quantizer.scale(weight)
    rows, whole = weight.flatten(1), integers.flatten(1)
    assert torch.equal(whole.abs().amax(1), torch.full((shape[0],), 127.0))
    assert torch.equal(scale, rows.abs().amax(1) / 127)
    assert torch.equal(whole, whole.round())
    assert ((rows - whole * scale[:, None]).abs() <= scale[:, None] * 0.5001).all()
    assert torch.equal(quantizer(weight), (whole * scale[:, None]).reshape(shape))


def test_int8_weights_at_their_edges() -> None:
    weight = torch.tensor([[0.0, -0.0, 0.0], [127.0, 0.5, -1.5], [1e-45, -1e-45, 0.0]], requires_grad=True)
    quantizer = Int8Weights()
    assert quantizer.integers(weight).tolist()[:2] == [[0, 0, 0], [127, 0, -2]]
    assert quantizer.integers(weight).abs().max() == 127
    passed = torch.arange(9.0).reshape(3, 3)
    quantizer(weight).backward(passed)
    assert weight.grad is not None
    assert torch.equal(weight.grad, passed)


def test_thresholds_of_weights() -> None:
    weight = torch.tensor([[-0.06, -0.05, 0.05, 0.051, 0.0, -0.0]])
    assert TernaryWeights().integers(weight).tolist() == [[-1, 0, 0, 1, 0, 0]]
    assert TernaryWeights(0.055).integers(weight).tolist() == [[-1, 0, 0, 0, 0, 0]]
    assert BinaryWeights().integers(weight).tolist() == [[-1, -1, 1, 1, 1, 1]]
    # mean |w| = 0.5, so the threshold of Ternary Weight Networks is 0.35
    assert TernaryMeanWeights().integers(torch.tensor([[-1.4, 0.2, 0.36, -0.04]])).tolist() == [[-1, 0, 1, 0]]


def test_a_row_of_zeros_has_scale_zero() -> None:
    weight = torch.zeros(2, 3)
    quantizer = TernaryWeights(scaled=True)
    scale = quantizer.scale(weight)
    assert scale is not None
    assert scale.tolist() == [0.0, 0.0]
    assert quantizer(weight).tolist() == [[0.0] * 3] * 2
