# SPDX-License-Identifier: Apache-2.0
"""The trainings behind the figures of benchmarks.learning, and their logs in docs/results."""

from __future__ import annotations

import json
import shlex
import tempfile
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from benchmarks.report import version
from trit.files import read_model
from trit.inputs import inputs_for
from trit.targets.deploy import deploy
from trit.targets.description import load_target
from trit.train.recipe import read_recipe
from trit.train.run import train

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
SEEDS = 3
TARGETS = ("host", "stm32l4r5")  # the second a Cortex-M4
IMAGES = 2  # that run on each, of every task
PLAIN = ["training.metaplasticity=0"]
METHODS = {
    "alone": [],  # the recipe as it is
    "one-sided": [
        "equilibrium.estimator=one-sided",
        "equilibrium.nudged_steps=20",
    ],  # as many steps as two phases of ten
    "metaplastic": [],
    "plain": PLAIN,
    "ewc": [*PLAIN, "protection.kind=ewc"],
    "si": [*PLAIN, "protection.kind=si"],
    "replay": [*PLAIN, "protection.kind=replay", "tasks.batch_norm=shared"],
    "joint": [*PLAIN, "protection.kind=joint", "tasks.batch_norm=shared"],
    # One choice of a small network another way.
    "float32": ["quantization.weights=float32", "quantization.activations=relu"],
    "fixed-threshold": ["quantization.weights=ternary"],
    "ternary-first": ["quantization.first=ternary-mean"],
    "ternary-activations": ["quantization.activations=ternary"],
    "constant-rate": ["training.schedule=constant", "training.learning_rate=0.001"],
    "no-flip": ["training.flip=false"],
    "no-shift": ["training.shift=0"],
    "smoothed": ["training.label_smoothing=0.1"],
    "taught": ["teacher.model=runs/learning/fashion-choices-float32-seed0/model.pt"],
}
TASKS = ("metaplastic", "plain", "ewc", "si", "replay", "joint")
CHOICES = (
    "alone",
    "float32",
    "taught",
    "ternary-activations",
    "ternary-first",
    "fixed-threshold",
    "constant-rate",
    "no-flip",
    "no-shift",
    "smoothed",
)


@dataclass(frozen=True)
class Experiment:
    """A recipe, what it changes of it, and the methods that are run on it."""

    title: str
    recipe: str
    methods: tuple[str, ...]
    overrides: list[str] = field(default_factory=list)
    seeds: int = SEEDS
    board: tuple[str, ...] = ()  # what is changed of the microcontroller, for a network that it cannot hold


THE_WORKS = [  # Laborieux et al. 2021, but for its 40 epochs at m = 1.35
    "training.epochs=20",
    "training.metaplasticity=1.5",
    "training.batch=100",
    "training.learning_rate=0.005",
    "training.weight_decay=1e-7",
    "training.label_smoothing=0",
    "quantization.start=0.05",
]
DIGITS = [  # seconds a run; fewer steps need a larger m
    *THE_WORKS,
    "data=digits",
    "tasks.count=3",
    "network.hidden=[256, 256]",
    "training.epochs=10",
    "training.batch=50",
    "training.learning_rate=0.01",
    "training.metaplasticity=20",
]
FASHION_FIRST = ["data=fashion-mnist", 'tasks.then=["mnist"]']
FREE = ["training.weight_decay=1e-7", "quantization.start=0.05"]  # without metaplasticity better than the recipe's
EXPERIMENTS = {
    "digits": Experiment("three permuted digits, 256 units", "metaplastic-permuted-mnist", TASKS, DIGITS),
    "digits-ternary": Experiment(
        "three permuted digits, 256 units, ternary",
        "metaplastic-permuted-mnist",
        ("metaplastic", "plain"),
        [*DIGITS, "quantization.weights=ternary", "quantization.start=0.15"],
    ),
    "permuted": Experiment("six permuted MNISTs, 1024 units", "metaplastic-permuted-mnist", ("metaplastic", "plain")),
    "permuted-work": Experiment(
        "six permuted MNISTs, the work's settings", "metaplastic-permuted-mnist", TASKS, THE_WORKS
    ),
    "permuted-4096": Experiment(
        "six permuted MNISTs, 4096 units",
        "metaplastic-permuted-mnist-4096",
        ("metaplastic",),
        seeds=1,
        board=("flash.size=0x400000",),  # 2.7 MB; the chip has 2 MiB
    ),
    "mnist-fashion": Experiment("MNIST, then Fashion-MNIST", "metaplastic-mnist-fashion", ("metaplastic",)),
    "mnist-fashion-free": Experiment("MNIST, then Fashion-MNIST", "metaplastic-mnist-fashion", ("plain",), FREE),
    "fashion-mnist": Experiment(
        "Fashion-MNIST, then MNIST", "metaplastic-mnist-fashion", ("metaplastic",), FASHION_FIRST
    ),
    "fashion-mnist-free": Experiment(
        "Fashion-MNIST, then MNIST", "metaplastic-mnist-fashion", ("plain",), [*FASHION_FIRST, *FREE]
    ),
    "cifar10-small": Experiment("CIFAR-10, small and ternary", "cifar10-ternary-small", ("alone",), seeds=1),
    "fashion-small": Experiment("Fashion-MNIST, small and ternary", "fashion-ternary-small", ("alone",), seeds=1),
    "fashion-choices": Experiment(
        "Fashion-MNIST, small, 6 epochs", "fashion-ternary-small", CHOICES, ["training.epochs=6"], seeds=1
    ),
    "ep-mnist-mlp": Experiment("MNIST, 784-512-10", "ep-mnist-mlp", ("alone",), seeds=1),
    "ep-mnist-binary": Experiment("MNIST, binary weights", "ep-mnist-binary", ("alone",), seeds=1),
    "ep-cifar10-small": Experiment("CIFAR-10, small ConvNet", "ep-cifar10-small", ("alone", "one-sided"), seeds=1),
    "ep-cifar10": Experiment("CIFAR-10, one epoch", "ep-cifar10", ("alone",), ["training.epochs=1"], seeds=1),
}


