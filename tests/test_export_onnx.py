# SPDX-License-Identifier: Apache-2.0
"""The ONNX file: complete, small, run by stock onnxruntime with the reference's bits, and refused when damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests_support import builder, random_graph, random_input

from trit.commands.zoo import network_bytes, networks
from trit.export import reference
from trit.export.graph import Graph, GraphError
from trit.export.onnx_functions import DOMAIN
from trit.export.onnx_reader import parse_onnx, read_onnx
from trit.export.onnx_writer import onnx_bytes, to_onnx, write_onnx
from trit.export.operators import Conv, Rescale, Threshold
from trit.runtime.errors import TritError
from trit.runtime.onnxruntime_session import run_onnxruntime


def assert_equal(one: Graph, other: Graph) -> None:
    assert (one.input, one.output, one.labels, one.metadata) == (
        other.input,
        other.output,
        other.labels,
        other.metadata,
    )
    assert one.tensors == other.tensors
    for left, right in zip(one.nodes, other.nodes, strict=True):
        assert type(left) is type(right)
        for key, value in vars(left).items():
            expected = getattr(right, key)
            if key == "minimum" and expected is not None and not expected.any():
                expected = None  # a flag nowhere is written as no flags
            np.testing.assert_array_equal(value, expected, err_msg=f"{left.name}.{key}")


@pytest.mark.parametrize("seed", range(60))
def test_a_graph_comes_back_whole(seed: int) -> None:
    graph = random_graph(seed)
    data = onnx_bytes(graph)
    assert data == onnx_bytes(graph)
    assert_equal(parse_onnx(data, "x"), graph)


@pytest.mark.parametrize("seed", range(60))
def test_stock_onnxruntime_gives_the_reference_bits(seed: int) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'trit[onnxruntime]'")
    graph = random_graph(seed)
    images = random_input(graph, 3, np.random.default_rng(seed))
    expected = reference.run(graph, images).reshape(3, -1)
    scores = run_onnxruntime(onnx_bytes(graph), images).reshape(3, -1)
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores.view(np.uint32), expected.view(np.uint32))


def test_the_file_is_valid_onnx_with_a_body_for_every_operator() -> None:
    for seed in range(10):
        model = onnx.load_model_from_string(onnx_bytes(random_graph(seed)))
        onnx.checker.check_model(model, full_check=True)
        bodies = {function.name for function in model.functions if function.domain == DOMAIN}
        used = {node.op_type for node in model.graph.node if node.domain == DOMAIN}
        assert used <= bodies


@pytest.mark.parametrize("name", [card["name"] for card in networks()])
def test_a_file_is_hardly_larger_than_its_bits(name: str) -> None:
    data = network_bytes(name)
    graph = parse_onnx(data, name)
    bits = {"binary": 1, "ternary": 2, "int8": 8}
    size = sum(node.weights.size * bits[node.weight_kind] / 8 for node in graph.nodes if isinstance(node, Conv))
    for node in graph.nodes:
        if isinstance(node, Threshold):
            planes = 1 if graph.tensors[node.output].kind == "binary" else 2
            size += 4 * planes * len(node.lo)
        if isinstance(node, Rescale):
            size += (4 + 8 + 1) * len(node.multiplier)
    assert len(data) <= 1.10 * size + 16 * 1024


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    changed[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def test_every_kind_of_damage_is_refused() -> None:
    data = onnx_bytes(random_graph(5))
    rng = np.random.default_rng(0)
    cases = [data[: int(end)] for end in rng.integers(0, len(data), 200)]
    cases += [damaged(data, rng) for _ in range(400)]
    cases += [data + b"\0", b"", b"\0" * 100, b"TRIT" + data]
    for case in cases:
        with pytest.raises(TritError, match=r"^model\.onnx: ") as mistake:
            parse_onnx(case, "model.onnx")
        assert "\n" not in str(mistake.value)


@given(st.binary(max_size=300))
@settings(max_examples=100)
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(TritError):
        parse_onnx(data, "x")


def test_other_peoples_onnx_is_refused() -> None:
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    values = [onnx.helper.make_tensor_value_info(name, 1, [1]) for name in "xy"]
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "other", values[:1], values[1:]))
    with pytest.raises(TritError, match="not a network that trit exported"):
        parse_onnx(model.SerializeToString(), "other.onnx")


def test_a_forged_file_is_checked_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a right digest, what does not fit together is still refused."""
    import trit.export.onnx_reader as reader

    monkeypatch.setattr(reader, "_check_digest", lambda data, name: None)
    rng = np.random.default_rng(1)
    model = to_onnx(random_graph(6))
    refused = 0
    for _ in range(300):
        forged = onnx.ModelProto()
        forged.CopyFrom(model)
        where = forged.graph.node[int(rng.integers(len(forged.graph.node)))]
        match rng.integers(4):
            case 0:
                names = [
                    "BinaryConv",
                    "TernaryConv",
                    "Int8Conv",
                    "Threshold",
                    "Rescale",
                    "MaxPool",
                    "MaxUnpool",
                    "Add",
                    "Concat",
                    "Scores",
                    "X",
                ]
                where.op_type = str(rng.choice(names))
            case 1 if where.attribute:
                del where.attribute[int(rng.integers(len(where.attribute)))]
            case 2:
                where.input[int(rng.integers(len(where.input)))] = "elsewhere"
            case _:
                tensor = forged.graph.initializer[int(rng.integers(len(forged.graph.initializer)))]
                tensor.raw_data = tensor.raw_data[:-1]
        try:
            parse_onnx(forged.SerializeToString(), "forged")
        except TritError:
            refused += 1
    assert refused > 200  # the others are valid networks, or differ outside trit's operators


@pytest.mark.parametrize("helper", ["UnpackBits", "Int2Conv"])
def test_a_function_that_is_no_operator_is_refused(helper: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are among Conv's functions, but no node of the graph is one of them."""
    import trit.export.onnx_reader as reader

    monkeypatch.setattr(reader, "_check_digest", lambda data, name: None)
    model = to_onnx(random_graph(6))
    next(call for call in model.graph.node if call.op_type.endswith("Conv")).op_type = helper
    with pytest.raises(TritError, match=f"not a network that trit exported .*{helper}"):
        parse_onnx(model.SerializeToString(), "forged")


def test_sums_that_float32_cannot_hold_are_not_written() -> None:
    build = builder(np.random.default_rng(0), (70_000, 1, 1), 0)
    build.dense(1, "binary")
    build.nodes[-1].weights[:] = 1
    build.scores()
    with pytest.raises(GraphError, match="conv0"):
        onnx_bytes(build.graph())


def test_writing_is_atomic_and_reading_names_the_file(tmp_path: Path) -> None:
    graph = random_graph(2)
    path = tmp_path / "model.onnx"
    write_onnx(graph, path)
    assert_equal(read_onnx(path), graph)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(TritError, match=r"model\.onnx: (damaged|not a network)"):
        read_onnx(path)
    with pytest.raises(TritError, match=r"cannot read .*missing\.onnx"):
        read_onnx(tmp_path / "missing.onnx")
