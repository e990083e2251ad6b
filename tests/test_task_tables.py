# SPDX-License-Identifier: Apache-2.0
"""A trained network of three tasks, from model.pt to devices: each task's accuracy and bits, chosen at run time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

for package in ("torch", "accelerate", "sklearn"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install 'trit[train]'")
from typer.testing import CliRunner

from trit.export import reference
from trit.export.graph import Array, Graph
from trit.export.lower import lower
from trit.export.operators import Conv, Threshold
from trit.files import load, read_model
from trit.main import app
from trit.runtime import Session, TritError
from trit.runtime.errors import Unavailable
from trit.targets.deploy import deploy
from trit.targets.description import load_target
from trit.train import checkpoint
from trit.train.run import TrainResult, train
from trit.train.tasks import make_tasks

RECIPE = """
data = "digits"
pixel_scale = 0.00390625
seed = 4
[quantization]
weights = "binary"
activations = "ternary"
start = 0.05
[network]
kind = "mlp"
hidden = [64, 64]
[training]
epochs = 2
batch = 50
optimizer = "adam"
metaplasticity = 20.0
schedule = "constant"
learning_rate = 0.01
[tasks]
kind = "permuted"
count = 3
"""
NAMES = ["permuted 1", "permuted 2", "permuted 3"]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    folder = tmp_path_factory.mktemp("learned")
    (folder / "mine.toml").write_text(RECIPE)
    return train(str(folder / "mine.toml"), out=folder / "out", overrides=["seed=5"])


@pytest.fixture(scope="module")
def graph(learned: TrainResult) -> Graph:
    return read_model(learned.model)


@pytest.fixture(scope="module")
def exported(learned: TrainResult) -> Path:
    path = learned.model.parent / "model.onnx"
    assert run("export", learned.model, "-o", path)
    return path


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def run_json(*arguments: object) -> Any:
    return json.loads(run(*arguments, "--json"))


def equal(scores: Array, expected: Array) -> bool:
    return np.array_equal(scores.reshape(-1).view("<u4"), expected.reshape(-1).view("<u4"))


def test_each_tasks_accuracy_is_that_of_training(learned: TrainResult, exported: Path, tmp_path: Path) -> None:
    wanted = learned.tasks[-1]["accuracy"]
    plan = tmp_path / "model.trit"
    run("export", exported, "-o", plan)
    session, found = load(plan), {}
    assert session.tasks == NAMES
    for task in make_tasks(checkpoint.load_model(learned.model)[1]):
        session.task = task.name
        images, labels = task.test_set
        found[task.name] = float((session.run(images).argmax(axis=1) == labels).mean())
        assert run_json("confusion", exported, "--task", task.name)["inputs"].endswith(f"images, task {task.name}")
    assert found == wanted and len(set(wanted.values())) == 3


def test_weights_are_the_same_bits_for_all_tasks(learned: TrainResult, graph: Graph) -> None:
    """Also where a gamma is negative, which turns the direction of a threshold and no weight."""
    content = checkpoint.read(learned.model)
    turned = next(name for name, value in content["norms"]["permuted 2"].items() if name.endswith("weight"))
    content["norms"]["permuted 2"][turned][:7] *= -1
    path = learned.model.parent / "turned.pt"
    checkpoint.write(path, content)
    merged = read_model(path)
    images = np.random.default_rng(0).integers(0, 256, (20, 1, 8, 8), dtype=np.uint8)
    for name in NAMES:
        network, recipe = checkpoint.load_model(path, name)
        alone = lower(network, recipe.input_shape)
        for mine, own, first in zip(merged.of_task(name).nodes, alone.nodes, graph.nodes, strict=True):
            if isinstance(mine, Conv) and isinstance(own, Conv) and isinstance(first, Conv):
                assert np.array_equal(mine.weights, own.weights) and np.array_equal(mine.weights, first.weights)
        assert equal(reference.run(merged.of_task(name), images), reference.run(alone, images))
    thresholds = [node for node in merged.of_task("permuted 2").nodes if isinstance(node, Threshold)]
    assert thresholds[0].negative[:7].all() and not thresholds[0].negative[7:].any()


def test_the_default_is_the_first_task(exported: Path) -> None:
    first, third = (run_json("confusion", exported, "--task", name)["rows"] for name in (NAMES[0], NAMES[2]))
    assert run_json("confusion", exported)["rows"] == first != third


def test_every_executor_is_equal_in_a_task(learned: TrainResult) -> None:
    for only in ("c runtime", "onnxruntime", "torch"):
        done = run_json("verify", learned.model, "--task", "permuted 2", "--images", "20", "--only", only)
        assert done["equal"] and done["inputs"] == "20 digits test images, task permuted 2"
        assert {row["accuracy"] for row in done["rows"] if row["status"] in ("equal", "close")} == {
            done["rows"][0]["accuracy"]
        }


def test_profile_takes_the_tasks_own_images(learned: TrainResult, exported: Path) -> None:
    for name in NAMES[:2]:
        done = run_json("profile", exported, "--accuracy", "359", "--task", name)
        assert done["inputs"] == f"359 digits test images, task {name}"
        assert done["profiles"][0]["accuracy"]["mean"] == learned.tasks[-1]["accuracy"][name]


def test_classify_runs_the_task(exported: Path, graph: Graph, tmp_path: Path) -> None:
    images = np.random.default_rng(1).integers(0, 256, (9, 1, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    for name in NAMES:
        rows = run_json("classify", exported, tmp_path / "images.npy", "--task", name)["rows"]
        scores = reference.run(graph.of_task(name), images).reshape(9, -1)
        assert [row["class"] for row in rows] == scores.argmax(axis=1).tolist()
        assert [np.float32(row["score"]) for row in rows] == scores.max(axis=1).tolist()


@pytest.mark.parametrize("command", ["confusion", "verify", "profile", "export", "deploy"])
def test_an_unknown_task_is_one_line(exported: Path, tmp_path: Path, command: str) -> None:
    out = ["-o", tmp_path / "out.onnx"] if command in ("export", "deploy") else []
    with pytest.raises(TritError, match="no task 'permuted 4': there are permuted 1, permuted 2, permuted 3"):
        run(command, exported, "--task", "permuted 4", *out)


def test_one_task_can_be_written_alone(exported: Path, graph: Graph, tmp_path: Path) -> None:
    run("export", exported, "--task", "permuted 3", "-o", tmp_path / "third.onnx")
    alone = read_model(tmp_path / "third.onnx")
    images = np.random.default_rng(2).integers(0, 256, (5, 1, 8, 8), dtype=np.uint8)
    assert not alone.tasks and equal(reference.run(alone, images), reference.run(graph.of_task("permuted 3"), images))
    with pytest.raises(TritError, match="qonnx holds one task: choose it with --task; there are permuted 1"):
        run("export", exported, "--format", "qonnx", "-o", tmp_path / "other.onnx")
    with pytest.raises(TritError, match="a deployment to rram-2t2r-130nm holds one task: choose it with --task"):
        run("deploy", exported, "--target", "rram-2t2r-130nm", "-o", tmp_path / "chip")


def test_inspect_names_the_tasks(exported: Path) -> None:
    assert "3 tasks, weights once and tables for each: permuted 1, permuted 2, permuted 3" in run("inspect", exported)
    assert run_json("inspect", exported)["tasks"] == NAMES


@pytest.mark.parametrize("target", ["nrf52840", "rp2040"])
def test_firmware_runs_every_task(graph: Graph, tmp_path: Path, target: str) -> None:
    """Cortex-M4 and M0+ simulated: the test program chooses each task in turn, with its scores in all tasks."""
    for package in ("ziglang", "unicorn", "capstone", "elftools"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'trit[mcu]'")
    images = np.random.default_rng(3).integers(0, 256, (3, 1, 8, 8), dtype=np.uint8)
    try:
        done = deploy(graph, load_target(target), tmp_path / "made", images)
    except Unavailable as error:
        pytest.skip(str(error))
    assert (done.equal, done.images) == (9, 9)
    header = (tmp_path / "made/model.h").read_text()
    assert "#define MODEL_TASKS 3u /* trit_set_task takes 0 to MODEL_TASKS - 1: permuted 1, permuted 2" in header
    assert "`trit_set_task(&plan, 1)`" in (tmp_path / "made/README.md").read_text()
    session, scores = Session(tmp_path / "made/model.trit"), {}
    for name in NAMES:
        session.task = name
        scores[name] = session.run(images)
        assert equal(scores[name], reference.run(graph.of_task(name), images))
    assert not equal(scores["permuted 1"], scores["permuted 2"])
