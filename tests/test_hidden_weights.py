# SPDX-License-Identifier: Apache-2.0
"""Hidden weights: their distribution is kept after each task, and switching large ones costs more than small ones."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

for package in ("torch", "accelerate", "sklearn"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install 'trit[train]'")
import torch

from trit.runtime.errors import TritError
from trit.train.checkpoint import load_model, read
from trit.train.data import load_test
from trit.train.hidden import distributions, switched, switching
from trit.train.metaplastic import quantized_weights
from trit.train.run import TrainResult, train

Run = Callable[..., tuple[int, str, str]]
OVERRIDES = [
    "data=digits",
    "tasks.count=2",
    "network.hidden=[64]",
    "training.epochs=5",
    "training.batch=50",
    "training.learning_rate=0.01",
    "training.metaplasticity=20",
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    return train("metaplastic-permuted-mnist", out=tmp_path_factory.mktemp("trained"), overrides=OVERRIDES)


@pytest.mark.parametrize("order", ["smallest", "random", "largest"])
def test_as_many_signs_are_switched_and_those(order: str) -> None:
    weight = torch.randn(20, 30, generator=torch.Generator().manual_seed(0))
    nonzero = weight.abs() > 0.5
    after = switched(weight, nonzero, 0.25, order, torch.Generator().manual_seed(1))  # type: ignore[arg-type]
    changed = after != weight
    assert torch.equal(after[changed], -weight[changed])
    assert int(changed.sum()) == round(0.25 * int(nonzero.sum())) and not (changed & ~nonzero).any()
    inside, outside = weight[changed].abs(), weight[nonzero & ~changed].abs()
    if order == "smallest":
        assert inside.max() <= outside.min()
    if order == "largest":
        assert inside.min() >= outside.max()
    if order == "random":
        assert inside.min() < outside.max() and inside.max() > outside.min()


def test_a_hidden_weight_of_zero_is_switched_too() -> None:
    after = switched(torch.zeros(4), torch.ones(4, dtype=torch.bool), 0.5, "smallest", torch.Generator())
    assert (after < 0).tolist() == [True, True, False, False]


def test_distributions_are_of_the_hidden_weights(trained: TrainResult) -> None:
    hidden = read(trained.model)["hidden"]
    assert list(hidden) == ["permuted 1", "permuted 2"] and list(hidden["permuted 1"]) == ["dense1", "dense2"]
    network, _ = load_model(trained.model)
    assert hidden["permuted 2"] == distributions(network)
    for name, weight in quantized_weights(network).items():
        found, values = hidden["permuted 2"][name], weight.detach().numpy()
        assert found["count"] == values.size
        assert found["mean"] == pytest.approx(np.abs(values).mean(), rel=1e-5)
        counts, _ = np.histogram(values, 100, (-found["largest"], found["largest"]))
        assert np.abs(np.array(found["histogram"]) - counts / values.size).max() < 3 / values.size
        assert sum(found["histogram"]) == pytest.approx(1, abs=1e-5)
        assert found["mean"] > hidden["permuted 1"][name]["mean"]  # they grow with every task


def test_large_hidden_weights_matter_most(trained: TrainResult) -> None:
    from trit.train.recipe import read_recipe
    from trit.train.tasks import make_tasks

    network, _ = load_model(trained.model, "permuted 2")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    test = make_tasks(read_recipe("metaplastic-permuted-mnist", OVERRIDES))[1].test_set
    found = {
        (each.order, each.fraction): each.accuracies for each in switching(network, test, [0.0, 0.05, 0.1], draws=3)
    }
    right = trained.tasks[-1]["accuracy"]["permuted 2"]
    assert found["smallest", 0.0] == found["largest", 0.0] == [right] and found["random", 0.0] == [right] * 3
    for fraction in (0.05, 0.1):
        (small,), (large,) = found["smallest", fraction], found["largest", fraction]
        assert small > max(found["random", fraction]) and min(found["random", fraction]) > large
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_the_tables_and_the_picture(run: Run, trained: TrainResult, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'trit[plot]'")
    status, out, _ = run("hidden-weights", str(trained.model.parent), "--draws", "2", "--json", "--plot", "hidden.svg")
    assert status == 0
    table = json.loads(out)
    none = [row for row in table["rows"] if row["fraction"] == 0]
    assert {row["test"]: row["largest"] for row in none} == trained.tasks[-1][
        "accuracy"
    ]  # each with its own batch norm
    assert table["hidden"]["permuted 1"]["dense1"]["count"] == 64 * 64
    picture = (tmp_path / "hidden.svg").read_text()
    assert "permuted 2" in picture and "dense2" in picture
    status, out, _ = run("hidden-weights", str(trained.model), "--task", "permuted 1", "--layer", "dense2")
    assert status == 0 and "of dense2;" in out and "permuted 1" in out


def test_a_network_of_one_task_has_one_test(run: Run, tmp_path: Path) -> None:
    sets = ["training.epochs=1", "network.hidden=[16]"]
    result = train("digits-ternary-mlp", out=tmp_path / "one", overrides=sets)
    status, out, _ = run("hidden-weights", "one", "--draws", "1", "--images", "200", "--json")
    rows = json.loads(out)["rows"]
    assert status == 0 and {row["test"] for row in rows} == {"digits"}
    images, labels = load_test("digits")
    network, _ = load_model(result.model)
    right = (network(torch.from_numpy(images[:200])).argmax(1).numpy() == labels[:200]).mean()
    assert rows[0]["largest"] == right


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--task", "permuted 3"], "--task permuted 3: recipe .* has permuted 1, permuted 2"),
        (["--layer", "dense9"], "no layer 'dense9' with binary or ternary weights: there are dense1, dense2"),
    ],
)
def test_what_is_not_there_is_one_line(words: list[str], message: str, run: Run, trained: TrainResult) -> None:
    status, _, err = run("hidden-weights", str(trained.model), *words)
    assert status == 2 and re.search(message, err)


def test_a_float32_network_is_refused(tmp_path: Path) -> None:
    sets = ["training.epochs=1", "quantization.weights=float32", "quantization.activations=relu"]
    network, _ = load_model(train("digits-ternary-mlp", out=tmp_path, overrides=sets).model)
    with pytest.raises(TritError, match="no layer has binary or ternary weights"):
        list(switching(network, load_test("digits"), [0.1], 1))
