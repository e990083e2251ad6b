# SPDX-License-Identifier: Apache-2.0
"""Whole networks as others write them: FINN on MNIST, PyTorch, Brevitas, and graphs in Keras' manner."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from import_support import Draft, assert_same, imported

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'trit[onnxruntime]'")
torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'trit[train]'")
import onnx
from torch import Tensor, nn

from trit.export import reference
from trit.export.importer.importing import import_onnx
from trit.export.importer.modules import from_torch
from trit.export.importer.original import compare
from trit.export.importer.pixels import Pixels, parse_numbers, parse_range
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.runtime.errors import TritError
from trit.train.data import load_test

f = np.float32
SHARED = Path(os.environ.get("TRIT_SHARED", Path(__file__).parents[2] / "shared")) / "models"


@pytest.mark.parametrize(("name", "accuracy"), [("TFC_1W1A", 0.9296), ("TFC_2W2A", 0.9660)])
def test_networks_of_finn_on_mnist(name: str, accuracy: float) -> None:
    """The classes of every one of the 10,000 test images are those that qonnx finds."""
    pytest.importorskip("qonnx", reason="qonnx is not installed: pip install 'trit[qonnx]'")
    path = SHARED / f"{name}.onnx"
    if not path.exists():
        pytest.skip(f"{path} is not here: set TRIT_SHARED to the folder with models/{name}.onnx")
    try:
        images, labels = load_test("mnist", download=False)
    except TritError as error:
        pytest.skip(str(error))
    found = import_onnx(path)
    assert all(layer.packed and layer.bits_before >= 16 * layer.bits_after for layer in found.layers)
    scores = Session(to_plan(found.graph)).run(images)
    compared = compare(found, images, scores)
    assert compared.equal == len(images) == 10_000
    assert compared.largest_difference is not None and compared.largest_difference < 1e-5
    assert (scores.reshape(len(images), -1).argmax(axis=1) == labels).mean() == pytest.approx(accuracy, abs=1e-4)


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
    """By torch.onnx and without a file; where weights are 0 at random, PyTorch's sign(0) = 0 counts."""
    torch.manual_seed(1)
    network = settled(PYTORCH[name](), 3, 10, 10)
    assert_imports_as(network, (3, 10, 10))
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


@pytest.mark.parametrize("bits", ["binary", "ternary", "2 bits", "4 bits unsigned", "8 bits"])
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
        "2 bits": ({"weight_bit_width": 2}, {"bit_width": 2}),
        "4 bits unsigned": ({"weight_bit_width": 2}, {"act_quant": q.Uint8ActPerTensorFloat, "bit_width": 4}),
        "8 bits": ({"weight_bit_width": 8}, {"bit_width": 8}),
    }[bits]
    torch.manual_seed(0)
    network = nn.Sequential(
        qnn.QuantIdentity(act_quant=q.Int8ActPerTensorFloat, bit_width=8),
        qnn.QuantConv2d(3, 8, 3, padding=1, bias=False, **weights), nn.BatchNorm2d(8), qnn.QuantIdentity(**activation),
        nn.MaxPool2d(2), qnn.QuantConv2d(8, 6, 3, padding=1, bias=True, **weights), nn.BatchNorm2d(6),
        qnn.QuantIdentity(**activation), nn.Flatten(), qnn.QuantLinear(54, 5, bias=True, **weights),
    )  # fmt: skip
    assert_imports_as(settled(network, 3, 6, 6), (3, 6, 6))


