# SPDX-License-Identifier: Apache-2.0
"""Training: it learns, repeats, resumes to the same model, and its files are checked when they are read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

for package in ("torch", "accelerate", "sklearn"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install 'trit[train]'")
import torch

from trit.files import load
from trit.runtime.errors import TritError
from trit.train import checkpoint
from trit.train.loop import Trainer, _shifted, evaluate
from trit.train.recipe import read_recipe
from trit.train.run import TrainResult, train

SHORT = ["training.epochs=4", "network.hidden=[64]"]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = checkpoint.read(folder / "model.pt")["state"]
    return state


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    return train("digits-ternary-mlp", out=tmp_path_factory.mktemp("trained"), overrides=SHORT)


def test_it_learns_and_says_how_well(trained: TrainResult) -> None:
    history = [json.loads(line) for line in (trained.model.parent / "history.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in history] == [1, 2, 3, 4]
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    assert trained.accuracy == history[-1]["test_accuracy"] > 0.85
    assert trained.seconds == history[-1]["seconds"] > 0


RESIDUAL = """
data = "digits"
[quantization]
weights = "{weights}"
activations = "{activations}"
activation_scale = 0.0625
[network]
kind = "residual"
stages = [[16, 1], [32, 1]]
[training]
epochs = 2
batch = 50
learning_rate = 0.01
"""


@pytest.mark.parametrize(("weights", "activations"), [("binary", "binary"), ("ternary-mean", "8-bit")])
def test_a_residual_network_learns_and_exports(weights: str, activations: str, tmp_path: Path) -> None:
    from trit.export.lower import lower
    from trit.export.plan import to_plan
    from trit.runtime import Session
    from trit.train.data import load_test

    (tmp_path / "mine.toml").write_text(RESIDUAL.format(weights=weights, activations=activations))
    result = train(str(tmp_path / "mine.toml"), out=tmp_path)
    history = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert history[-1]["loss"] < 0.7 * history[0]["loss"] and result.accuracy > 0.6
    network, recipe = checkpoint.load_model(result.model)
    images, _ = load_test("digits")
    classes = evaluate(network, torch.from_numpy(images)).argmax(1).numpy()
    scores = Session(to_plan(lower(network, recipe.input_shape))).run(images)
    assert (scores.argmax(1).ravel() == classes).mean() > 0.99


def test_the_saved_network_has_the_accuracy_that_was_said(trained: TrainResult) -> None:
    from trit.train.data import load_test

    network, recipe = checkpoint.load_model(trained.model)
    images, labels = load_test("digits")
    classes = evaluate(network, torch.from_numpy(images)).argmax(1).numpy()
    assert (classes == labels).mean() == trained.accuracy
    packed = load(trained.model).run(images).reshape(len(images), -1)
    assert (packed.argmax(1) == labels).mean() == trained.accuracy
    assert recipe.training.epochs == 4  # with the overrides


def test_the_same_seed_gives_the_same_model(trained: TrainResult, tmp_path: Path) -> None:
    train("digits-ternary-mlp", out=tmp_path / "again", overrides=SHORT)
    assert equal(weights(trained.model.parent), weights(tmp_path / "again"))
    train("digits-ternary-mlp", out=tmp_path / "other", overrides=[*SHORT, "seed=1"])
    assert not equal(weights(trained.model.parent), weights(tmp_path / "other"))


def test_two_precisions_are_trained_in_one_process(tmp_path: Path) -> None:
    for precision in ("bfloat16", "float32"):
        train("digits-ternary-mlp", out=tmp_path / precision, overrides=[*SHORT, f"training.precision={precision}"])
    assert not equal(weights(tmp_path / "bfloat16"), weights(tmp_path / "float32"))


def test_a_resumed_training_gives_the_same_model(
    trained: TrainResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Trainer.train_epoch

    def interrupted(self: Trainer, epoch: int, on_step: object) -> float:
        if epoch == 2:
            raise KeyboardInterrupt
        return real(self, epoch, on_step)

    monkeypatch.setattr(Trainer, "train_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train("digits-ternary-mlp", out=tmp_path, overrides=SHORT)
    assert not (tmp_path / "model.pt").exists()
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == 2
    monkeypatch.setattr(Trainer, "train_epoch", real)
    train("digits-ternary-mlp", out=tmp_path, overrides=SHORT, resume=True)
    assert equal(weights(trained.model.parent), weights(tmp_path))
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == 4


def test_resuming_what_is_not_there_or_another_recipe_is_refused(trained: TrainResult, tmp_path: Path) -> None:
    with pytest.raises(TritError, match=r"nothing to resume: .*checkpoint\.pt does not exist"):
        train("digits-ternary-mlp", out=tmp_path, resume=True)
    with pytest.raises(TritError, match=r"checkpoint\.pt: was made by another recipe"):
        train("digits-ternary-mlp", out=trained.model.parent, overrides=["training.epochs=5"], resume=True)


def test_damaged_and_foreign_files_are_refused(trained: TrainResult, tmp_path: Path) -> None:
    content = trained.model.read_bytes()
    path = tmp_path / "model.pt"
    rng = np.random.default_rng(0)
    for position in rng.integers(len(checkpoint.MAGIC), len(content), 20):
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(TritError, match=r"model\.pt: damaged or truncated"):
            checkpoint.load_model(path)
    for end in rng.integers(len(checkpoint.MAGIC), len(content), 20):
        path.write_bytes(content[:end])
        with pytest.raises(TritError, match=r"model\.pt: damaged or truncated"):
            checkpoint.load_model(path)
    for foreign in (b"", b"TRITPT1", b"PK\3\4" + bytes(100)):
        path.write_bytes(foreign)
        with pytest.raises(TritError, match=r"model\.pt: not a model of trit train"):
            checkpoint.load_model(path)
    with pytest.raises(TritError, match=r"checkpoint\.pt: a checkpoint of unfinished training"):
        checkpoint.load_model(trained.model.parent / "checkpoint.pt")


def test_a_file_in_the_folders_place_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    with pytest.raises(TritError, match="cannot write into"):
        train("digits-ternary-mlp", out=tmp_path / "runs" / "digits", overrides=SHORT)


def test_shifts_move_the_image_and_fill_the_edge() -> None:
    images = torch.arange(1, 10, dtype=torch.uint8).reshape(1, 1, 3, 3).repeat(200, 2, 1, 1)
    moved = _shifted(images, 1, 99, torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(images[0, 0], (1, 1, 1, 1), value=99)
    windows = {tuple(padded[y : y + 3, x : x + 3].reshape(-1).tolist()) for y in range(3) for x in range(3)}
    found = {tuple(image[0].reshape(-1).tolist()) for image in moved}
    assert found == windows
    assert torch.equal(moved[:, 0], moved[:, 1])  # a channel moves with its image


def augmented(*overrides: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Random images, and what training makes of them."""
    recipe = read_recipe("digits-ternary-mlp", [f"training.{override}" for override in overrides])
    images = np.random.default_rng(0).integers(0, 256, (300, 1, 8, 8), dtype=np.uint8)
    trainer = Trainer(recipe, (images, np.zeros(300, np.int64)))
    return trainer.images, trainer._augment(trainer.images, torch.Generator().manual_seed(0))


