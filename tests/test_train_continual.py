# SPDX-License-Identifier: Apache-2.0
"""Tasks one after the other: how they are made, what is kept of them, and that resuming changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

for package in ("torch", "accelerate", "sklearn"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install 'trit[train]'")
import torch
from torch import nn
from typer.testing import CliRunner

from trit.main import app
from trit.runtime.errors import TritError
from trit.train import checkpoint, continual
from trit.train.consolidation import Elastic, Intelligent, fisher_information
from trit.train.continual import norm_state, settle
from trit.train.data import load_test, load_train
from trit.train.layers import BinaryActivation, BinaryWeights, QuantConv2d, QuantLinear, TernaryWeights
from trit.train.loop import evaluate
from trit.train.recipe import Recipe, parse_recipe
from trit.train.recipe_tasks import ElasticWeights, SynapticIntelligence
from trit.train.run import TrainResult, train
from trit.train.tasks import keep, make_tasks, permuted, with_replay

RECIPE = """
data = "digits"
pixel_scale = 0.00390625
[quantization]
weights = "binary"
activations = "binary"
start = 0.05
[network]
kind = "mlp"
hidden = [64, 64]
[training]
epochs = 3
batch = 50
optimizer = "adam"
metaplasticity = 20.0
schedule = "constant"
learning_rate = 0.01
[tasks]
kind = "permuted"
count = 3
"""


pytestmark = pytest.mark.usefixtures("one_thread")


def recipe_of(*overrides: str) -> Recipe:
    return parse_recipe(RECIPE, "mine", list(overrides))


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "mine.toml"
    path.write_text(RECIPE)
    return str(path)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    folder = tmp_path_factory.mktemp("learned")
    (folder / "mine.toml").write_text(RECIPE)
    return train(str(folder / "mine.toml"), out=folder / "out")


def state_of(result: TrainResult) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = checkpoint.read(result.model)["state"]
    return state


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# Tasks


def test_a_permuted_task_moves_the_pixels_of_every_image_alike() -> None:
    train_set, test_set = load_train("digits"), load_test("digits")
    tasks = permuted(train_set, test_set, 3, seed=7)
    numbered = np.arange(64, dtype=np.uint8).reshape(1, 1, 8, 8), np.zeros(1, np.int64)
    orders = [task.train_set[0].reshape(-1) for task in permuted(numbered, numbered, 3, seed=7)]
    for task, order in zip(tasks, orders, strict=True):
        assert sorted(order) == list(range(64))
        for (images, labels), (moved, same) in ((train_set, task.train_set), (test_set, task.test_set)):
            np.testing.assert_array_equal(moved.reshape(len(moved), -1), images.reshape(len(images), -1)[:, order])
            np.testing.assert_array_equal(labels, same)
    assert len({tuple(order) for order in orders}) == 3
    again, other = permuted(numbered, numbered, 3, seed=7), permuted(numbered, numbered, 3, seed=8)
    assert all((a.test_set[0].reshape(-1) == order).all() for a, order in zip(again, orders, strict=True))
    assert (other[0].test_set[0].reshape(-1) != orders[0]).any()


def test_a_stream_holds_every_image_once() -> None:
    recipe = recipe_of("tasks={kind='stream', parts=7}")
    tasks = make_tasks(recipe)
    images, _ = load_train("digits")
    assert len(tasks) == 7 and {len(task.train_set[0]) for task in tasks} <= {len(images) // 7, len(images) // 7 + 1}
    rows = np.concatenate([task.train_set[0] for task in tasks]).reshape(len(images), -1)
    assert sorted(map(tuple, rows.tolist())) == sorted(map(tuple, images.reshape(len(images), -1).tolist()))
    assert not np.array_equal(rows, images.reshape(len(images), -1))
    assert {task.test_name for task in tasks} == {"digits"}
    with pytest.raises(TritError, match=r"tasks\.parts: 1,438 images in 99 parts are less than a batch of 50 each"):
        make_tasks(recipe_of("tasks={kind='stream', parts=99}"))


def test_classes_come_in_groups() -> None:
    tasks = make_tasks(recipe_of("tasks={kind='classes', groups=[[0, 3, 9], [1, 2, 4, 5, 6, 7, 8]]}"))
    assert [task.name for task in tasks] == ["classes 0, 3, 9", "classes 1, 2, 4, 5, 6, 7, 8"]
    assert set(tasks[0].train_set[1]) == set(tasks[0].test_set[1]) == {0, 3, 9}
    assert len(tasks[0].train_set[1]) + len(tasks[1].train_set[1]) == len(load_train("digits")[1])


def test_replay_has_as_many_former_images_as_new_ones() -> None:
    new, old = (np.zeros((10, 1, 2, 2), np.uint8), np.zeros(10, np.int64)), []
    assert with_replay(new, old) is new
    old = [keep((np.full((9, 1, 2, 2), k, np.uint8), np.full(9, k)), 2, seed=0) for k in (1, 2)]
    images, labels = with_replay(new, old)
    assert labels.tolist() == [0] * 10 + [1, 1, 2, 2, 1, 1, 2, 2, 1, 1]
    np.testing.assert_array_equal(images[:, 0, 0, 0], labels)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["tasks.kind=permutd"], "tasks: .*'permuted', 'sequence', 'stream', 'classes'"),
        (["tasks.count=1"], r"tasks\.count: Input should be greater than 1, not 1"),
        (["tasks.parts=3"], r"tasks\.parts: unknown key"),
        (["tasks={kind='sequence', then=['mnist']}"], r"tasks\.then: mnist has not the shape and number of classes of"),
        (["tasks={kind='classes', groups=[[0], [1, 1]]}"], r"tasks\.groups: each of the classes 0 to 9 belongs in one"),
        (["tasks={kind='stream', parts=3, batch_norm='per task'}"], r"tasks\.batch_norm: Input should be 'shared'"),
        (["quantization.weights=ternary"], r"quantization: start: 0\.05 leaves all ternary weights at zero"),
        (["protection.kind=replay"], 'protection: replay mixes tasks in a batch; set tasks.batch_norm="shared"'),
        (["protection.kind=ewc", "protection.strength=0"], r"protection\.strength: Input should be greater than 0"),
    ],
)
def test_mistakes_are_named(overrides: list[str], message: str) -> None:
    with pytest.raises(TritError, match=message) as mistake:
        recipe_of(*overrides)
    assert "\n" not in str(mistake.value)


def test_protection_without_tasks_is_refused() -> None:
    with pytest.raises(TritError, match=r"protection: is of former tasks; give \[tasks\]"):
        parse_recipe(RECIPE.partition("[tasks]")[0], "mine", ["protection.kind=ewc"])


# Penalties


def small() -> tuple[nn.Sequential, torch.Tensor, torch.Tensor]:
    """A network with every kind of layer that is quantized, and 23 images of it with labels."""
    torch.manual_seed(0)
    network = nn.Sequential(
        QuantConv2d(2, 4, 3, BinaryWeights(), padding=1, stride=2, groups=2),
        nn.BatchNorm2d(4),
        BinaryActivation(),
        nn.Flatten(),
        QuantLinear(4 * 3 * 3, 5, TernaryWeights(0.02)),
        nn.BatchNorm1d(5),
    )
    images, labels = torch.randn(150, 2, 6, 6), torch.randint(0, 5, (150,))
    settle(network, images)
    return network, images, labels


def test_fisher_information_is_the_mean_of_each_images_squared_gradient() -> None:
    network, images, labels = small()
    found = fisher_information(network, images, labels)
    assert list(found) == ["0", "4"]
    for name, fisher in found.items():
        weight = network.get_submodule(name).get_parameter("weight")
        expected = torch.zeros_like(weight)
        for image, label in zip(images, labels, strict=True):
            network.zero_grad()
            nn.functional.cross_entropy(network(image[None]), label[None]).backward()
            assert weight.grad is not None
            expected += weight.grad.square() / len(images)
        torch.testing.assert_close(fisher, expected, rtol=1e-4, atol=1e-9)
        assert fisher.max() > 0


def test_elastic_weights_are_pulled_to_those_after_each_former_task() -> None:
    network, images, labels = small()
    elastic = Elastic(network, ElasticWeights(kind="ewc", strength=300.0, samples=40))
    layers = {name: network.get_submodule(name) for name in ("0", "4")}
    former = []
    for number in range(2):
        elastic.end_task(images[number:], labels[number:])
        fisher = fisher_information(network, images[number : number + 40], labels[number : number + 40])
        former.append({n: (fisher[n], layer.integer_weights()[0].float()) for n, layer in layers.items()})
        with torch.no_grad():
            for layer in layers.values():
                layer.weight.add_(0.05 * torch.randn_like(layer.weight))
    network.zero_grad()
    for layer in layers.values():
        layer.weight.grad = torch.ones_like(layer.weight)
    elastic.before_step()
    for name, layer in layers.items():
        now = layer.integer_weights()[0].float().requires_grad_()
        penalty = sum(150.0 * (fisher * (now - then) ** 2).sum() for fisher, then in (task[name] for task in former))
        penalty.backward()
        torch.testing.assert_close(layer.weight.grad, 1 + now.grad, rtol=1e-4, atol=1e-5)
        assert now.grad.any()


def test_synaptic_intelligence_counts_what_each_step_took_off_the_loss() -> None:
    layer = QuantLinear(4, 3, BinaryWeights())
    rule = Intelligent(layer.requires_grad_(), SynapticIntelligence(kind="si", strength=0.5, damping=0.01))
    rule.weights = {"": layer.weight}
    rule.importance = {"": torch.zeros(3, 4)}
    rule._begin()
    optimizer = torch.optim.SGD(layer.parameters(), 0.1)
    first, gain = layer.weight.detach().clone(), torch.zeros(3, 4)
    for _ in range(5):
        gradient = torch.randn(3, 4)
        layer.weight.grad = gradient.clone()
        rule.before_step()
        optimizer.step()
        rule.after_step()
        gain -= gradient * (-0.1 * gradient)
    rule.end_task(torch.empty(0), torch.empty(0))
    moved = layer.weight.detach() - first
    importance = gain / (moved**2 + 0.01)
    torch.testing.assert_close(rule.importance[""], importance, rtol=1e-4, atol=1e-6)
    with torch.no_grad():
        layer.weight.add_(0.3)
    layer.weight.grad = torch.zeros(3, 4)
    rule.before_step()
    torch.testing.assert_close(layer.weight.grad, 2 * 0.5 * importance * 0.3, rtol=1e-3, atol=1e-5)


# Batch norm


def test_settling_measures_the_statistics_over_the_images() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4))
    images = torch.randn(1000, 1, 2, 2) * torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(2, 2) + 5
    network(images[:10])  # leaves its mark in the statistics
    settle(network, images)
    norm = network[1]
    assert isinstance(norm, nn.BatchNorm1d) and norm.momentum == 0.1 and not norm.training
    torch.testing.assert_close(norm.running_mean, images.flatten(1).mean(0))
    halves = torch.stack([half.flatten(1).var(0) for half in images.split(500)]).mean(0)
    torch.testing.assert_close(norm.running_var, halves)


def test_each_tasks_batch_norm_is_in_the_model(learned: TrainResult) -> None:
    tasks, wanted = make_tasks(recipe_of()), learned.tasks[-1]["accuracy"]
    accuracies = {}
    for task in tasks:
        network, _ = checkpoint.load_model(learned.model, task.name)
        images, labels = task.test_set
        classes = evaluate(network, torch.from_numpy(images)).argmax(1).numpy()
        accuracies[task.name] = float((classes == labels).mean())
    assert accuracies == wanted
    last, _ = checkpoint.load_model(learned.model)
    assert equal(norm_state(last), norm_state(checkpoint.load_model(learned.model, "permuted 3")[0]))
    assert not equal(norm_state(last), norm_state(checkpoint.load_model(learned.model, "permuted 1")[0]))
    with pytest.raises(TritError, match="no task 'permuted 4': there are permuted 1, permuted 2, perm"):
        checkpoint.load_model(learned.model, "permuted 4")


# The runner


def test_the_history_has_the_accuracy_on_all_tasks_so_far(learned: TrainResult) -> None:
    lines = [json.loads(line) for line in (learned.model.parent / "history.jsonl").read_text().splitlines()]
    assert lines == learned.tasks
    assert [list(line["accuracy"]) for line in lines] == [[f"permuted {k + 1}" for k in range(n)] for n in (1, 2, 3)]
    assert all(len(line["loss"]) == 3 and line["accuracy"][line["task"]] > 0.6 for line in lines)
    assert learned.accuracy == pytest.approx(np.mean(list(lines[-1]["accuracy"].values())))


def test_the_same_seed_gives_the_same_model(learned: TrainResult, file: str, tmp_path: Path) -> None:
    again = train(file, out=tmp_path / "again")
    assert equal(state_of(again), state_of(learned))
    other = train(file, out=tmp_path / "other", overrides=["seed=1"])
    assert not equal(state_of(other), state_of(learned))


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["protection.kind=ewc", "training.metaplasticity=0"],
        ["protection.kind=si"],
        ["protection.kind=replay", "tasks.batch_norm=shared"],
    ],
    ids=lambda overrides: overrides[0] if overrides else "none",
)
def test_a_resumed_run_gives_the_same_model(
    overrides: list[str], file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(file, out=tmp_path / "whole", overrides=overrides)
    real = continual._epochs

    def interrupted(trainer: Any, name: str, *others: Any) -> list[float]:
        if name == "permuted 3":
            raise KeyboardInterrupt
        return real(trainer, name, *others)

    monkeypatch.setattr(continual, "_epochs", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(file, out=tmp_path / "parts", overrides=overrides)
    assert len((tmp_path / "parts" / "history.jsonl").read_text().splitlines()) == 2
    monkeypatch.setattr(continual, "_epochs", real)
    parts = train(file, out=tmp_path / "parts", overrides=overrides, resume=True)
    assert equal(state_of(parts), state_of(whole))
    assert [line["accuracy"] for line in parts.tasks] == [line["accuracy"] for line in whole.tasks]


def test_metaplasticity_and_penalties_remember_more_than_plain_training(
    learned: TrainResult, file: str, tmp_path: Path
) -> None:
    plain = train(file, out=tmp_path / "plain", overrides=["training.metaplasticity=0"])
    assert min(line["accuracy"][line["task"]] for line in plain.tasks) > 0.8  # each task alone is learned
    assert learned.accuracy > plain.accuracy + 0.1
    for kind in ("ewc", "si"):
        overrides = ["training.metaplasticity=0", f"protection.kind={kind}"]
        assert train(file, out=tmp_path / kind, overrides=overrides).accuracy > plain.accuracy + 0.1


def test_joint_training_learns_all_tasks_at_once(file: str, tmp_path: Path) -> None:
    overrides = ["protection.kind=joint", "tasks.batch_norm=shared", "training.metaplasticity=0"]
    result = train(file, out=tmp_path, overrides=overrides)
    (line,) = result.tasks
    assert list(line["accuracy"]) == ["permuted 1", "permuted 2", "permuted 3"] and min(line["accuracy"].values()) > 0.7


@pytest.mark.parametrize(
    ("tasks", "tests"),
    [
        ("{kind='stream', parts=2}", ["digits"]),
        (
            "{kind='classes', groups=[[0, 1, 2, 3], [4, 5, 6, 7, 8, 9]]}",
            ["classes 0, 1, 2, 3", "classes 4, 5, 6, 7, 8, 9"],
        ),
    ],
)
@pytest.mark.parametrize("weights", ["binary", "ternary"])
def test_streams_and_classes_of_binary_and_ternary_weights(
    tasks: str, tests: list[str], weights: str, file: str, tmp_path: Path
) -> None:
    result = train(
        file, out=tmp_path, overrides=[f"tasks={tasks}", f"quantization.weights={weights}", "quantization.start=0.15"]
    )
    assert list(result.tasks[-1]["accuracy"]) == tests
    assert result.tasks[-1]["accuracy"][tests[-1]] > 0.7
    assert checkpoint.read(result.model)["norms"] == {}


def test_what_was_learned_is_exported_with_its_fixed_statistics(learned: TrainResult) -> None:
    from trit.export.lower import lower
    from trit.export.plan import to_plan
    from trit.runtime import Session

    task = make_tasks(recipe_of())[0]
    network, recipe = checkpoint.load_model(learned.model, task.name)
    classes = evaluate(network, torch.from_numpy(task.test_set[0])).argmax(1).numpy()
    scores = Session(to_plan(lower(network, recipe.input_shape))).run(task.test_set[0])
    assert (scores.argmax(1).ravel() == classes).mean() > 0.99


def test_the_command_prints_task_by_accuracy(file: str, tmp_path: Path) -> None:
    options = ["--out", str(tmp_path / "out"), "--set", "training.epochs=1", "--set", "tasks.count=2"]
    done = CliRunner().invoke(app, ["train", file, *options])
    assert done.exit_code == 0, done.output
    assert "after training with" in done.output and "permuted 2" in done.output
    assert "on the mean of 2 tests after" in done.output
    done = CliRunner().invoke(app, ["train", file, *options, "--json"])
    found = json.loads(done.stdout)
    assert found["model"] == str(tmp_path / "out" / "model.pt") and found["schema"] == 1
    assert found["rows"] == [json.loads(line) for line in (tmp_path / "out" / "history.jsonl").read_text().splitlines()]
    assert found["accuracy"] == pytest.approx(sum(found["rows"][-1]["accuracy"].values()) / 2)
