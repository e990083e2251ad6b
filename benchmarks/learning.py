# SPDX-License-Identifier: Apache-2.0
"""What the learning rules reach: former tasks kept by metaplasticity and others, accuracy at small size.

Reads the logs in docs/results, whose first line says how each was made: a figure is the mean over three seeds, or nan
while one is missing. --rerun trains again and writes the logs anew, --rerun permuted-ewc --seeds 1 only that.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import nn

from benchmarks import device_learning
from benchmarks.learning_small import CIFAR10, FASHION, small
from benchmarks.report import Row, interleaved, milliseconds, run
from trit.train.metaplastic import MetaplasticAdam
from trit.train.run import train

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
SEEDS, ROUNDS = 3, 50
PLAIN = ["training.metaplasticity=0"]
METHODS = {
    "alone": [],  # the recipe as it is
    "metaplastic": [],
    "plain": PLAIN,
    "ewc": [*PLAIN, "protection.kind=ewc"],
    "si": [*PLAIN, "protection.kind=si"],
    "replay": [*PLAIN, "protection.kind=replay", "tasks.batch_norm=shared"],
    "joint": [*PLAIN, "protection.kind=joint", "tasks.batch_norm=shared"],
}
TASKS = ("metaplastic", "plain", "ewc", "si", "replay", "joint")


@dataclass(frozen=True)
class Experiment:
    """A recipe, what it changes of it, and the methods that are run on it."""

    title: str
    recipe: str
    methods: tuple[str, ...]
    overrides: list[str] = field(default_factory=list)
    seeds: int = SEEDS


DIGITS = [  # seconds a run; fewer steps need a larger m
    "data=digits",
    "tasks.count=3",
    "network.hidden=[256, 256]",
    "training.epochs=10",
    "training.batch=50",
    "training.learning_rate=0.01",
    "training.metaplasticity=20",
]
EXPERIMENTS = {
    "digits": Experiment("three permuted digits, 256 units", "metaplastic-permuted-mnist", TASKS, DIGITS),
    "digits-ternary": Experiment(
        "three permuted digits, 256 units, ternary",
        "metaplastic-permuted-mnist",
        ("metaplastic", "plain"),
        [*DIGITS, "quantization.weights=ternary", "quantization.start=0.15"],
    ),
    "permuted": Experiment("six permuted MNISTs, 1024 units", "metaplastic-permuted-mnist", TASKS),
    "permuted-4096": Experiment("six permuted MNISTs, 4096 units", "metaplastic-permuted-mnist-4096", ("metaplastic",)),
    "mnist-fashion": Experiment("MNIST, then Fashion-MNIST", "metaplastic-mnist-fashion", ("metaplastic", "plain")),
    "fashion-mnist": Experiment(
        "Fashion-MNIST, then MNIST",
        "metaplastic-mnist-fashion",
        ("metaplastic", "plain"),
        ["data=fashion-mnist", 'tasks.then=["mnist"]'],
    ),
    "cifar10-small": Experiment("CIFAR-10, small and ternary", "cifar10-ternary-small", ("alone",), seeds=1),
    "fashion-small": Experiment("Fashion-MNIST, small and ternary", "fashion-ternary-small", ("alone",), seeds=1),
}


def main() -> None:
    options, rest = _parser().parse_known_args()
    sys.argv[1:] = rest
    if options.rerun:
        for name, experiment in EXPERIMENTS.items():
            for method in experiment.methods:
                for seed in options.seeds[: experiment.seeds]:
                    if options.rerun in f"{name}-{method}":
                        rerun(name, method, seed)
    work = {
        "step": step_cost,
        "digits": lambda: every_method("digits"),
        "digits-ternary": lambda: every_method("digits-ternary"),
        "permuted": permuted,
        "permuted-4096": lambda: [_mean("permuted-4096", "metaplastic", "≥ 95.5")],
        "mnist-fashion": lambda: two_sets("mnist-fashion"),
        "fashion-mnist": lambda: two_sets("fashion-mnist"),
        "cifar10-small": lambda: small(CIFAR10),
        "fashion-small": lambda: small(FASHION),
        "device tasks": device_learning.tasks,
        "device cortex-m4": device_learning.board,
    }
    run("Learning rules", work)


def step_cost() -> list[Row]:
    """An optimizer's step on the weights of 784-1024-1024-10 beside the matrix products of a batch of 100."""
    shapes = [(1024, 784), (1024, 1024), (10, 1024)]
    layers = [nn.Linear(inputs, outputs, bias=False) for outputs, inputs in shapes]
    batch = [torch.randn(100, inputs, requires_grad=index > 0) for index, (_, inputs) in enumerate(shapes)]
    pulls = [torch.randn(100, outputs) for outputs, _ in shapes]

    def products(bfloat16: bool) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            outputs = [layer(x) for layer, x in zip(layers, batch, strict=True)]
        torch.autograd.backward(outputs, [pull.to(y.dtype) for pull, y in zip(pulls, outputs, strict=True)])

    products(False)
    weights = [layer.weight for layer in layers]
    metaplastic = MetaplasticAdam(copies(weights), metaplasticity=1.35)
    adam, fused = torch.optim.Adam(copies(weights)), torch.optim.Adam(copies(weights), fused=True)
    steps = {
        "metaplastic": metaplastic.step,
        "torch.optim.Adam": adam.step,
        "the same, fused": fused.step,
        "the products, float32": lambda: products(False),
        "the products, bfloat16": lambda: products(True),
    }
    times = interleaved(steps, ROUNDS)
    mine = milliseconds(times["metaplastic"])
    return [
        Row("MetaplasticAdam's step", mine, "ms", peer, milliseconds(times[peer]))
        for peer in steps
        if peer != "metaplastic"
    ]


