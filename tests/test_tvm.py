# SPDX-License-Identifier: Apache-2.0
"""The TVM backend: the same bits as the reference, and a library that loads again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests_support import random_graph, random_input

from trit.export import reference
from trit.export.operators import Conv
from trit.runtime.errors import TritError

pytest.importorskip("tvm", reason="apache-tvm is not installed")

from trit.export.tvm_operators import conv_weights
from trit.export.tvm_writer import build, load_tvm, write_tvm


@pytest.mark.parametrize("seed", range(12))
def test_random_networks_give_the_reference_bits(seed: int) -> None:
    graph = random_graph(seed)
    images = random_input(graph, 3, np.random.default_rng(seed))
    scores = build(graph).run(images)
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores.view(np.uint32), reference.run(graph, images).view(np.uint32))


def test_a_library_loads_again(tmp_path: Path) -> None:
    graph = random_graph(3)
    images = random_input(graph, 2, np.random.default_rng(3))
    write_tvm(graph, tmp_path / "model.so")
    np.testing.assert_array_equal(load_tvm(tmp_path / "model.so").run(images), reference.run(graph, images))


def test_a_damaged_library_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "model.so"
    path.write_bytes(b"not a library")
    with pytest.raises(TritError, match=r"model\.so: not a network built by TVM"):
        load_tvm(path)


def test_input_of_another_shape_is_refused() -> None:
    graph = random_graph(1)
    with pytest.raises(TritError, match="input has shape"):
        build(graph).run(np.zeros((1, 1, 1, 1), np.uint8))


def test_grouped_weights_stand_at_their_channels() -> None:
    weights = np.array([1, -1, -1, 1], np.int8).reshape(4, 1, 1, 1)
    node = Conv("depthwise", "x", "y", weights, "binary", groups=4)
    nonzero, sign = conv_weights(node, 4)[:, 0, 0, :, 0].T
    np.testing.assert_array_equal(nonzero, [1, 2, 4, 8])
    np.testing.assert_array_equal(sign, [0, 2, 4, 0])
