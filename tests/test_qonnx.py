# SPDX-License-Identifier: Apache-2.0
"""QONNX files: run by qonnx's own executor with the reference's bits, also after qonnx has tidied them up."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from tests_support import builder, random_graph, random_input

from trit.commands.zoo import network_bytes, networks
from trit.export import reference
from trit.export.graph import Graph, GraphError
from trit.export.onnx_reader import parse_onnx
from trit.export.operators import MaxUnpool
from trit.export.qonnx_writer import QONNX, to_qonnx

pytest.importorskip("qonnx", reason="qonnx is not installed: pip install qonnx")

from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.util.cleanup import cleanup_model


def assert_bit_equal(model: Any, graph: Graph, images: Any) -> None:
    expected = reference.run(graph, images).reshape(len(images), -1)
    for image, row in zip(images, expected, strict=True):
        (scores,) = execute_onnx(model, {model.graph.input[0].name: image[None].astype(np.float32)}).values()
        np.testing.assert_array_equal(np.asarray(scores, np.float32).reshape(-1).view(np.uint32), row.view(np.uint32))


@pytest.mark.parametrize("seed", range(60))
def test_qonnx_gives_the_reference_bits(seed: int) -> None:
    graph = random_graph(seed)
    unpools = [node.name for node in graph.nodes if isinstance(node, MaxUnpool)]
    if unpools:
        with pytest.raises(GraphError, match=f"^{unpools[0]}: QONNX cannot express MaxUnpool$"):
            to_qonnx(graph)
        return
    model = to_qonnx(graph)
    onnx.checker.check_model(model)
    assert_bit_equal(ModelWrapper(model), graph, random_input(graph, 1, np.random.default_rng(seed)))


@pytest.mark.parametrize("name", [card["name"] for card in networks()])
def test_the_zoo_survives_qonnxs_cleanup(name: str) -> None:
    """Constants folded, shapes and data types inferred: what FINN does to a file first."""
    graph = parse_onnx(network_bytes(name), name)
    model = cleanup_model(ModelWrapper(to_qonnx(graph)))
    assert_bit_equal(model, graph, random_input(graph, 3, np.random.default_rng(0)))


def test_weights_and_activations_are_in_qonnxs_operators() -> None:
    graph = parse_onnx(network_bytes("fashion-binary-cnn"), "zoo")
    model = to_qonnx(graph)
    used = {node.op_type for node in model.graph.node if node.domain == QONNX}
    assert used == {"BipolarQuant", "MultiThreshold"}
    assert {node.op_type for node in model.graph.node} - used <= {
        "Conv",
        "MatMul",
        "MaxPool",
        "Flatten",
        "Mul",
        "Add",
        "Sub",
    }
    assert ModelWrapper(model).get_tensor_datatype(model.graph.input[0].name).name == "UINT8"


def test_sums_that_float32_cannot_hold_are_not_written() -> None:
    """Also of Add, which the other forms compute in integers."""
    build = builder(np.random.default_rng(0), (40_000, 1, 1), 0)
    one = build.dense(1, "binary")
    build.nodes[-1].weights[:] = 1
    build.add(one)
    build.scores()
    graph = build.graph()
    with pytest.raises(GraphError, match="add"):
        to_qonnx(graph)
