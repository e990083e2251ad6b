# SPDX-License-Identifier: Apache-2.0
"""Whole networks as others write them: FINN's on MNIST, Larq's as Keras writes them, pixels of every meaning."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from import_support import Draft, assert_same, imported

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'trit[onnxruntime]'")
import onnx

from trit import shipped_images
from trit.commands.zoo import network_bytes
from trit.export import reference
from trit.export.graph import Graph
from trit.export.importer.importing import import_onnx
from trit.export.importer.original import compare
from trit.export.importer.pixels import Pixels, parse_numbers, parse_range
from trit.export.onnx_int2 import to_onnx_int2
from trit.export.onnx_plain import to_onnx_plain
from trit.export.onnx_reader import parse_onnx
from trit.export.operators import Conv
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


def test_flattened_colour_images() -> None:
    """Channels last in the source, first in trit: each pixel finds its weight, however the images are given."""
    draft = Draft(6, 5, 3)
    bits = draft.op("Sign", draft.op("Sub", draft.op("Flatten", "x"), f(0.5)))
    found = assert_same(draft.model(draft.op("Gemm", bits, draft.signs(90, 5), draft.rng.normal(0, 1, 5).astype(f))))
    assert found.graph.tensors["image"].shape == (90, 1, 1) and found.pixels.shape == (3, 6, 5)
    images = np.random.default_rng(3).integers(0, 256, (7, 3, 6, 5), dtype=np.uint8)
    session = Session(to_plan(found.graph))
    np.testing.assert_array_equal(session.run(images), session.run(images.reshape(7, 90)))
    assert compare(found, images, session.run(images)).equal == 7


@pytest.mark.parametrize("name", ["fashion-ternary-cnn", "fashion-binary-cnn", "mnist-binary-mlp"])
@pytest.mark.parametrize(("write", "bits"), [(to_onnx_plain, 8), (to_onnx_int2, 2)])
def test_trits_own_networks_come_back(name: str, write: Callable[[Graph], Any], bits: int) -> None:
    """From the forms for other tools, where they are standard operators on packed bits or INT2 weights."""
    graph = parse_onnx(network_bytes(name), name)
    found = imported(write(graph))
    images, _ = shipped_images("fashion-mnist")
    np.testing.assert_array_equal(reference.run(found.graph, images[:40]), reference.run(graph, images[:40]))
    ours = [node for node in graph.nodes if isinstance(node, Conv)]
    assert [layer.weights for layer in found.layers] == [node.weight_kind for node in ours]
    if bits == 2:
        assert [layer.bits_before for layer in found.layers] == [2 * node.weights.size for node in ours]


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
