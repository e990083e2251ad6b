# SPDX-License-Identifier: Apache-2.0
"""The accuracy of many chips: what errors cost, the same chips for the same seed, also on a cluster."""

from __future__ import annotations

import numpy as np
import pytest
from tests_support import SYNAPSES, random_graph, random_input

from trit import shipped_images
from trit.commands.zoo import network_bytes
from trit.export.graph import Graph
from trit.export.onnx_reader import parse_onnx
from trit.export.operators import Conv
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.runtime.errors import TritError
from trit.targets.accuracy import CHIPS, accuracy
from trit.targets.description import load_target
from trit.targets.rram.chip import Rram
from trit.targets.rram.errors import given_errors, published_errors
from trit.targets.rram.executor import default_chip
from trit.targets.rram.monte_carlo import monte_carlo
from trit.targets.rram.search import at


@pytest.fixture(scope="module")
def fashion() -> Graph:
    return parse_onnx(network_bytes("fashion-binary-cnn"), "fashion-binary-cnn")


def labelled(count: int = 64) -> tuple[np.ndarray, np.ndarray]:
    images, labels = shipped_images("fashion-mnist")
    return images[:count], labels[:count]


def test_without_errors_all_chips_have_the_networks_accuracy(fashion: Graph) -> None:
    images, labels = labelled()
    right = float((Session(to_plan(fashion)).run(images).argmax(1) == labels).mean())
    assert monte_carlo(fashion, default_chip(), images, labels, 3, given_errors()) == [right] * 3


def test_more_errors_cost_more_accuracy_and_chips_differ(fashion: Graph) -> None:
    images, labels = labelled(256)
    found = {
        rate: monte_carlo(fashion, default_chip(), images, labels, 4, given_errors(flip=rate))
        for rate in (0.0, 0.03, 0.5)
    }
    means = [float(np.mean(values)) for values in found.values()]
    assert means[0] > means[1] > means[2]
    assert means[2] < 0.3
    assert len(set(found[0.03])) > 1


def test_layers_may_err_differently(fashion: Graph) -> None:
    images, labels = labelled()
    layers = [node for node in fashion.nodes if isinstance(node, Conv)]
    clean = monte_carlo(fashion, default_chip(), images, labels, 1, given_errors())
    all_wrong = [given_errors(flip=1.0), *(given_errors() for _ in layers[1:])]
    assert monte_carlo(fashion, default_chip(), images, labels, 1, all_wrong) != clean
    none = [published_errors(0.0, 0.0) for _ in layers]
    assert monte_carlo(fashion, default_chip(), images, labels, 1, none) == clean


def test_the_seed_decides(fashion: Graph) -> None:
    images, labels = labelled(256)
    errors = given_errors(flip=0.05)
    runs = [monte_carlo(fashion, default_chip(), images, labels, 3, errors, seed=seed) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_a_cluster_simulates_the_same_chips(fashion: Graph) -> None:
    distributed = pytest.importorskip("distributed", reason="needs trit[cluster]")
    images, labels = labelled()
    errors = given_errors(flip=0.05)
    here = monte_carlo(fashion, default_chip(), images, labels, 30, errors)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        there = monte_carlo(fashion, default_chip(), images, labels, 30, errors, cluster=cluster.scheduler_address)
    assert there == here


def test_a_cluster_that_does_not_answer_is_named(fashion: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="needs trit[cluster]")
    monkeypatch.setattr("trit.runtime.cluster.CONNECT_SECONDS", 1)
    with pytest.raises(TritError, match=r"cannot reach a Dask scheduler at tcp://127\.0\.0\.1:1"):
        monte_carlo(fashion, default_chip(), *labelled(), 1, given_errors(), cluster="tcp://127.0.0.1:1")


def test_accuracy_of_a_chip_has_its_rates_and_warnings(fashion: Graph) -> None:
    images, labels = labelled()
    found = accuracy(fashion, default_chip(), images, labels)
    assert len(found.draws) == CHIPS
    assert set(found.rates) == {"sign", "lost", "raised", "flip"}
    assert found.notes == []
    assert found.worst == min(found.draws)
    assert found.yields(0.0) == 1.0
    late = accuracy(fashion, at(default_chip(), read_time=45e-9), images, labels, chips=1)
    assert any("longer than HRS/HRS takes" in note for note in late.notes)


def test_converters_have_an_accuracy(fashion: Graph) -> None:
    target = load_target("rram-1t1r-adc-130nm")
    assert isinstance(target, Rram)
    found = accuracy(fashion, target, *labelled(16), chips=2)
    assert (len(found.draws), found.rates) == (2, {})


def test_labels_must_fit_the_images() -> None:
    graph = random_graph(0, SYNAPSES)
    images = random_input(graph, 3, np.random.default_rng(0))
    with pytest.raises(TritError, match="3 images and 2 labels"):
        monte_carlo(graph, default_chip(), images, np.zeros(2, int), 1, given_errors())
