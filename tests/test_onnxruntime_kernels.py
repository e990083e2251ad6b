# SPDX-License-Identifier: Apache-2.0
"""trit's kernels in onnxruntime: used, bit-equal to the functions' bodies, and refusing what they cannot run."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from tests_support import builder, random_graph, random_input

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'trit[onnxruntime]'")

import onnxruntime

from trit.commands.zoo import network_bytes, networks
from trit.export import reference
from trit.export.graph import ONNX_TYPES, Graph, Tensor
from trit.export.onnx_functions import DOMAIN, IR_VERSION, OPSET, functions
from trit.export.onnx_writer import onnx_bytes, to_onnx
from trit.export.operators import MaxUnpool
from trit.runtime import TritError, onnx_session
from trit.runtime.onnxruntime_session import run_onnxruntime


def assert_bit_equal(model: bytes, graph: Graph, images: Any) -> None:
    expected = reference.run(graph, images).reshape(len(images), -1)
    scores = run_onnxruntime(model, images, kernels=True).reshape(len(images), -1)
    np.testing.assert_array_equal(scores.view(np.uint32), expected.view(np.uint32))


@pytest.mark.parametrize("seed", range(60))
def test_the_kernels_give_the_reference_bits(seed: int) -> None:
    """Fused calls, and each node as a call of its own."""
    graph = random_graph(seed)
    images = random_input(graph, 3, np.random.default_rng(seed))
    assert_bit_equal(onnx_bytes(graph), graph, images)
    assert_bit_equal(to_onnx(graph).SerializeToString(), graph, images[:1])


@pytest.mark.parametrize("card", networks(), ids=lambda card: card["name"])
def test_the_zoo_is_bit_equal_in_any_batch(card: dict[str, Any]) -> None:
    model = network_bytes(card["name"])
    session, bodies = onnx_session(model), onnx_session(model, kernels=False)
    name, shape = session.get_inputs()[0].name, session.get_inputs()[0].shape[1:]
    images = np.random.default_rng(0).integers(0, 256, (9, *shape)).astype(np.uint8)
    expected = bodies.run(None, {name: images})[0]
    for count in (0, 1, 2, 9):
        np.testing.assert_array_equal(session.run(None, {name: images[:count]})[0], expected[:count])


@pytest.mark.parametrize("kind", ["binary", "ternary", "uint8"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 63, 64, 65])
def test_values_keep_their_places_at_word_and_block_boundaries(channels: int, kind: str) -> None:
    """Between onnxruntime's layout and the runtime's: a pool of one position reads and writes values alone."""
    rng = np.random.default_rng(channels)
    for height, width in ((1, 1), (3, 5), (15, 17), (16, 16), (257, 1)):
        build = builder(rng, (channels, height, width), 0)
        if kind != "uint8":
            build.threshold(kind)
        build.max_pool((1, 1), (1, 1))
        build.dense(3, "ternary")
        build.scores()
        graph = build.graph()
        assert_bit_equal(to_onnx(graph).SerializeToString(), graph, random_input(graph, 2, rng))


@pytest.mark.parametrize("kind", ["binary", "ternary", "uint8"])
@pytest.mark.parametrize("size", [(2, 32), (16, 16), (8, 8), (16, 4), (64, 2), (4, 64), (6, 16), (12, 12)])
def test_pools_of_two_by_two(size: tuple[int, int], kind: str) -> None:
    """Those that registers hold whole rows of, and others; maxima and minima."""
    rng = np.random.default_rng(size[1])
    build = builder(rng, (33, *size), 7)
    if kind != "uint8":
        build.threshold(kind)
    build.max_pool((2, 2), (2, 2))
    build.dense(3, "ternary")
    build.scores()
    graph = build.graph()
    assert_bit_equal(to_onnx(graph).SerializeToString(), graph, random_input(graph, 2, rng))


def test_one_session_serves_several_threads() -> None:
    session = onnx_session(network_bytes("fashion-ternary-cnn"))
    images = np.random.default_rng(1).integers(0, 256, (24, 1, 28, 28)).astype(np.uint8)
    (expected,) = session.run(None, {"image": images})
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda image: session.run(None, {"image": image[None]})[0][0], images))
    np.testing.assert_array_equal(np.stack(rows), expected)


def operators_run(session: onnxruntime.InferenceSession, images: Any) -> set[str]:
    session.run(None, {session.get_inputs()[0].name: images})
    events = json.loads(Path(session.end_profiling()).read_text())
    return {event["args"]["op_name"] for event in events if event.get("cat") == "Node" and "op_name" in event["args"]}


@pytest.mark.parametrize("kernels", [True, False])
def test_the_kernels_take_the_place_of_the_bodies(kernels: bool, tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path / "profile")
    session = onnx_session(network_bytes("fashion-ternary-cnn"), kernels=kernels, options=options)
    ran = operators_run(session, np.zeros((1, 1, 28, 28), np.uint8))
    ours = {"TernaryConvThreshold", "TernaryConv", "Scores", "MaxPool"}
    assert ran == ours | {"Flatten"} if kernels else not ran & {"TernaryConvThreshold", "TernaryConv", "Scores"}


def test_shapes_are_inferred_with_the_batch_left_open() -> None:
    model = to_onnx(random_graph(3))
    stated = {value.name: value.type.tensor_type for value in model.graph.value_info}
    del model.graph.value_info[:]  # so that the schemas have to say it
    for name, kind in stated.items():
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, kind.elem_type, None))
    inferred = {value.name: value.shape for value in onnx_session(model.SerializeToString()).get_outputs()}
    assert len(stated) > 4
    for name, kind in stated.items():
        assert inferred[name] == ["N", *(dim.dim_value for dim in kind.shape.dim[1:])]


def changed(change: Any, seed: int = 3) -> bytes:
    model = to_onnx(random_graph(seed))
    change(model.graph, next(node for node in model.graph.node if node.op_type.endswith("Conv")))
    return bytes(model.SerializeToString())


def weights_from_outside(graph: Any, conv: Any) -> None:
    (weights,) = (tensor for tensor in graph.initializer if tensor.name == conv.input[-1])
    graph.initializer.remove(weights)
    graph.input.append(onnx.helper.make_tensor_value_info(weights.name, weights.data_type, list(weights.dims)))


def input_of_floats(graph: Any, conv: Any) -> None:
    graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT


def height_left_open(graph: Any, conv: Any) -> None:
    graph.input[0].type.tensor_type.shape.dim[2].Clear()
    graph.input[0].type.tensor_type.shape.dim[2].dim_param = "H"
    del graph.value_info[:]


def without_strides(graph: Any, conv: Any) -> None:
    conv.attribute.remove(next(attribute for attribute in conv.attribute if attribute.name == "strides"))


def too_few_weights(graph: Any, conv: Any) -> None:
    (weights,) = (tensor for tensor in graph.initializer if tensor.name == conv.input[-1])
    weights.dims[1] -= 1
    weights.raw_data = weights.raw_data[: int(np.prod(weights.dims))]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (weights_from_outside, "weights and parameters must be initializers"),
        (input_of_floats, "Type 'tensor\\(float\\)' of input parameter"),
        (height_left_open, "the file must say the channels, height and width"),
        (without_strides, "trit.*Conv conv.*: the attribute strides is missing or of another form"),
        (too_few_weights, "do not have the size that the attributes say|do not fit the input's channels"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_the_kernels_cannot_run_is_refused_in_one_line(change: Any, message: str) -> None:
    with pytest.raises(TritError, match=message) as mistake:
        onnx_session(changed(change))
    assert "\n" not in str(mistake.value)


@pytest.mark.parametrize(("kernel", "size"), [(1, 2), (2, 8)])
def test_an_int8_value_that_is_no_bit_is_refused(kernel: int, size: int) -> None:
    model = onnx.parser.parse_model(f"""
        <ir_version: 10, opset_import: ["" : 21, "trit" : 1]>
        two (int8[N, 1, {size}, {size}] x) => (int8[N, 1, {size // kernel}, {size // kernel}] y)
        <int8[1, 1, 1] direction = {{1}}> {{
            y = trit.MaxPool <kernel_shape = [{kernel}, {kernel}], strides = [{kernel}, {kernel}], pads = [0, 0, 0, 0]>
                (x, direction)
        }}
    """)
    session = onnx_session(model.SerializeToString())
    bits = np.resize(np.array([-1, 0, 1, 1], np.int8), (1, 1, size, size))
    expected = bits.reshape(1, 1, size // kernel, kernel, size // kernel, kernel).max((3, 5))
    np.testing.assert_array_equal(session.run(None, {"x": bits})[0], expected)
    with pytest.raises(Exception, match="an int8 input holds a value that is not -1, 0 or 1"):
        session.run(None, {"x": bits * 2})


@pytest.mark.parametrize("kernels", [True, False])
@pytest.mark.parametrize("kernel", [(2, 2), (1, 7), (5, 13)])
def test_unpooling_to_the_first_of_equal_maxima(kernel: tuple[int, int], kernels: bool) -> None:
    """Sums of few values, also where float32 could not tell them apart, in any batch."""
    rng = np.random.default_rng(kernel[1])
    tensors = (
        Tensor("x", "uint8", (37, 3, 2), 9),
        Tensor("sums", "int32", (37, 3 * kernel[0] + kernel[0] // 2, 2 * kernel[1])),
    )
    node = MaxUnpool("unpool", "x", "y", "sums", kernel)
    node.check(*tensors)
    output = Tensor("y", "uint8", tensors[1].shape, 9)
    call = onnx.helper.make_node(
        "MaxUnpool", ["x", "sums"], ["y"], domain=DOMAIN, **node.to_onnx(tensors, output).attributes
    )
    x, sums, y = (
        onnx.helper.make_tensor_value_info(t.name, ONNX_TYPES[t.kind], ["N", *t.shape]) for t in (*tensors, output)
    )
    model = onnx.helper.make_model(
        onnx.helper.make_graph([call], "one", [x, sums], [y]),
        opset_imports=[onnx.helper.make_opsetid("", OPSET), onnx.helper.make_opsetid(DOMAIN, 1)],
        ir_version=IR_VERSION,
        functions=[functions()["MaxUnpool"]],
    )
    session = onnx_session(model.SerializeToString(), kernels=kernels)
    for least in (-1, -(2**31), 2**30):
        given = rng.integers(least, least + 3, (4, *tensors[1].shape)).astype(np.int32)
        codes = rng.integers(0, 256, (4, *tensors[0].shape)).astype(np.uint8)
        expected = node.evaluate(codes.astype(np.int32) - 9, given) + 9
        np.testing.assert_array_equal(session.run(None, {"x": codes, "sums": given})[0], expected)


def test_forged_models_are_refused_or_run() -> None:
    """Attributes, shapes and constants changed at random: nothing that a file says may lead out of bounds."""
    rng = np.random.default_rng(2)
    refused = 0
    for case in range(200):
        seed = case % 10
        model = to_onnx(random_graph(seed))
        node = model.graph.node[int(rng.integers(len(model.graph.node) - 1))]
        numbers = [a for a in node.attribute if a.ints or a.type == onnx.AttributeProto.INT]
        if rng.random() < 0.6 and numbers:
            attribute = numbers[int(rng.integers(len(numbers)))]
            value = int(rng.choice([-1, 0, 1, 2, 3, 7, 255, 256, 65536, 2**40]))
            if attribute.ints:
                attribute.ints[int(rng.integers(len(attribute.ints)))] = value
            else:
                attribute.i = value
        else:
            tensor = model.graph.initializer[int(rng.integers(len(model.graph.initializer)))]
            tensor.raw_data = rng.bytes(len(tensor.raw_data))
        images = random_input(random_graph(seed), 1, rng)
        try:
            session = onnx_session(model.SerializeToString())
            session.run(None, {session.get_inputs()[0].name: images})
        except TritError:
            refused += 1
        except onnxruntime.capi.onnxruntime_pybind11_state.Fail:
            refused += 1
    assert 50 < refused < 200


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(TritError, match=r"cannot read .*none\.onnx: No such file"):
        onnx_session(tmp_path / "none.onnx")


def test_every_function_has_a_kernel(tmp_path: Path) -> None:
    """A new operator's function without one would quietly run its body: no node may be left of one."""
    ran = set()
    for seed in range(60):
        for data in (onnx_bytes(random_graph(seed)), to_onnx(random_graph(seed)).SerializeToString()):
            options = onnxruntime.SessionOptions()
            options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
            onnx_session(data, options=options)
            nodes = onnx.load(tmp_path / "optimized.onnx").graph.node
            assert {node.op_type for node in nodes if node.domain != DOMAIN} <= {"Flatten", "Reshape"}
            ran |= {node.op_type for node in nodes if node.domain == DOMAIN}
    assert ran == set(functions()) - {"UnpackBits", "Int2Conv"}  # called by bodies, and in another form, alone
