# SPDX-License-Identifier: Apache-2.0
"""trit import as a user types it, and what it says where a network does not reduce."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from import_support import Draft, imported

from trit import load
from trit.commands.zoo import network_bytes
from trit.export.graph import GraphError
from trit.export.importer.pixels import Pixels, parse_numbers

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'trit[onnxruntime]'")

Run = Callable[..., tuple[int, str, str]]
f = np.float32


def others() -> Draft:
    """A binary perceptron for images of 28 × 28 pixels, with a layer of 8-bit weights."""
    draft = Draft(1, 28, 28)
    x = draft.op("Sign", draft.op("Sub", draft.op("Flatten", "x"), f(0.5)))
    x = draft.op("Sign", draft.op("Add", draft.op("MatMul", x, draft.signs(784, 32)), f(0.5)))
    weights = draft.rng.integers(-127, 128, (32, 10)).astype(f)
    weights[0] = 127
    draft.op("Softmax", draft.op("MatMul", x, weights * f(0.01)))
    return draft


@pytest.fixture
def source(tmp_path: Path) -> Path:
    draft = others()
    path = tmp_path / "others.onnx"
    path.write_bytes(draft.model("t7_0").SerializeToString())
    return path


def test_import_writes_a_model_and_a_report(run: Run, source: Path, tmp_path: Path) -> None:
    status, out, err = run("import", str(source), "-o", "model.onnx", "--data-set", "fashion-mnist", "--check", "50")
    assert status == 0, err
    for words in ("MatMul_3", "binary", "int8", "255 levels", "802,816", "25,088", "0..1", "50 of 50 images (100.00%)"):
        assert words in out
    session = load(tmp_path / "model.onnx")
    assert session.labels[9] == "Ankle boot" and session.metadata["source"] == "others.onnx"
    # Single-channel images may come as they are, though the network's channels are their pixels.
    assert session.input_shape == (784, 1, 1)
    images = np.random.default_rng(0).integers(0, 256, (3, 1, 28, 28), dtype=np.uint8)
    np.testing.assert_array_equal(session.run(images), session.run(images.reshape(3, 784)))
    assert run("verify", "model.onnx", "--only", "c runtime", "--images", "5")[0] == 0


def test_import_as_json(run: Run, source: Path) -> None:
    labels = ",".join("abcdefghij")
    status, out, _ = run("import", str(source), "-o", "m.onnx", "--json", "--labels", labels, "--check", "9")
    report = json.loads(out)
    assert status == 0 and report["schema"] == 1
    assert report["rows"][0] == {
        "layer": "MatMul_3", "operator": "MatMul", "weights": "binary", "packed": True, "why_not": None,
        "bits_before": 784 * 32 * 32, "bits_after": 784 * 32,
    }  # fmt: skip
    assert report["rows"][1]["packed"] is False and report["rows"][1]["bits_after"] == 320 * 8
    assert report["check"]["equal"] == 9 and report["pixels"] == "0..1"
    assert "Softmax" in report["left_out"][0]
    assert load("m.onnx").labels == list("abcdefghij")


MISTAKES: dict[str, tuple[list[str], str]] = {
    "no file": (["gone.onnx", "-o", "m.onnx"], "gone.onnx"),
    "another ending": (["SOURCE", "-o", "m.trit"], "is written as .onnx"),
    "labels": (["SOURCE", "-o", "m.onnx", "--labels", "a,b"], "2 names for 10 classes"),
    "pixels": (["SOURCE", "-o", "m.onnx", "--pixels", "one"], "--pixels one: give what pixels 0 and 255 stand for"),
    "mean": (["SOURCE", "-o", "m.onnx", "--mean", "a"], "--mean a: give one number"),
    "std": (["SOURCE", "-o", "m.onnx", "--std", "1,2"], "--std has 2 values; the image has 1 channels"),
    "shape": (["SOURCE", "-o", "m.onnx", "--shape", "28"], "--shape 28: give channels, height and width"),
    "another shape": (["SOURCE", "-o", "m.onnx", "--shape", "3,32,32"], "does not fit input x"),
    "layout": (["SOURCE", "-o", "m.onnx", "--layout", "hwc"], "--layout hwc: give one of nchw, nhwc"),
    "data set": (["SOURCE", "-o", "m.onnx", "--data-set", "mnits"], "--data-set mnits: give one of"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_one_line(run: Run, source: Path, name: str) -> None:
    words, message = MISTAKES[name]
    status, _, err = run("import", *(str(source) if word == "SOURCE" else word for word in words))
    assert status == 2 and re.fullmatch(r"trit: [^\n]+\n", err) and message in err, err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no graph", "not an ONNX file"),
        (b"", "not an ONNX file"),
        (network_bytes("mnist-binary-mlp"), "is trit's own already"),
    ],
)
def test_files_that_are_no_network_of_others(run: Run, tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "file.onnx").write_bytes(content)
    status, _, err = run("import", "file.onnx", "-o", "m.onnx")
    assert status == 2 and message in err and err.count("\n") == 1


def test_truncated_files(run: Run, source: Path) -> None:
    whole = source.read_bytes()
    for size in (10, len(whole) // 2, len(whole) - 3):
        source.write_bytes(whole[:size])
        status, _, err = run("import", str(source), "-o", "m.onnx")
        assert status == 2 and err.count("\n") == 1, err


def real(draft: Draft, *shape: int) -> np.ndarray:
    return draft.rng.normal(0, 1, shape).astype(f)


def conv(draft: Draft, x: str, inputs: int = 3) -> str:
    return str(draft.op("Conv", x, draft.signs(4, inputs, 3, 3)))


IRREDUCIBLE: dict[str, tuple[Callable[[Draft], str], str]] = {
    "real weights": (lambda d: d.op("Conv", "x", real(d, 4, 3, 3, 3)), r"node Conv_0 \(Conv\): has real weights \(27 "),
    "real activations": (
        lambda d: conv(d, d.op("Relu", conv(d, "x")), 4),
        r"node Conv_2 \(Conv\): reads real values; a quantizer is expected before it: Sign, ",
    ),
    "an unknown operator": (lambda d: d.op("Softplus", conv(d, "x")), r"node Softplus_1 \(Softplus\): has no rule"),
    "a curve that no sign follows": (
        lambda d: d.op("Relu", d.op("Tanh", conv(d, "x"))),
        r"node Tanh_1 \(Tanh\): is read by Relu_2 \(Relu\); Sign or BipolarQuant is expected",
    ),
    "a mistyped operator": (lambda d: d.op("Convv", "x", d.signs(4, 3, 3, 3)), "has no rule; did you mean Conv"),
    "a real residual stream": (
        lambda d: d.op("Add", (x := d.batch_norm(conv(d, "x"), 4)), d.op("Conv", d.op("Sign", x), d.signs(4, 4, 1, 1))),
        r"node Add_4 \(Add\): adds values of different scales",
    ),
    "a gate": (
        lambda d: d.op("Mul", (x := conv(d, "x")), d.op("Conv", d.op("Sign", x), d.signs(4, 4, 1, 1))),
        r"node Mul_3 \(Mul\): joins values that depend on different sums",
    ),
    "levels that rise and fall": (
        lambda d: conv(d, d.op("Sign", d.op("Sub", d.op("Abs", d.batch_norm(conv(d, "x"), 4)), f(1))), 4),
        "rises and falls; a monotone quantizer is expected",
    ),
    "a reflected padding": (
        lambda d: conv(d, d.op("Pad", "x", np.array([0, 0, 1, 1, 0, 0, 1, 1]), mode="reflect")),
        "pads with reflect; a constant is expected",
    ),
    "a ReLU at the end": (lambda d: d.op("Relu", conv(d, "x")), "node t1_0 .output.: reads real values"),
    "weights from the image": (
        lambda d: d.op("MatMul", "x", d.op("Transpose", "x")),
        "weights that depend on the image",
    ),
    "a reordered output": (
        lambda d: d.op("Gather", d.op("Flatten", conv(d, "x")), np.arange(144)[::-1].copy(), axis=1),
        "its elements are not the channels of",
    ),
    "two scales among the channels": (
        lambda d: conv(d, d.op("Mul", d.op("Sign", conv(d, "x")), real(d, 4, 1, 1)), 4),
        "which has .* steps at uneven distances|input channels have different scales",
    ),
}


@pytest.mark.parametrize("name", IRREDUCIBLE)
def test_what_does_not_reduce_is_named_in_one_line(name: str) -> None:
    build, message = IRREDUCIBLE[name]
    draft = Draft(3, 8, 8)
    with pytest.raises(GraphError, match=message) as mistake:
        imported(draft.model(build(draft)))
    assert "\n" not in str(mistake.value)


def test_channels_of_different_scale_are_named() -> None:
    draft = Draft(3, 8, 8)
    pixels = Pixels(std=parse_numbers("0.229,0.224,0.225", "--std"))
    weights = draft.rng.integers(-9, 9, (4, 3, 3, 3)).astype(f)
    with pytest.raises(GraphError, match=r"node Conv_0 \(Conv\): its input channels have different scales"):
        imported(draft.model(draft.op("Conv", "x", weights)), pixels)


def test_two_inputs_and_two_outputs_are_named() -> None:
    draft = Draft(3, 8, 8)
    first, second = conv(draft, "x"), conv(draft, "x")
    with pytest.raises(GraphError, match="outputs t0_0, t1_0; scores of one set of classes"):
        imported(draft.model(first, second))
    model = draft.model(first)
    model.graph.input.append(onnx.helper.make_tensor_value_info("y", 1, [1, 3]))
    with pytest.raises(GraphError, match="inputs x, y; one image input is expected"):
        imported(model)


def test_open_shapes_ask_for_one(run: Run, tmp_path: Path) -> None:
    draft = Draft("channels", "height", "width")
    (tmp_path / "open.onnx").write_bytes(draft.model(conv(draft, "x")).SerializeToString())
    status, _, err = run("import", "open.onnx", "-o", "m.onnx")
    assert status == 2 and "give the image's shape: --shape" in err
    status, _, err = run("import", "open.onnx", "-o", "m.onnx", "--shape", "3,5,5")
    assert status == 0, err
