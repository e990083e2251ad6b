# SPDX-License-Identifier: Apache-2.0
"""Every rule of the importer on a small graph of its own, against onnxruntime or qonnx on random images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from import_support import Draft, assert_same, imported
from onnx import TensorProto

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'trit[onnxruntime]'")

from trit.export import reference
from trit.export.importer.original import run_source
from trit.export.importer.pixels import Pixels, parse_range
from trit.export.importer.rules import RULES

f = np.float32
Build = Callable[[Draft, str], str]


def sums(draft: Draft, outputs: int = 6) -> str:
    """Pixels through a binary convolution and batch norm: real values, as quantizers find them."""
    return draft.batch_norm(draft.op("Conv", "x", draft.signs(outputs, 3, 3, 3)), outputs)


def scores(draft: Draft, bits: str, inputs: int = 6 * 6 * 6) -> str:
    """A last layer whose biases leave no ties."""
    product = draft.op("MatMul", draft.op("Flatten", bits), draft.signs(inputs, 5))
    return str(draft.op("Add", product, draft.rng.normal(0, 1, 5).astype(f)))


def sign(draft: Draft, x: str) -> str:
    return str(draft.op("Sign", x))


def where(draft: Draft, condition: str, yes: float = 1, no: float = -1) -> str:
    return str(draft.op("Where", condition, f(yes), f(no)))


# What stands between the sums and the next layer.
QUANTIZERS: dict[str, Build] = {
    "Sign": sign,
    "Greater": lambda d, x: where(d, d.op("Greater", x, f(0))),
    "GreaterOrEqual": lambda d, x: where(d, d.op("GreaterOrEqual", x, f(0.25)), 0.5, -0.5),
    "Less": lambda d, x: where(d, d.op("Less", x, f(0)), -1, 1),
    "LessOrEqual": lambda d, x: where(d, d.op("LessOrEqual", f(0), x)),
    "Not": lambda d, x: where(d, d.op("Not", d.op("Less", x, f(0.5)))),
    "Equal": lambda d, x: where(d, d.op("Equal", d.op("Sign", d.op("Relu", x)), f(1)), 1, 0),
    "And": lambda d, x: where(d, d.op("And", d.op("Greater", x, f(-0.5)), d.op("Greater", x, f(0.5)))),
    "Cast": lambda d, x: d.op("Sub", d.op("Mul", d.op("Cast", d.op("Greater", x, f(0)), to=1), f(2)), f(1)),
    "Tanh": lambda d, x: sign(d, d.op("Tanh", x)),
    "Softsign": lambda d, x: sign(d, d.op("Softsign", x)),
    "Erf": lambda d, x: sign(d, d.op("Identity", d.op("Erf", x))),
    "Atan": lambda d, x: sign(d, d.op("Atan", x)),
    "CastLike": lambda d, x: d.op("CastLike", d.op("Greater", x, f(0)), f(1)),
    "Larq's sign, +1 at 0": lambda d, x: sign(d, d.op("Add", sign(d, x), f(0.1))),
    "Clip": lambda d, x: sign(d, d.op("Clip", x, f(-1), f(1))),
    "Relu": lambda d, x: sign(d, d.op("Relu", x)),
    "LeakyRelu": lambda d, x: sign(d, d.op("Add", d.op("LeakyRelu", x, alpha=0.3), f(0.2))),
    "PRelu": lambda d, x: sign(d, d.op("Add", d.op("PRelu", x, d.rng.uniform(0.1, 2, (6, 1, 1)).astype(f)), f(0.2))),
    "HardSigmoid": lambda d, x: where(d, d.op("Greater", d.op("HardSigmoid", x), f(0.5))),
    "Max": lambda d, x: sign(d, d.op("Max", x, f(-1))),
    "Min": lambda d, x: sign(d, d.op("Min", f(1), x)),
    "Neg": lambda d, x: sign(d, d.op("Neg", x)),
    "Abs": lambda d, x: sign(d, d.op("Sub", d.op("Abs", d.op("Relu", x)), f(0.5))),
    "Add": lambda d, x: sign(d, d.op("Add", x, d.rng.normal(0, 1, (6, 1, 1)).astype(f))),
    "Sub": lambda d, x: sign(d, d.op("Sub", f(0.5), x)),
    "Mul": lambda d, x: sign(d, d.op("Add", d.op("Mul", x, d.rng.normal(0, 1, (1, 6, 1, 1)).astype(f)), f(0.3))),
    "Div": lambda d, x: sign(d, d.op("Add", d.op("Div", x, f(-3)), f(0.3))),
    "Sum": lambda d, x: sign(d, d.op("Sum", x, f(0.1), x)),
    "Round": lambda d, x: d.op("Clip", d.op("Round", x), f(-1), f(1)),
    "Floor": lambda d, x: d.op("Clip", d.op("Floor", x), f(-2), f(1)),
    "Ceil": lambda d, x: d.op("Clip", d.op("Ceil", x), f(0), f(2)),
    "Identity": lambda d, x: sign(d, d.op("Identity", x)),
    "Dropout": lambda d, x: sign(d, d.op("Dropout", x)),
    "BatchNormalization": lambda d, x: sign(d, d.batch_norm(x, 6, 1)),
    "ternary by two comparisons": lambda d, x: d.op(
        "Sub", d.op("Cast", d.op("Greater", x, f(0.5)), to=1), d.op("Cast", d.op("Less", x, f(-0.5)), to=1)
    ),
    "levels 0 and 1": lambda d, x: d.op("Cast", d.op("Greater", x, f(0.1)), to=1),
    "levels 0.2 and 0.7": lambda d, x: where(d, d.op("Greater", x, f(0)), 0.75, 0.25),
    "QuantizeLinear DequantizeLinear": lambda d, x: d.op(
        "DequantizeLinear",
        d.op("Clip", d.op("QuantizeLinear", x, f(0.7), np.int8(0)), np.int8(-1), np.int8(1)),
        f(0.7),
        np.int8(0),
    ),
    "8 bits": lambda d, x: d.op(
        "DequantizeLinear", d.op("QuantizeLinear", x, f(0.03), np.uint8(7)), f(0.03), np.uint8(7)
    ),
    "8 bits, signed": lambda d, x: d.op(
        "DequantizeLinear", d.op("QuantizeLinear", x, f(0.02), np.int8(-3)), f(0.02), np.int8(-3)
    ),
    "4 bits": lambda d, x: d.op("Mul", d.op("Round", d.op("Clip", d.op("Div", x, f(0.3)), f(0), f(15))), f(0.3)),
    "2 bits": lambda d, x: d.op("Mul", d.op("Round", d.op("Clip", d.op("Div", x, f(0.5)), f(-2), f(1))), f(0.5)),
    "uneven steps": lambda d, x: d.op(
        "Add", where(d, d.op("Greater", x, f(0)), 2, -1), where(d, d.op("Greater", x, f(1)), 1, 0)
    ),
}


@pytest.mark.parametrize("name", QUANTIZERS)
def test_quantizers(name: str) -> None:
    draft = Draft(3, 8, 8)
    found = assert_same(draft.model(scores(draft, QUANTIZERS[name](draft, sums(draft)))))
    assert [layer.packed for layer in found.layers] == [True, True]


def bits_of(draft: Draft, channels: int = 6) -> str:
    """(N, channels, 6, 6) of -1 and 1."""
    return sign(draft, sums(draft, channels))


def normed(draft: Draft, x: str, channels: int) -> str:
    return sign(draft, draft.batch_norm(x, channels))


# What reads bits (N, 6, 6, 6); its result is flattened.
LAYERS: dict[str, Build] = {
    "Conv, padded": lambda d, x: d.op("Conv", x, d.signs(4, 6, 3, 3), pads=[1, 1, 1, 1]),
    "Conv, uneven pads": lambda d, x: d.op("Conv", x, d.ternary(4, 6, 3, 3), pads=[2, 0, 1, 1], strides=[2, 1]),
    "Conv, SAME_UPPER": lambda d, x: d.op("Conv", x, d.signs(4, 6, 2, 2), auto_pad="SAME_UPPER"),
    "Conv, SAME_LOWER": lambda d, x: d.op("Conv", x, d.signs(4, 6, 4, 4), auto_pad="SAME_LOWER", strides=[2, 2]),
    "Conv, dilated": lambda d, x: d.op("Conv", x, d.signs(4, 6, 2, 2), dilations=[2, 3]),
    "Conv, depthwise": lambda d, x: d.op("Conv", x, d.signs(6, 1, 3, 3), group=6, pads=[1, 1, 1, 1]),
    "Conv, grouped": lambda d, x: d.op("Conv", x, d.signs(4, 3, 3, 3), group=2),
    "Conv, scales a channel": lambda d, x: d.op(
        "Conv", x, d.signs(4, 6, 3, 3) * d.rng.normal(0, 1, (4, 1, 1, 1)).astype(f), d.rng.normal(0, 1, 4).astype(f)
    ),
    "Conv, 8 bits": lambda d, x: d.op("Conv", x, (d.rng.integers(-127, 128, (4, 6, 3, 3)) * f(0.013)).astype(f)),
    "Conv, weights behind Sign": lambda d, x: d.op("Conv", x, d.op("Sign", d.rng.normal(0, 1, (4, 6, 3, 3)).astype(f))),
    "Conv, weights times scales": lambda d, x: d.op(
        "Conv",
        x,
        d.op(
            "Mul",
            d.op("Sign", d.rng.normal(0, 1, (4, 6, 3, 3)).astype(f)),
            d.rng.uniform(0.1, 2, (4, 1, 1, 1)).astype(f),
        ),
    ),
    "Conv, weights by DequantizeLinear": lambda d, x: d.op(
        "Conv",
        x,
        d.op(
            "DequantizeLinear",
            d.ternary(4, 6, 3, 3).astype(np.int8),
            d.rng.uniform(0.1, 2, 4).astype(f),
            np.zeros(4, np.int8),
            axis=0,
        ),
    ),
    "Conv, weights by Where": lambda d, x: d.op(
        "Conv", x, d.op("Where", d.op("Greater", d.rng.normal(0, 1, (4, 6, 3, 3)).astype(f), f(0)), f(1), f(-1))
    ),
    "MatMul": lambda d, x: d.op("MatMul", d.op("Reshape", x, np.array([-1, 216])), d.ternary(216, 9)),
    "MatMul, constant first": lambda d, x: d.op(
        "MatMul", d.ternary(9, 216), d.op("Reshape", x, np.array([-1, 216, 1]))
    ),
    "Gemm": lambda d, x: d.op(
        "Gemm", d.op("Flatten", x), d.signs(216, 9), d.rng.normal(0, 1, 9).astype(f), alpha=0.5, beta=2.0
    ),
    "Gemm, transB": lambda d, x: d.op("Gemm", d.op("Flatten", x, axis=1), d.signs(9, 216), transB=1),
    "Gemm behind NHWC": lambda d, x: d.op(
        "Gemm", d.op("Flatten", d.op("Transpose", x, perm=[0, 2, 3, 1])), d.signs(216, 9)
    ),
    "Pad with 0": lambda d, x: d.op("Conv", d.op("Pad", x, np.array([0, 0, 1, 2, 0, 0, 1, 0])), d.signs(4, 6, 3, 3)),
    "Pad with -1": lambda d, x: d.op(
        "Conv", d.op("Pad", x, np.array([0, 0, 1, 1, 0, 0, 1, 1]), f(-1)), d.signs(4, 6, 3, 3)
    ),
    "Pad with 1": lambda d, x: d.op(
        "Conv", d.op("Pad", x, np.array([0, 0, 1, 1, 0, 0, 1, 1]), f(1)), d.ternary(4, 6, 3, 3)
    ),
    "MaxPool": lambda d, x: d.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]),
    "MaxPool, padded": lambda d, x: d.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    "MaxPool, ceil_mode": lambda d, x: d.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    "MaxPool behind Pad": lambda d, x: d.op(
        "MaxPool", d.op("Pad", x, np.array([0, 0, 1, 1, 0, 0, 1, 1]), f(-1)), kernel_shape=[2, 2], strides=[2, 2]
    ),
    "AveragePool": lambda d, x: d.op("AveragePool", x, kernel_shape=[2, 3], strides=[1, 2]),
    "AveragePool, padded": lambda d, x: d.op(
        "AveragePool", x, kernel_shape=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1
    ),
    "GlobalAveragePool": lambda d, x: d.op("GlobalAveragePool", x),
    "GlobalMaxPool": lambda d, x: d.op("GlobalMaxPool", x),
    "ReduceMean": lambda d, x: d.op("ReduceMean", x, axes=[2, 3], keepdims=0),
    "ReduceMean, NHWC": lambda d, x: d.op("ReduceMean", d.op("Transpose", x, perm=[0, 2, 3, 1]), axes=[1, 2]),
    "ReduceSum": lambda d, x: d.op("ReduceSum", x, np.array([2, 3]), keepdims=1),
    "ReduceMax": lambda d, x: d.op("ReduceMax", x, axes=[2, 3]),
    "Conv of a part": lambda d, x: d.op(
        "Add",
        *(
            d.op("Conv", half, d.signs(4, 3, 3, 3), pads=[1, 1, 1, 1])
            for half in d.op("Split", x, np.array([3, 3]), axis=1, outputs=2)
        ),
    ),
    "residual Add": lambda d, x: d.op("Add", x, normed(d, d.op("Conv", x, d.signs(6, 6, 3, 3), pads=[1, 1, 1, 1]), 6)),
    "Add of bits and sums": lambda d, x: d.op("Add", x, d.op("Conv", x, d.signs(6, 6, 3, 3), pads=[1, 1, 1, 1])),
    "Concat": lambda d, x: d.op("Concat", x, normed(d, d.op("Conv", x, d.signs(5, 6, 1, 1)), 5), axis=1),
    "Concat of sums": lambda d, x: d.op(
        "Concat", d.op("Conv", x, d.signs(5, 6, 1, 1)), d.op("Conv", x, d.signs(3, 6, 1, 1)), axis=1
    ),
    "Squeeze and Unsqueeze": lambda d, x: d.op(
        "Unsqueeze", d.op("Squeeze", d.op("GlobalMaxPool", x), np.array([2])), np.array([1])
    ),
    "Shape and Reshape": lambda d, x: d.op(
        "Reshape",
        x,
        d.op("Concat", d.op("Slice", d.op("Shape", x), np.array([0]), np.array([1])), np.array([-1]), axis=0),
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str) -> None:
    draft = Draft(3, 8, 8)
    y = LAYERS[name](draft, bits_of(draft))
    assert_same(draft.model(draft.op("Flatten", y)), classes=False)


# Views of bits (N, 6, 6, 6), and how many of them there are.
VIEWS: dict[str, tuple[Build, int]] = {
    "MatMul at each position": (
        lambda d, x: sign(d, d.op("MatMul", d.op("Transpose", x, perm=[0, 2, 3, 1]), d.signs(6, 5))),
        180,
    ),
    "MaxPool of a part": (
        lambda d, x: d.op("MaxPool", d.op("Gather", x, np.array([5, 0]), axis=1), kernel_shape=[2, 2]),
        50,
    ),
    "Slice": (lambda d, x: d.op("Slice", x, np.array([1]), np.array([4]), np.array([1])), 108),
    "Gather": (lambda d, x: d.op("Gather", x, np.array([5, 0, 2]), axis=1), 108),
    "Split": (
        lambda d, x: d.op("Concat", *d.op("Split", x, np.array([2, 4]), axis=2, outputs=2)[::-1], axis=1 + 1),
        216,
    ),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views(name: str) -> None:
    draft = Draft(3, 8, 8)
    view, count = VIEWS[name]
    assert_same(draft.model(scores(draft, view(draft, bits_of(draft)), count)))


ENDINGS: dict[str, Build] = {
    "Softmax": lambda d, x: d.op("Softmax", x),
    "LogSoftmax": lambda d, x: d.op("LogSoftmax", x, axis=1),
    "ArgMax": lambda d, x: d.op("ArgMax", x, axis=1, keepdims=0),
    "TopK": lambda d, x: d.op("TopK", x, np.array([1]), outputs=2)[1],
    "Sigmoid": lambda d, x: d.op("Sigmoid", x),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_endings(name: str) -> None:
    """What the source ends in gives other numbers, but the same classes."""
    draft = Draft(3, 8, 8)
    kind = TensorProto.INT64 if name in ("ArgMax", "TopK") else TensorProto.FLOAT
    model = draft.model(ENDINGS[name](draft, scores(draft, bits_of(draft))), kind=kind)
    found = imported(model)
    images = np.random.default_rng(1).integers(0, 256, (40, 3, 8, 8), dtype=np.uint8)
    _, expected = run_source(found.source, images, found.pixels)
    classes = expected[:, 0] if expected.dtype.kind in "iu" else expected.argmax(axis=1)
    np.testing.assert_array_equal(reference.run(found.graph, images).reshape(40, -1).argmax(axis=1), classes)
    assert name in found.notes[0]


# What stands between pixels, 0..1 or as named, and the first convolution, which pads with 0.
INPUTS: dict[str, tuple[Build, str]] = {
    "0..1": (lambda d, x: x, "0..1"),
    "-1..1": (lambda d, x: x, "-1..1"),
    "scaled in the graph": (lambda d, x: d.op("Sub", d.op("Mul", x, f(2)), f(1)), "0..1"),
    "0..255, divided": (lambda d, x: d.op("Div", x, f(255)), "0..255"),
    "0..255, centred": (lambda d, x: d.op("Div", d.op("Sub", x, f(128)), f(128)), "0..255"),
    "8-bit codes": (
        lambda d, x: d.op(
            "DequantizeLinear", d.op("QuantizeLinear", x, f(1 / 128), np.int8(0)), f(1 / 128), np.int8(0)
        ),
        "-1..1",
    ),
    "2 bits": (lambda d, x: d.op("Div", d.op("Round", d.op("Mul", x, f(3))), f(3)), "0..1"),
    "bits": (lambda d, x: d.op("Sign", d.op("Sub", x, f(0.5))), "0..1"),
}


@pytest.mark.parametrize("name", INPUTS)
def test_inputs(name: str) -> None:
    draft = Draft(2, 7, 7)
    build, values = INPUTS[name]
    x = draft.op("Conv", build(draft, "x"), draft.signs(6, 2, 3, 3), pads=[1, 1, 1, 1])
    y = scores(draft, sign(draft, draft.batch_norm(x, 6)), 6 * 7 * 7)
    assert_same(draft.model(y), Pixels(*parse_range(values)))


def quant(draft: Draft, x: str, scale: float, bits: int, kind: str = "Quant", **attributes: object) -> str:
    options = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND", **attributes}
    return str(draft.op(kind, x, f(scale), f(0), f(bits), domain="onnx.brevitas", **options))


def thresholds(draft: Draft, x: str, count: int, channels: int = 6, **attributes: object) -> str:
    steps = np.sort(draft.rng.normal(0, 2, (channels, count)), axis=1).astype(f)
    return str(draft.op("MultiThreshold", x, steps, domain="finn.custom_op.general", out_dtype="INT4", **attributes))


def padded(draft: Draft, x: str) -> str:
    """Bits (N, 6, 6, 6) of values (N, 6, 5, 5)."""
    return normed(draft, draft.op("Conv", x, draft.signs(6, 6, 2, 2), pads=[1, 1, 1, 1]), 6)


# Of QONNX and FINN, run by qonnx.
QONNX: dict[str, Build] = {
    "BipolarQuant": lambda d, x: d.op("BipolarQuant", x, f(0.5), domain="onnx.brevitas"),
    "Quant, ternary": lambda d, x: quant(d, x, 0.8, 2, narrow=1),
    "Quant, 1 bit": lambda d, x: quant(d, x, 0.8, 1),
    "Quant, 2 bits": lambda d, x: quant(d, x, 0.8, 2),
    "Quant, 2 bits unsigned": lambda d, x: quant(d, x, 0.8, 2, signed=0),
    "Quant, 3 bits": lambda d, x: quant(d, x, 0.4, 3),
    "Quant, 4 bits unsigned": lambda d, x: quant(d, x, 0.3, 4, signed=0),
    "Quant, 8 bits": lambda d, x: quant(d, x, 0.03, 8),
    **{
        f"Quant, {mode}": lambda d, x, mode=mode: quant(
            d, d.op("Conv", bits_of(d), d.signs(6, 6, 1, 1)), 2, 3, rounding_mode=mode
        )
        for mode in ("ROUND", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN")
    },
    "IntQuant": lambda d, x: quant(d, x, 0.8, 2, "IntQuant", narrow=1),
    "MultiThreshold, bipolar": lambda d, x: thresholds(d, x, 1, out_scale=2.0, out_bias=-1.0),
    "MultiThreshold, ternary": lambda d, x: thresholds(d, x, 2, out_bias=-1.0),
    "MultiThreshold, 4 levels": lambda d, x: thresholds(d, x, 3),
    "MultiThreshold, 16 levels": lambda d, x: thresholds(d, x, 15, out_scale=0.25),
    "MultiThreshold, one row": lambda d, x: thresholds(d, x, 3, channels=1),
    "MultiThreshold, NHWC": lambda d, x: d.op(
        "Transpose", thresholds(d, d.op("Transpose", x, perm=[0, 2, 3, 1]), 3, data_layout="NHWC"), perm=[0, 3, 1, 2]
    ),
    "Trunc": lambda d, x: padded(
        d,
        d.op(
            "Trunc",
            d.op("Mul", d.op("AveragePool", quant(d, x, 0.5, 2, signed=0), kernel_shape=[2, 2]), f(4)),
            f(0.5),
            f(0),
            f(4),
            f(2),
            domain="onnx.brevitas",
            rounding_mode="FLOOR",
        ),
    ),
    "QuantAvgPool2d": lambda d, x: padded(
        d,
        d.op(
            "QuantAvgPool2d",
            quant(d, x, 1, 2, signed=0),
            domain="finn.custom_op.general",
            kernel=2,
            stride=1,
            ibits=2,
            obits=2,
            signed=0,
            data_layout="NCHW",
        ),
    ),
}


@pytest.mark.parametrize("name", QONNX)
def test_qonnx(name: str) -> None:
    pytest.importorskip("qonnx", reason="qonnx is not installed: pip install 'trit[qonnx]'")
    draft = Draft(3, 8, 8)
    found = assert_same(draft.model(scores(draft, QONNX[name](draft, sums(draft)))), count=20)
    assert all(layer.packed for layer in found.layers)


def test_max_pool_of_finn() -> None:
    """MaxPoolNHWC, whose shapes qonnx does not infer here, is MaxPool with the channels last."""
    graphs = []
    for kind, domain in (("MaxPool", ""), ("MaxPoolNHWC", "finn.custom_op.general")):
        draft = Draft(3, 8, 8)
        x = bits_of(draft)
        moved = draft.op("Transpose", x, perm=[0, 2, 3, 1]) if domain else x
        pooled = draft.op(kind, moved, domain=domain, kernel_shape=[2, 2], strides=[1, 1], pads=[0, 0, 1, 1])
        back = draft.op("Transpose", pooled, perm=[0, 3, 1, 2]) if domain else pooled
        graphs.append(imported(draft.model(scores(draft, back))).graph)
    images = np.random.default_rng(1).integers(0, 256, (9, 3, 8, 8), dtype=np.uint8)
    np.testing.assert_array_equal(*(reference.run(graph, images) for graph in graphs))


def multi_threshold(draft: Draft, x: str, steps: np.ndarray, **attributes: object) -> str:
    return str(draft.op("MultiThreshold", x, steps, domain="finn.custom_op.general", out_dtype="BIPOLAR", **attributes))


@pytest.mark.parametrize("popcount", [False, True])
def test_a_network_that_finn_streamlined(popcount: bool) -> None:
    """Thresholds, integer weights and TopK alone; XnorPopcountMatMul counts bits 0 and 1 that agree."""
    pytest.importorskip("qonnx", reason="qonnx is not installed: pip install 'trit[qonnx]'")
    draft = Draft(1, 8, 8)
    x, inputs = draft.op("Reshape", "x", np.array([-1, 64])), 64
    scale, bias = (1.0, 0.0) if popcount else (2.0, -1.0)
    for outputs in (32, 5):
        steps = (
            np.full((1, 1), 0.5)
            if inputs == 64
            else draft.rng.integers(*((10, 50) if popcount else (-9, 9)), (inputs, 1))
        )
        x = multi_threshold(draft, x, steps.astype(f), out_scale=scale, out_bias=bias)
        weights = draft.signs(inputs, outputs)
        kind, domain = ("XnorPopcountMatMul", "finn.custom_op.general") if popcount else ("MatMul", "")
        x, inputs = draft.op(kind, x, (weights + 1) / 2 if popcount else weights, domain=domain), outputs
    x = draft.op("Add", draft.op("Mul", x, f(0.04)), draft.rng.normal(0, 1, 5).astype(f))
    _, classes = draft.op("TopK", x, np.array([1]), outputs=2, axis=-1)
    found = assert_same(draft.model(classes, kind=TensorProto.INT64), Pixels(*parse_range("0..1")), count=20)
    assert [layer.weights for layer in found.layers] == ["binary", "binary"]


# Forms of older operator sets beside today's.
OLDER: dict[str, tuple[Build, Build]] = {
    "Reshape": (lambda d, x: d.op("Reshape", x, shape=[-1, 216]), lambda d, x: d.op("Reshape", x, np.array([-1, 216]))),
    "Clip": (lambda d, x: d.op("Clip", x, min=-0.5, max=1.0), lambda d, x: d.op("Clip", x, f(-0.5), f(1))),
    "Pad, 1": (
        lambda d, x: d.op("Pad", x, paddings=[0, 0, 1, 1, 0, 0, 1, 1], mode="constant", value=1.0),
        lambda d, x: d.op("Pad", x, np.array([0, 0, 1, 1, 0, 0, 1, 1]), f(1)),
    ),
    "Pad, 2": (
        lambda d, x: d.op("Pad", x, pads=[0, 0, 1, 1, 0, 0, 0, 0]),
        lambda d, x: d.op("Pad", x, np.array([0, 0, 1, 1, 0, 0, 0, 0])),
    ),
    "Slice": (
        lambda d, x: d.op("Slice", x, starts=[1], ends=[5], axes=[2]),
        lambda d, x: d.op("Slice", x, np.array([1]), np.array([5]), np.array([2])),
    ),
    "Squeeze": (
        lambda d, x: d.op("Squeeze", d.op("Unsqueeze", x, axes=[2]), axes=[2]),
        lambda d, x: d.op("Identity", x),
    ),
    "Add with an axis": (
        lambda d, x: d.op("Add", x, np.arange(6, dtype=f), broadcast=1, axis=1),
        lambda d, x: d.op("Add", x, np.arange(6, dtype=f).reshape(6, 1, 1)),
    ),
    "Dropout": (lambda d, x: d.op("Dropout", x, outputs=2, ratio=0.5, is_test=1)[0], lambda d, x: d.op("Identity", x)),
    "Cast": (lambda d, x: d.op("Cast", x, to="FLOAT"), lambda d, x: d.op("Cast", x, to=1)),
    "ReduceMax": (
        lambda d, x: d.op("ReduceMax", x, axes=[2, 3]),
        lambda d, x: d.op("ReduceMax", x, np.array([2, 3])),
    ),
    "BatchNormalization": (
        lambda d, x: d.op(
            "BatchNormalization",
            x,
            *(np.full(6, n, f) for n in (2, 1, 1, 4)),
            spatial=1,
            consumed_inputs=[0, 0, 0, 1, 1],
        ),
        lambda d, x: d.op("BatchNormalization", x, *(np.full(6, n, f) for n in (2, 1, 1, 4))),
    ),
}


@pytest.mark.parametrize("name", OLDER)
def test_older_operator_sets(name: str) -> None:
    graphs = []
    for build in OLDER[name]:
        draft = Draft(3, 8, 8)
        y = sign(draft, build(draft, sums(draft)))
        size = {"Slice": 144, "Pad, 1": 384, "Pad, 2": 294, "ReduceMax": 6}.get(name, 216)
        graphs.append(imported(draft.model(scores(draft, y, size))).graph)
    images = np.random.default_rng(1).integers(0, 256, (9, 3, 8, 8), dtype=np.uint8)
    np.testing.assert_array_equal(*(reference.run(graph, images) for graph in graphs))


# In every table above, or views like those.
OTHERS = ("MaxPoolNHWC", "XnorPopcountMatMul", "Flatten", "Transpose", "Expand", "DepthToSpace", "Size")


def test_every_rule_is_tested() -> None:
    """By its operator's name in one of the tables above or of qonnx's below."""
    named = " ".join([*QUANTIZERS, *LAYERS, *VIEWS, *ENDINGS, *INPUTS, *QONNX, *OTHERS])
    assert [name for name in RULES if name not in named] == []