def copies(weights: list[nn.Parameter]) -> list[nn.Parameter]:
    """Parameters of their own with the same gradients."""
    made = [nn.Parameter(weight.detach().clone()) for weight in weights]
    for parameter, weight in zip(made, weights, strict=True):
        assert weight.grad is not None
        parameter.grad = weight.grad.clone()
    return made


def every_method(name: str) -> list[Row]:
    return [_mean(name, method) for method in EXPERIMENTS[name].methods]


def permuted() -> list[Row]:
    metaplastic = _mean("permuted", "metaplastic", "≥ 92.5")
    ewc = _mean("permuted", "ewc")
    ahead = Row(f"{EXPERIMENTS['permuted'].title}: over EWC", metaplastic.value - ewc.value, "points", bar="≥ -1")
    others = [_mean("permuted", method) for method in ("si", "replay", "joint")]
    return [metaplastic, _mean("permuted", "plain", "≤ 35"), ewc, ahead, *others]


def two_sets(name: str) -> list[Row]:
    """How far each set is below what plain training reaches right after it, as the first of the two."""
    firsts = [lines[0]["accuracy"] for order in ("mnist-fashion", "fashion-mnist") for lines in _logs(order, "plain")]
    rows = []
    for test in ("mnist", "fashion-mnist"):
        alone = _percent([first[test] for first in firsts if test in first])
        kept = _percent([lines[-1]["accuracy"][test] for lines in _logs(name, "metaplastic")])
        rows.append(Row(f"{EXPERIMENTS[name].title}: {test} below alone", alone - kept, "points", bar="≤ 2"))
    return rows


def _mean(name: str, method: str, bar: str = "") -> Row:
    """Mean accuracy over all tests after the last task, over the seeds; no number before all seeds are there."""
    means = [statistics.mean(lines[-1]["accuracy"].values()) for lines in _logs(name, method)]
    return Row(f"{EXPERIMENTS[name].title}: {method}, {len(means)} of {SEEDS} seeds", _percent(means), "%", bar=bar)


def _percent(fractions: list[float]) -> float:
    return 100 * statistics.mean(fractions) if len(fractions) >= SEEDS else float("nan")


def _logs(name: str, method: str) -> list[list[dict[str, Any]]]:
    """A line a task, of each seed that is there."""
    paths = sorted(RESULTS.glob(f"{name}-{method}-seed*.jsonl"))
    return [[json.loads(line) for line in path.read_text().splitlines()[1:]] for path in paths]


def rerun(name: str, method: str, seed: int) -> None:
    """Train, and copy the history into docs/results below a line that says how it was made."""
    recipe, overrides = EXPERIMENTS[name].recipe, [*EXPERIMENTS[name].overrides, *METHODS[method], f"seed={seed}"]
    folder = ROOT / "runs" / "learning" / f"{name}-{method}-seed{seed}"
    train(recipe, out=folder, overrides=overrides, console=Console(stderr=True))
    describe = ["git", "describe", "--always", "--dirty"]
    version = subprocess.run(describe, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    command = shlex.join(["trit", "train", recipe, *(part for key in overrides for part in ("--set", key))])
    header: dict[str, Any] = {"command": command, "seed": seed, "date": str(date.today()), "version": version}
    header["threads"] = torch.get_num_threads()
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(header) + "\n" + (folder / "history.jsonl").read_text()
    (RESULTS / f"{folder.name}.jsonl").write_text(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--rerun", nargs="?", const="-", default="")  # what is in EXPERIMENT-METHOD; all have a hyphen
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(SEEDS)))
    return parser


if __name__ == "__main__":
    main()
