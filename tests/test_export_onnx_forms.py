# SPDX-License-Identifier: Apache-2.0
"""The ONNX forms for other tools: standard operators alone, the reference's bits, and not taken for trit's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from tests_support import random_graph, random_input

from trit.commands.zoo import network_bytes, networks
from trit.export import reference
from trit.export.graph import Graph
from trit.export.onnx_int2 import to_onnx_int2
from trit.export.onnx_plain import to_onnx_plain, write_onnx_plain
from trit.export.onnx_reader import parse_onnx, read_onnx
from trit.export.onnx_writer import onnx_bytes
from trit.runtime.errors import TritError
from trit.runtime.onnxruntime_session import run_onnxruntime

FORMS: dict[str, Callable[[Graph], Any]] = {"plain": to_onnx_plain, "int2": to_onnx_int2}


def assert_equal_in_onnxruntime(form: str, graph: Graph, seed: int) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'trit[onnxruntime]'")
    images = random_input(graph, 3, np.random.default_rng(seed))
    expected = reference.run(graph, images).reshape(3, -1)
    scores = run_onnxruntime(FORMS[form](graph).SerializeToString(), images).reshape(3, -1)
    np.testing.assert_array_equal(scores.view(np.uint32), expected.view(np.uint32))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", range(30))
def test_stock_onnxruntime_gives_the_reference_bits(seed: int, form: str) -> None:
    assert_equal_in_onnxruntime(form, random_graph(seed), seed)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", [card["name"] for card in networks()])
def test_trained_networks_keep_their_bits(name: str, form: str) -> None:
    assert_equal_in_onnxruntime(form, parse_onnx(network_bytes(name), name), 0)


@pytest.mark.parametrize("seed", range(3))
def test_tvm_imports_it_with_the_same_bits(seed: int) -> None:
    tvm = pytest.importorskip("tvm", reason="apache-tvm is not installed: pip install 'trit[tvm]'")
    from tvm.relax.frontend.onnx import from_onnx

    graph = random_graph(seed)
    images = random_input(graph, 1, np.random.default_rng(seed))
    expected = reference.run(graph, images).reshape(-1)
    module = from_onnx(to_onnx_plain(graph), shape_dict={graph.input: list(images.shape)})
    machine = tvm.relax.VirtualMachine(tvm.compile(module, target="llvm"), tvm.cpu())
    scores = machine["main"](tvm.runtime.tensor(images)).numpy().reshape(-1)
    np.testing.assert_array_equal(scores.view(np.uint32), expected.view(np.uint32))


@pytest.mark.parametrize("form", FORMS)
def test_it_is_valid_and_has_standard_operators_alone(form: str) -> None:
    for seed in range(10):
        graph = random_graph(seed)
        model = FORMS[form](graph)
        onnx.checker.check_model(model, full_check=True)
        assert not model.functions
        assert {node.domain for node in model.graph.node} == {""}
        assert [opset.domain for opset in model.opset_import] == [""]
        assert {entry.key: entry.value for entry in model.metadata_props}["trit_labels"] == "\n".join(graph.labels)
        assert len(model.SerializeToString()) < 2 * len(onnx_bytes(graph)) + 2000 * len(graph.nodes)


def test_trit_says_that_it_reads_the_other_form(tmp_path: Path) -> None:
    write_onnx_plain(random_graph(0), tmp_path / "plain.onnx")
    with pytest.raises(TritError, match=r"in a form for other tools .*trit reads --format onnx"):
        read_onnx(tmp_path / "plain.onnx")
