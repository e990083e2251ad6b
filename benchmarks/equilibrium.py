# SPDX-License-Identifier: Apache-2.0
"""Equilibrium propagation: what it reaches on MNIST and CIFAR-10, and a step beside the autograd formulation.

Reads the logs in docs/results, whose first line says how each was made; a figure is nan while its log is missing.
--rerun trains again and writes the logs anew, --rerun cifar10-small-one-sided only that.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from benchmarks.report import Row, interleaved, milliseconds, ratio, run
from trit.train.equilibrium import ConvergentNetwork, States
from trit.train.equilibrium_layers import hard_sigmoid
from trit.train.equilibrium_learning import Propagation, one_hot, propagate
from trit.train.networks import build
from trit.train.recipe import Recipe, read_recipe
from trit.train.run import train

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
ROUNDS, IMAGES = 3, 32
ONE_SIDED = ["equilibrium.estimator=one-sided", "equilibrium.nudged_steps=20"]  # as many steps as two phases of ten
EXPERIMENTS: dict[str, tuple[str, list[str]]] = {
    "mnist-mlp": ("ep-mnist-mlp", []),
    "mnist-binary": ("ep-mnist-binary", []),
    "cifar10-small-symmetric": ("ep-cifar10-small", []),
    "cifar10-small-one-sided": ("ep-cifar10-small", ONE_SIDED),
    "cifar10-first-epoch": ("ep-cifar10", ["training.epochs=1"]),
}


def main() -> None:
    options, rest = _parser().parse_known_args()
    sys.argv[1:] = rest
    if options.rerun is not None:
        for name in EXPERIMENTS:
            if options.rerun in name:
                rerun(name)
    run("Equilibrium propagation", {"step": step_cost, "mnist": mnist, "cifar10": cifar10})


def step_cost() -> list[Row]:
    """A symmetric gradient of 32 images; the peer differentiates Φ with autograd at each step, as the authors do."""
    rows = []
    for name, overrides in (("ep-mnist-mlp", []), ("ep-cifar10-small", ["equilibrium.free_steps=250"])):
        recipe = read_recipe(name, overrides)
        torch.manual_seed(0)
        network = build(recipe)[-1].to(memory_format=torch.channels_last)
        assert isinstance(network, ConvergentNetwork)
        images = torch.rand(IMAGES, *recipe.input_shape).to(memory_format=torch.channels_last)
        target = one_hot(torch.randint(0, 10, (len(images),)), 10)
        times = interleaved(_ways(recipe, network, images, target), ROUNDS, warm_up=1)
        peer = milliseconds(times["autograd"])
        for way in ("float32", "bfloat16"):
            what = f"{name}, {recipe.equilibrium.free_steps if recipe.equilibrium else 0} free steps, {way}"
            rows.append(Row(f"gradient, {what}", milliseconds(times[way]), "ms", "autograd, float32", peer))
            bar = "≥ 2" if way == "bfloat16" else ""
            rows.append(Row(f"times as fast, {what}", ratio(times, "autograd", way), "×", bar=bar))
    return rows


def _ways(recipe: Recipe, network: ConvergentNetwork, images: Tensor, target: Tensor) -> dict[str, Any]:
    assert recipe.equilibrium is not None
    rule = Propagation(recipe.equilibrium.beta, recipe.equilibrium.nudged_steps)
    return {
        "autograd": lambda: by_autograd(network, images, target, rule),
        "float32": lambda: propagate(network, images, target, rule),
        "bfloat16": lambda: propagate(network, images, target, rule, bfloat16=True),
    }


def by_autograd(network: ConvergentNetwork, images: Tensor, target: Tensor, rule: Propagation) -> None:
    """The symmetric estimate with ∂Φ/∂s and ∂Φ/∂θ by torch.autograd, one phase after the other."""

    def settle(states: States, steps: int, beta: float) -> States:
        for _ in range(steps):
            states = [state.detach().requires_grad_() for state in states]
            energy = (network.primitive(images, states) - beta * network.loss(states, target)).sum()
            states = [hard_sigmoid(drive) for drive in torch.autograd.grad(energy, states)]
        return [state.detach() for state in states]

    free = settle(network.rest(images), network.free_steps, 0.0)
    energies = []
    for beta in (rule.beta, -rule.beta):
        states = settle(free, rule.nudged_steps, beta)
        energies.append((network.primitive(images, states) - beta * network.loss(states, target)).mean())
    network.zero_grad()
    ((energies[1] - energies[0]) / (2 * rule.beta)).backward()


def mnist() -> list[Row]:
    reached, binary = _accuracy("mnist-mlp"), _accuracy("mnist-binary")
    return [
        Row("MNIST, 784-512-10", reached, "%", bar="≥ 97.8"),
        Row("MNIST, binary weights", binary, "%"),
        Row("MNIST, binary weights: below float32", reached - binary, "points", bar="≤ 1"),
    ]


def cifar10() -> list[Row]:
    symmetric, one_sided = _accuracy("cifar10-small-symmetric"), _accuracy("cifar10-small-one-sided")
    return [
        Row("CIFAR-10, small ConvNet: symmetric over one-sided", symmetric - one_sided, "points", bar="≥ 10"),
        Row("CIFAR-10, small ConvNet: symmetric", symmetric, "%", "one-sided", one_sided),
        Row("CIFAR-10, the work's ConvNet after one epoch", _accuracy("cifar10-first-epoch"), "%"),
    ]


def _accuracy(name: str) -> float:
    """After the last epoch, in percent; nan without a log."""
    path = RESULTS / f"ep-{name}-seed0.jsonl"
    if not path.exists():
        return float("nan")
    return 100 * float(json.loads(path.read_text().splitlines()[-1])["test_accuracy"])


def rerun(name: str) -> None:
    """Train, and copy the history into docs/results below a line that says how it was made."""
    recipe, overrides = EXPERIMENTS[name]
    folder = ROOT / "runs" / "equilibrium" / name
    train(recipe, out=folder, overrides=overrides, console=Console(stderr=True))
    describe = ["git", "describe", "--always", "--dirty"]
    version = subprocess.run(describe, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    command = shlex.join(["trit", "train", recipe, *(part for key in overrides for part in ("--set", key))])
    header = {"command": command, "seed": 0, "date": str(date.today()), "version": version}
    text = json.dumps({**header, "threads": torch.get_num_threads()}) + "\n" + (folder / "history.jsonl").read_text()
    (RESULTS / f"ep-{name}-seed0.jsonl").write_text(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--rerun", nargs="?", const="", default=None)  # what is in the experiment's name; all without
    return parser


if __name__ == "__main__":
    main()
