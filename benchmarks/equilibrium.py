# SPDX-License-Identifier: Apache-2.0
"""Equilibrium propagation: what it reaches on MNIST and CIFAR-10, and a step beside the autograd formulation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from benchmarks.experiments import logs
from benchmarks.report import Row, interleaved, milliseconds, ratio
from trit.train.equilibrium import ConvergentNetwork, States
from trit.train.equilibrium_layers import hard_sigmoid
from trit.train.equilibrium_learning import Propagation, one_hot, propagate
from trit.train.networks import build
from trit.train.recipe import Recipe, read_recipe

ROUNDS = 3
STEPS = (  # recipe, changes, images
    ("ep-mnist-mlp", [], 32),
    ("ep-cifar10-small", ["equilibrium.free_steps=250"], 32),
    ("ep-cifar10", [], 8),
)


def step_cost() -> list[Row]:
    """A symmetric gradient; the peer differentiates Φ with autograd at each step, as the authors do."""
    rows = []
    for name, overrides, count in STEPS:
        recipe = read_recipe(name, overrides)
        torch.manual_seed(0)
        network = build(recipe)[-1].to(memory_format=torch.channels_last)
        assert isinstance(network, ConvergentNetwork)
        images = torch.rand(count, *recipe.input_shape).to(memory_format=torch.channels_last)
        target = one_hot(torch.randint(0, 10, (count,)), 10)
        times = interleaved(_ways(recipe, network, images, target), ROUNDS, warm_up=1)
        peer = milliseconds(times["autograd"])
        for way in ("float32", "bfloat16"):
            steps = recipe.equilibrium.free_steps if recipe.equilibrium else 0
            what = f"{name}, {count} images, {steps} free steps, {way}"
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
    reached, binary = _accuracy("ep-mnist-mlp"), _accuracy("ep-mnist-binary")
    return [
        Row("MNIST, 784-512-10", reached, "%", bar="≥ 97.8"),
        Row("MNIST, binary weights", binary, "%"),
        Row("MNIST, binary weights: below int8", reached - binary, "points", bar="≤ 1"),
    ]


def cifar10() -> list[Row]:
    symmetric, one_sided = _accuracy("ep-cifar10-small"), _accuracy("ep-cifar10-small", "one-sided")
    return [
        Row("CIFAR-10, small ConvNet: symmetric over one-sided", symmetric - one_sided, "points", bar="≥ 10"),
        Row("CIFAR-10, small ConvNet: symmetric", symmetric, "%", "one-sided", one_sided),
        Row("CIFAR-10, the work's ConvNet after one epoch", _accuracy("ep-cifar10"), "%"),
    ]


def _accuracy(name: str, method: str = "alone") -> float:
    """After the last epoch, in percent; nan without a log."""
    found = logs(name, method)
    return 100 * float(found[0][-1]["test_accuracy"]) if found else float("nan")