def test_rolls_turn_the_rows() -> None:
    images, turned = augmented("roll=2")
    found = [
        [most for most in range(-4, 4) if torch.equal(image.roll(most, 1), after)]
        for image, after in zip(images, turned, strict=True)
    ]
    assert {tuple(most) for most in found} == {(-2,), (-1,), (0,), (1,), (2,)}


def test_brightness_changes_all_pixels_alike() -> None:
    images, brighter = augmented("brightness=3")
    assert brighter.dtype == torch.uint8
    found = [
        [most for most in range(-5, 6) if torch.equal((image.int() + most).clamp(0, 255), after.int())]
        for image, after in zip(images, brighter, strict=True)
    ]
    assert {tuple(most) for most in found} == {(most,) for most in range(-3, 4)}


def test_accelerate_launches_it_in_two_processes(tmp_path: Path) -> None:
    launch = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--cpu",
        "--num_processes=2",
        "--num_machines=1",
        "--main_process_port=0",
    ]
    options = ["--mixed_precision=no", "--dynamo_backend=no", "--num_cpu_threads_per_process=1", "-m"]
    command = ["trit", "train", "digits-ternary-mlp", "--out", str(tmp_path), "--set", "training.epochs=3"]
    done = subprocess.run([*launch, *options, *command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("on the test set") == 1
    history = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert len(history) == 3
    assert history[-1]["test_accuracy"] > 0.8