def larq(draft: Draft, pad: float) -> str:
    """A network of Larq as tf2onnx writes it: NHWC outside, NCHW around convolutions, batch norm as Mul and Add."""

    def ste_sign(x: str) -> str:
        return str(draft.op("Sign", draft.op("Add", draft.op("Sign", x), f(0.1))))

    def conv(x: str, inputs: int, outputs: int) -> str:
        kernel = draft.op(
            "Transpose",
            ste_sign(draft.constant(draft.rng.normal(0, 1, (3, 3, inputs, outputs)).astype(f))),
            perm=[3, 2, 0, 1],
        )
        padded = draft.op("Pad", x, np.array([0, 0, 1, 1, 0, 0, 1, 1]), f(pad)) if pad else x
        return str(draft.op("Conv", padded, kernel, **({} if pad else {"auto_pad": "SAME_UPPER"})))

    def norm(x: str, channels: int) -> str:
        scale, shift = draft.rng.normal(0, 0.3, channels).astype(f), draft.rng.normal(0, 1, channels).astype(f)
        return str(draft.op("Add", draft.op("Mul", x, scale), shift))

    x = conv(draft.op("Transpose", ste_sign("x"), perm=[0, 3, 1, 2]), 3, 8)
    x = norm(draft.op("Transpose", draft.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), perm=[0, 2, 3, 1]), 8)
    x = conv(draft.op("Transpose", ste_sign(x), perm=[0, 3, 1, 2]), 8, 6)
    x = ste_sign(norm(draft.op("Transpose", x, perm=[0, 2, 3, 1]), 6))
    x = draft.op("Reshape", x, np.array([-1, 96]))
    x = norm(draft.op("MatMul", x, ste_sign(draft.constant(draft.rng.normal(0, 1, (96, 5)).astype(f)))), 5)
    return str(draft.op("Softmax", x))


@pytest.mark.parametrize("pad", [0, 1])
def test_networks_of_larq(pad: float) -> None:
    draft = Draft(8, 8, 3)
    found = imported(draft.model(larq(draft, pad)), Pixels(*parse_range("-1..1")))
    assert found.pixels.layout == "nhwc" and found.graph.tensors["image"].shape == (3, 8, 8)
    images = np.random.default_rng(1).integers(0, 256, (60, 3, 8, 8), dtype=np.uint8)
    compared = compare(found, images, reference.run(found.graph, images))
    assert compared.equal == 60
    assert [layer.weights for layer in found.layers] == ["binary"] * 3


def test_pixels_by_mean_and_deviation() -> None:
    """The usual normalization of MNIST is exact inside; at the border 0 lies between two pixels, which is said."""
    pixels = Pixels(mean=parse_numbers("0.1307", "--mean"), std=parse_numbers("0.3081", "--std"))
    for pads in ([0, 0, 0, 0], [1, 1, 1, 1]):
        draft = Draft(1, 9, 9)
        x = draft.op("Conv", "x", draft.ternary(6, 1, 3, 3), pads=pads)
        size = 7 + 2 * pads[0]
        y = draft.op(
            "MatMul", draft.op("Flatten", draft.op("Sign", draft.batch_norm(x, 6))), draft.signs(6 * size**2, 5)
        )
        found = assert_same(draft.model(draft.op("Add", y, draft.rng.normal(0, 1, 5).astype(f))), pixels)
        assert ["not exact" in note for note in found.notes] == [True] * pads[0]


@pytest.mark.parametrize("pad", [0, 1])
def test_pixels_by_mean_and_deviation_a_channel(pad: int) -> None:
    """No integers have the scales of three channels; 8-bit weights come near them, and the report says so."""
    mean, std = parse_numbers("0.49,0.48,0.45", "--mean"), parse_numbers("0.247,0.244,0.262", "--std")
    for pixels in (Pixels(mean=mean, std=std), Pixels(mean=mean)):
        assert_mixed(pixels, pad)


def assert_mixed(pixels: Pixels, pad: int) -> None:
    draft = Draft(3, 9, 9)
    x = draft.op("Conv", "x", draft.ternary(6, 3, 3, 3), draft.rng.normal(0, 1, 6).astype(f), pads=[pad] * 4)
    found = assert_same(draft.model(draft.op("Flatten", x)), pixels, tolerance=1e-3, classes=False)
    if pad or len(pixels.std) > 1:
        assert "not exactly" in found.notes[0] and "different scales" in (found.layers[0].why_not or "")


