# SPDX-License-Identifier: Apache-2.0
"""The head of a trained network: its own task is the network, to the bit in the hidden layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import Run

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'trit[train]'")
from torch import nn

from trit.export import reference
from trit.export.lower import lower
from trit.export.operators import Threshold
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.runtime.errors import TritError
from trit.runtime.learner import Head, Learner
from trit.train.head import SCALE, learning_head
from trit.train.layers import BinaryActivation, BinaryWeights, Pixels, QuantConv2d, QuantLinear, TernaryWeights


def network(convolutional: bool = False) -> nn.Sequential:
    """Random weights and statistics, slopes of both signs in the hidden layer, equal ones in the last."""
    torch.manual_seed(0)
    body: list[nn.Module] = [Pixels(128), nn.Flatten(), QuantLinear(48, 64, BinaryWeights()), nn.BatchNorm1d(64)]
    inputs = 64
    if convolutional:
        body = [Pixels(128), QuantConv2d(3, 32, 3, BinaryWeights()), nn.BatchNorm2d(32)]
        inputs = 32 * 2 * 2
    body += [BinaryActivation(), *([nn.Flatten()] if convolutional else [])]
    head = [QuantLinear(inputs, 40, BinaryWeights()), nn.BatchNorm1d(40), BinaryActivation()]
    whole = nn.Sequential(*body, *head, QuantLinear(40, 10, BinaryWeights()), nn.BatchNorm1d(10))
    whole.train()
    whole(torch.randint(0, 256, (500, 3, 4, 4)))
    for norm in [module for module in whole if isinstance(module, nn.BatchNorm1d)]:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    last = whole[-1]
    nn.init.constant_(last.running_var, 30.0)
    nn.init.constant_(last.weight, 0.7)
    return whole.eval()


@pytest.mark.parametrize("convolutional", [False, True], ids=["dense", "convolutional"])
def test_its_own_task_is_the_network(convolutional: bool) -> None:
    whole = network(convolutional)
    graph = lower(whole, (3, 4, 4))
    images = np.random.default_rng(1).integers(0, 256, (300, 3, 4, 4)).astype(np.uint8)
    learner = Learner(learning_head(whole, features=(32, 2, 2) if convolutional else None).to_bytes())
    features, own = learner.features(Session(to_plan(graph)), images), learner.own_task()
    scores = learner.scores(own, features)
    hidden = [node for node in graph.nodes if isinstance(node, Threshold)][-1]
    trace = reference.trace(graph, images)
    # The output's sums of the same hidden bits, by the head's gain.
    sums = trace[hidden.output].reshape(300, -1) @ np.where(learner.weights[1] < 0, -1, 1).T
    bias = own[-10:]
    gain = (scores - bias)[sums != 0] / sums[sums != 0]
    assert len(np.unique(gain)) == 1
    assert (scores.argmax(axis=1) == trace[graph.output].reshape(300, 10).argmax(axis=1)).mean() > 0.97


def test_hidden_weights_keep_their_signs_and_saturate() -> None:
    whole = network()
    with torch.no_grad():
        whole[-5].weight[0, :4] = torch.tensor([-1e-9, 1e-9, 5.0, -5.0])
        whole[-4].weight[0] = 1.0
    assert learning_head(whole).weights[0, :4].tolist() == [-1, 0, 32767, -32767]
    assert learning_head(whole, metaplasticity=0).factors.tolist() == [32768] * 256
    assert learning_head(whole, learning_rate=0.01).rate == round(0.01 * SCALE * 16)


def test_other_layers_are_refused() -> None:
    other = network()
    other[-5] = QuantLinear(64, 40, TernaryWeights())
    for layers in (other, nn.Sequential(*list(network())[-4:]), nn.Sequential(*list(network())[:-1], nn.Identity())):
        with pytest.raises(TritError, match="learning on the device needs"):
            learning_head(layers)


def test_trit_export_writes_a_head(run: Run, tmp_path: Path) -> None:
    settings = ["data=digits", "network.hidden=[32, 32]", "training.epochs=1"]
    assert run("train", "mnist-binary-mlp", "--out", "trained", *(f"--set={key}" for key in settings))[0] == 0
    status, out, _ = run("export", "trained/model.pt", "-o", "model.head", "--metaplasticity", "0")
    path = tmp_path / "model.head"
    assert (status, out) == (0, f"model.head: {path.stat().st_size:,} bytes\n")
    head = Head.from_bytes(path.read_bytes())
    assert head.weights.shape == (32, 32)
    assert (head.factors == 32768).all()
