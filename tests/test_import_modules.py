# SPDX-License-Identifier: Apache-2.0
"""Modules of PyTorch and Brevitas as integer graphs, by torch.onnx and by QONNX in memory."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from import_support import assert_same

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'trit[onnxruntime]'")
torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'trit[train]'")
import onnx
from torch import Tensor, nn

from trit.export import reference
from trit.export.importer.modules import from_torch
from trit.export.importer.pixels import Pixels

f = np.float32


class Binary(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, torch.where(self.weight >= 0, 1.0, -1.0), self.bias)


class Xnor(nn.Conv2d):
    """A scale an output channel: the mean magnitude (Rastegari et al., "XNOR-Net")."""

    def forward(self, x: Tensor) -> Tensor:
        scale = self.weight.abs().mean((1, 2, 3), keepdim=True)
        return self._conv_forward(x, torch.sign(self.weight) * scale, self.bias)


class Ternary(nn.Conv2d):
    """Li et al., "Ternary Weight Networks"."""

    def forward(self, x: Tensor) -> Tensor:
        mask = (self.weight.abs() > 0.7 * self.weight.abs().mean()).float()
        scale = (self.weight.abs() * mask).sum() / mask.sum()
        return self._conv_forward(x, scale * torch.sign(self.weight) * mask, self.bias)


class BitLinear(nn.Linear):
    """Ma et al., "The Era of 1-bit LLMs": round(w / mean|w|)."""

    def forward(self, x: Tensor) -> Tensor:
        scale = self.weight.abs().mean()
        return nn.functional.linear(x, (self.weight / scale).round().clamp(-1, 1) * scale, self.bias)


class Cnn(nn.Module):
    """Two convolutions and two dense layers, the pool before or behind the activation."""

    def __init__(self, conv: type[nn.Conv2d], act: Callable[[Tensor], Tensor], pool_first: bool) -> None:
        super().__init__()
        self.act, self.pool_first, self.pool = act, pool_first, nn.MaxPool2d(2)
        self.conv1, self.norm1 = conv(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.norm2 = conv(8, 10, 3), nn.BatchNorm2d(10)
        self.dense1, self.norm3, self.dense2 = BitLinear(160, 16), nn.BatchNorm1d(16), BitLinear(16, 5)
        self.drop, self.norm4 = nn.Dropout(0.2), nn.BatchNorm1d(5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv2(self.act(self.norm1(self.conv1(x))))
        x = self.act(self.norm2(self.pool(x))) if self.pool_first else self.pool(self.act(self.norm2(x)))
        x = self.act(self.norm3(self.dense1(self.drop(x.view(x.size(0), -1)))))
        return self.norm4(self.dense2(x))


class Residual(nn.Module):
    """4-bit activations, whose sums are quantized again, and an average over all positions."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList([Ternary(3 if i == 0 else 12, 12, 3, padding=1, bias=False) for i in range(3)])
        self.norms = nn.ModuleList([nn.BatchNorm2d(12) for _ in range(3)])
        self.dense = BitLinear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        layers = list(zip(self.convs, self.norms, strict=True))
        x = dorefa(layers[0][1](layers[0][0](x)), 15)
        y = x
        for conv, norm in layers[1:]:
            y = dorefa(norm(conv(y)), 15)
        return self.dense(nn.functional.adaptive_avg_pool2d(dorefa(x + y, 15), 1).flatten(1))


def dorefa(x: Tensor, steps: int) -> Tensor:
    """Zhou et al., "DoReFa-Net": activations 0..1 in even steps."""
    return torch.round(torch.clamp(x, 0, 1) * steps) / steps


