# SPDX-License-Identifier: Apache-2.0
"""The target tvm-llvm: a library with its test, and what its layers take on this machine."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from tests_support import random_graph, random_input

from trit.runtime.errors import Unavailable
from trit.targets.accuracy import accuracy
from trit.targets.deploy import deploy
from trit.targets.description import load_target
from trit.targets.profile import profile

pytest.importorskip("tvm", reason="apache-tvm is not installed")


@pytest.mark.parametrize("seed", [2, 4])
def test_a_deployment_gives_the_expected_scores(seed: int, tmp_path: Path) -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    graph = random_graph(seed)
    done = deploy(graph, load_target("tvm-llvm"), tmp_path / "out", random_input(graph, 3, np.random.default_rng(0)))
    assert (done.equal, done.images) == (3, 3)
    assert done.profile.latency_origin == "measured"
    assert all(layer.latency >= 0 for layer in done.profile.layers)
    assert done.profile.latency > 0
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files >= {"model.so", "run.py", "Makefile", "README.md", "images.bin", "scores.bin", "profile.json"}


def test_accuracy_is_measured() -> None:
    graph = random_graph(1)
    images = random_input(graph, 4, np.random.default_rng(0))
    found = accuracy(graph, load_target("tvm-llvm"), images, np.zeros(4, np.int64))
    assert found.origin == "measured"
    assert found.draws == accuracy(graph, load_target("host"), images, np.zeros(4, np.int64)).draws


def test_another_processor_is_one_line() -> None:
    target = load_target("tvm-llvm", ["mcpu=cortex-a53", "triple=aarch64-linux-gnu"])
    with pytest.raises(Unavailable, match=r"tvm-llvm: is cortex-a53 of aarch64-linux-gnu, and only this machine runs"):
        profile(random_graph(1), target)