def test_integer_images_with_the_scaling_in_the_graph() -> None:
    draft = Draft(28, 28, kind=onnx.TensorProto.UINT8)
    x = draft.op("Div", draft.op("Cast", "x", to=1), f(255))
    x = draft.op("Reshape", x, np.array([-1, 1, 28, 28]))
    x = draft.op("Sign", draft.batch_norm(draft.op("Conv", x, draft.signs(4, 1, 5, 5)), 4))
    found = assert_same(
        draft.model(
            draft.op("Gemm", draft.op("Flatten", x), draft.signs(2304, 10), draft.rng.normal(0, 1, 10).astype(f))
        )
    )
    assert found.graph.tensors["image"].shape == (1, 28, 28) and found.pixels.text() == "0..255"


def test_an_image_that_two_layers_read() -> None:
    draft = Draft(1, 5, 5)
    bits, more = (draft.op("Flatten", draft.op("Sign", draft.op("Sub", "x", f(t)))) for t in (0.5, 0.3))
    left, right = (draft.op("Sign", draft.op("MatMul", x, draft.signs(25, 8))) for x in (bits, more))
    third = draft.op("Sign", draft.op("MatMul", draft.op("Flatten", "x"), draft.signs(25, 8)))
    y = draft.op("Concat", draft.op("Concat", left, right, axis=1), third, axis=1)
    assert_same(draft.model(draft.op("Gemm", y, draft.signs(24, 5), draft.rng.normal(0, 1, 5).astype(f))))


def test_channels_that_are_split_treated_and_joined() -> None:
    draft = Draft(3, 6, 6)
    sums = draft.op("Conv", "x", draft.signs(6, 3, 3, 3))
    halves = draft.op("Split", draft.batch_norm(sums, 6), np.array([2, 4]), axis=1, outputs=2)
    joined = draft.op("Concat", draft.op("Sign", halves[0]), draft.op("Sign", draft.op("Sub", halves[1], f(1))), axis=1)
    y = draft.op("Conv", joined, draft.signs(5, 6, 4, 4), draft.rng.normal(0, 1, 5).astype(f))
    assert_same(draft.model(draft.op("Flatten", y)))


def test_files_for_a_fixed_batch() -> None:
    draft = Draft(1, 6, 6)
    draft.input.type.tensor_type.shape.dim[0].dim_value = 4
    x = draft.op("Reshape", draft.op("Sign", draft.op("Sub", "x", f(0.5))), np.array([4, 36]))
    assert_same(draft.model(draft.op("Gemm", x, draft.signs(36, 5), draft.rng.normal(0, 1, 5).astype(f))))


@pytest.mark.parametrize(("size", "levels", "times"), [(8, 1, 1), (14, 1, 2), (4, 15, 1), (7, 15, 49)])
def test_averages_before_the_last_layer(size: int, levels: int, times: int) -> None:
    """8 bits hold the sum, or the last layer's weights are there a few times."""
    draft = Draft(3, size, size)
    x = draft.op("Mul", draft.batch_norm(draft.op("Conv", "x", draft.signs(7, 3, 1, 1)), 7), f(9))
    x = draft.op("Sign", x) if levels == 1 else draft.op("Round", draft.op("Clip", x, f(0), f(levels)))
    flat = draft.op("Flatten", draft.op("GlobalAveragePool", x))
    y = draft.op("Gemm", flat, draft.signs(7, 5), draft.rng.normal(0, 1, 5).astype(f))
    found = assert_same(draft.model(y))
    assert found.layers[-1].bits_after == 35 * times


def test_real_weights_are_rounded_on_demand() -> None:
    network = settled(nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)), 1, 6, 6)
    found = from_torch(network, (1, 6, 6), round_weights=True)
    assert [layer.why_not for layer in found.layers] == ["real weights, rounded to 8 bits"]
    images = np.random.default_rng(0).integers(0, 256, (20, 1, 6, 6), dtype=np.uint8)
    with torch.no_grad():
        expected = network(torch.from_numpy(images / f(255))).numpy()
    np.testing.assert_allclose(reference.run(found.graph, images), expected, atol=0.05 * np.abs(expected).max())