def logs(name: str, method: str) -> list[list[dict[str, Any]]]:
    """The lines of each seed that is there: one an epoch, or one a task."""
    return [lines[1:] for lines in _files(name, method)]


def _files(name: str, method: str) -> list[list[dict[str, Any]]]:
    """All lines of each seed that is there; the first says how it was made."""
    paths = sorted(RESULTS.glob(f"{name}-{method}-seed*.jsonl"))
    return [[json.loads(line) for line in path.read_text().splitlines()] for path in paths]


def rerun(name: str, method: str, seed: int) -> None:
    """Train, and copy the history into docs/results below a line that says how it was made."""
    experiment = EXPERIMENTS[name]
    recipe, overrides = experiment.recipe, [*experiment.overrides, *METHODS[method], f"seed={seed}"]
    folder = ROOT / "runs" / "learning" / f"{name}-{method}-seed{seed}"
    train(recipe, out=folder, overrides=overrides, console=Console(stderr=True))
    command = shlex.join(["trit", "train", recipe, *(part for key in overrides for part in ("--set", key))])
    header: dict[str, Any] = {"command": command, "seed": seed, "date": str(date.today())}
    header["version"] = version("--dirty")
    header["threads"] = torch.get_num_threads()
    if has_packed_weights(recipe, overrides):
        header["deployed"] = deployed(folder / "model.pt", experiment.board)
        if experiment.board:
            header["board"] = experiment.board
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(header) + "\n" + (folder / "history.jsonl").read_text()
    (RESULTS / f"{folder.name}.jsonl").write_text(text)


def deployed(model: Path, board: tuple[str, ...] = ()) -> dict[str, str]:
    """On each target, how many of the images give the reference's bits; `board` changes keys of the microcontroller."""
    graph = read_model(model)
    images = inputs_for(graph, IMAGES).images
    found = {}
    for target in TARGETS:
        with tempfile.TemporaryDirectory(prefix="trit-") as folder:
            described = load_target(target, board if target != "host" else ())
            done = deploy(graph, described, Path(folder) / "build", images)
        found[target] = f"{done.equal} of {done.images}"
    return found


def deployments() -> list[dict[str, str]]:
    """Of each log of a network with packed weights, what `deployed` found; nothing where it was not asked."""
    return [
        lines[0].get("deployed", {})
        for name, experiment in EXPERIMENTS.items()
        for method in experiment.methods
        if has_packed_weights(experiment.recipe, [*experiment.overrides, *METHODS[method]])
        for lines in _files(name, method)
    ]


def has_packed_weights(recipe: str, overrides: list[str]) -> bool:
    return read_recipe(recipe, overrides).quantization.weights != "float32"