def settled(network: nn.Module, *shape: int) -> nn.Module:
    """Random affine parameters and the running statistics of random pixels."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 0.5
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    network.train()
    for _ in range(3):
        network(torch.rand(16, *shape))
    return network.eval()


PYTORCH: dict[str, Callable[[], nn.Module]] = {
    "sign": lambda: Cnn(Binary, torch.sign, True),
    "where": lambda: Cnn(Xnor, lambda x: torch.where(x >= 0, 1.0, -1.0), False),
    "comparison": lambda: Cnn(Binary, lambda x: (x > 0).float() * 2 - 1, True),
    "straight-through": lambda: Cnn(Ternary, lambda x: (torch.sign(x) - x).detach() + x, True),
    "hardtanh": lambda: Cnn(Ternary, lambda x: nn.functional.hardtanh(x).sign(), False),
    "ternary": lambda: Cnn(Ternary, lambda x: x.sign() * (x.abs() > 0.5), True),
    "2 bits": lambda: Cnn(Binary, lambda x: dorefa(x, 3), True),
    "relu6 in 8 bits": lambda: Cnn(Ternary, lambda x: torch.floor(nn.functional.relu6(x) * 42.5 + 0.5) / 42.5, False),
    "residual": Residual,
}


@pytest.mark.parametrize("name", PYTORCH)
def test_modules_of_pytorch(name: str) -> None:
    torch.manual_seed(1)
    assert_imports_as(settled(PYTORCH[name](), 3, 10, 10), (3, 10, 10))


def test_files_of_pytorch() -> None:
    """As users export them: with constants folded and a batch of any size."""
    network = settled(PYTORCH["where"](), 3, 10, 10)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (torch.rand(2, 3, 10, 10),), file, dynamo=False, dynamic_axes={"x": {0: "n"}}, input_names=["x"]
        )
    assert_same(onnx.load_model_from_string(file.getvalue()))


def assert_imports_as(network: nn.Module, shape: tuple[int, ...], pixels: Pixels | None = None) -> None:
    found = from_torch(network, shape, pixels)
    image = found.graph.tensors[found.graph.input].shape
    images = np.random.default_rng(2).integers(0, 256, (60, *image), dtype=np.uint8)
    with torch.no_grad():
        scores = network(torch.from_numpy(images.reshape(60, *shape) / f(255)))
    expected = getattr(scores, "value", scores).numpy()
    given = reference.run(found.graph, images).reshape(60, -1)
    np.testing.assert_allclose(given, expected, atol=2e-5 * np.abs(expected).max())
    np.testing.assert_array_equal(given.argmax(axis=1), expected.argmax(axis=1))


def test_one_dimensional_modules() -> None:
    class Speech(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.norm1 = nn.Conv1d(2, 8, 5, stride=2, bias=False), nn.BatchNorm1d(8)
            self.conv2, self.norm2 = nn.Conv1d(8, 6, 3, padding=1), nn.BatchNorm1d(6)
            self.dense = nn.Linear(6, 4)

        def forward(self, x: Tensor) -> Tensor:
            x = nn.functional.max_pool1d(torch.sign(self.norm1(self.conv1(x))), 2)
            return self.dense(torch.sign(self.norm2(self.conv2(x))).mean(2))

    network = Speech()
    with torch.no_grad():
        for layer in (network.conv1, network.conv2, network.dense):
            layer.weight.copy_(0.3 * layer.weight.sign())
    assert_imports_as(settled(network, 2, 41), (2, 41))


@pytest.mark.parametrize("bits", ["binary", "ternary", "4 bits unsigned"])
def test_modules_of_brevitas(bits: str) -> None:
    pytest.importorskip("brevitas", reason="brevitas is not installed: pip install brevitas onnxoptimizer")
    pytest.importorskip("onnxoptimizer", reason="Brevitas' export needs it: pip install onnxoptimizer")
    import brevitas.nn as qnn
    import brevitas.quant as q

    weights, activation = {
        "binary": (
            {"weight_quant": q.SignedBinaryWeightPerTensorConst},
            {"act_quant": q.SignedBinaryActPerTensorConst},
        ),
        "ternary": (
            {"weight_quant": q.SignedTernaryWeightPerTensorConst},
            {"act_quant": q.SignedTernaryActPerTensorConst},
        ),
        "4 bits unsigned": ({"weight_bit_width": 2}, {"act_quant": q.Uint8ActPerTensorFloat, "bit_width": 4}),
    }[bits]
    torch.manual_seed(0)
    network = nn.Sequential(
        qnn.QuantIdentity(act_quant=q.Int8ActPerTensorFloat, bit_width=8),
        qnn.QuantConv2d(3, 8, 3, padding=1, bias=False, **weights), nn.BatchNorm2d(8), qnn.QuantIdentity(**activation),
        nn.MaxPool2d(2), qnn.QuantConv2d(8, 6, 3, padding=1, bias=True, **weights), nn.BatchNorm2d(6),
        qnn.QuantIdentity(**activation), nn.Flatten(), qnn.QuantLinear(54, 5, bias=True, **weights),
    )  # fmt: skip
    assert_imports_as(settled(network, 3, 6, 6), (3, 6, 6))


def test_real_weights_are_rounded_on_demand() -> None:
    network = settled(nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)), 1, 6, 6)
    found = from_torch(network, (1, 6, 6), round_weights=True)
    assert [layer.why_not for layer in found.layers] == ["real weights, rounded to 8 bits"]
    images = np.random.default_rng(0).integers(0, 256, (20, 1, 6, 6), dtype=np.uint8)
    with torch.no_grad():
        expected = network(torch.from_numpy(images / f(255))).numpy()
    np.testing.assert_allclose(reference.run(found.graph, images), expected, atol=0.05 * np.abs(expected).max())
