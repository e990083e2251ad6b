# SPDX-License-Identifier: Apache-2.0
"""What the learning rules reach: former tasks kept by metaplasticity and others, accuracy at small size, learning on
the device, equilibrium propagation.

Reads the logs in docs/results, whose first line says how each was made: a figure is the mean over three seeds where
there are several, or nan while one is missing. --rerun trains again and writes the logs anew, --rerun permuted-ewc
--seeds 1 only that.
"""

from __future__ import annotations

import argparse
import statistics
import sys

import torch
from torch import nn

from benchmarks import device_learning, equilibrium
from benchmarks.experiments import EXPERIMENTS, SEEDS, TARGETS, deployments, logs, rerun
from benchmarks.learning_small import CIFAR10, FASHION, small
from benchmarks.report import Row, interleaved, milliseconds, run
from trit.train.metaplastic import MetaplasticAdam

ROUNDS = 50


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
        "mnist-fashion": lambda: two_sets("mnist-fashion", "≤ 2"),
        "fashion-mnist": lambda: two_sets("fashion-mnist"),
        "cifar10-small": lambda: small(CIFAR10),
        "fashion-small": lambda: small(FASHION),
        "fashion-choices": choices,
        "deployed": deployed,
        "device tasks": device_learning.tasks,
        "device cortex-m4": device_learning.board,
        "equilibrium step": equilibrium.step_cost,
        "equilibrium mnist": equilibrium.mnist,
        "equilibrium cifar10": equilibrium.cifar10,
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
    """Elastic weight consolidation is better with the work's settings, and is measured against with those."""
    metaplastic = _mean("permuted", "metaplastic", "≥ 92.5")
    of_the_work = {method: _mean("permuted-work", method) for method in EXPERIMENTS["permuted-work"].methods}
    lead = metaplastic.value - of_the_work["ewc"].value
    ahead = Row(f"{EXPERIMENTS['permuted'].title}: over EWC", lead, "points", bar="≥ -1")
    return [metaplastic, _mean("permuted", "plain", "≤ 35"), *of_the_work.values(), ahead]


def two_sets(name: str, bar: str = "") -> list[Row]:
    """How far each set is below what plain training reaches right after it, as the first of the two."""
    orders = ("mnist-fashion-free", "fashion-mnist-free")
    firsts = [lines[0]["accuracy"] for order in orders for lines in logs(order, "plain")]
    rows = []
    for test in ("mnist", "fashion-mnist"):
        alone = _percent([first[test] for first in firsts if test in first])
        kept = _percent([lines[-1]["accuracy"][test] for lines in logs(name, "metaplastic")])
        rows.append(Row(f"{EXPERIMENTS[name].title}: {test} below alone", alone - kept, "points", bar=bar))
    return rows


def choices() -> list[Row]:
    """What each choice of a small network adds: its accuracy with that one made another way."""
    experiment = EXPERIMENTS["fashion-choices"]
    found = {method: logs("fashion-choices", method) for method in experiment.methods}
    reached = {
        method: _percent([each[-1]["test_accuracy"] for each in lines], experiment.seeds)
        for method, lines in found.items()
    }
    return [
        Row(f"{experiment.title}: {method}", value, "%", "the recipe", reached["alone"])
        for method, value in reached.items()
    ]


def deployed() -> list[Row]:
    """Networks of the logs that gave the reference's bits on every image that ran on a target."""
    found = deployments()
    equal = [[len(set(one[target].split(" of "))) == 1 for one in found if target in one] for target in TARGETS]
    return [
        Row(f"networks of the logs with equal bits: {target}", sum(each), "networks", bar=f"≥ {len(found)}")
        for target, each in zip(TARGETS, equal, strict=True)
    ]


def _mean(name: str, method: str, bar: str = "") -> Row:
    """Mean accuracy over all tests after the last task, over the seeds; no number before all seeds are there."""
    experiment = EXPERIMENTS[name]
    means = [statistics.mean(lines[-1]["accuracy"].values()) for lines in logs(name, method)]
    title = f"{experiment.title}: {method}, {len(means)} of {experiment.seeds} seeds"
    return Row(title, _percent(means, experiment.seeds), "%", bar=bar)


def _percent(fractions: list[float], seeds: int = SEEDS) -> float:
    return 100 * statistics.mean(fractions) if len(fractions) >= seeds else float("nan")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--rerun", nargs="?", const="-", default="")  # what is in EXPERIMENT-METHOD; all have a hyphen
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(SEEDS)))
    return parser


if __name__ == "__main__":
    main()
