# SPDX-License-Identifier: Apache-2.0
"""Learn tasks one after the other, as a recipe with [tasks] says.

Each task begins with a new optimizer on the network that the tasks before it left. At its end the statistics of batch
norm are measured anew, so that the network is tested, and can be exported, with fixed ones. Where batch norm is per
task, its parameters and statistics are kept then, and put back for the test on that task.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trit.runtime.files import write_atomic
from trit.train import checkpoint
from trit.train.consolidation import Protection, protection
from trit.train.distributed import is_main, processes
from trit.train.faults import ErrorModel
from trit.train.hidden import Distribution, distributions
from trit.train.loop import DataSet, Trainer
from trit.train.networks import build
from trit.train.recipe import Recipe
from trit.train.recipe_tasks import Joint, Replay
from trit.train.tasks import Task, joined, keep, with_replay

SETTLE_IMAGES, SETTLE_BATCH = 10_000, 500
NormState = dict[str, Tensor]  # of all batch norms: parameters and statistics, named as in the network's state


@dataclass
class _Learner:
    """The network and what else goes from one task to the next."""

    recipe: Recipe
    network: nn.Module
    protection: Protection
    norms: dict[str, NormState] = field(default_factory=dict)  # by the task's name
    kept: list[DataSet] = field(default_factory=list)  # images of former tasks, to replay
    hidden: dict[str, dict[str, Distribution]] = field(default_factory=dict)  # by the task's name, then the layer's
    history: list[dict[str, Any]] = field(default_factory=list)  # a line a task

    def state(self) -> dict[str, Any]:
        kept = [(torch.from_numpy(images), torch.from_numpy(labels)) for images, labels in self.kept]
        return {
            "network": self.network.state_dict(),
            "protection": self.protection.state(),
            "norms": self.norms,
            "kept": kept,
            "hidden": self.hidden,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.protection.restore(state["protection"])
        self.norms, self.history = state["norms"], state["history"]
        self.hidden = state.get("hidden", {})  # of version 0.1 there is none
        self.kept = [(images.numpy(), labels.numpy()) for images, labels in state["kept"]]


def learn(
    recipe: Recipe,
    tasks: list[Task],
    folder: Path,
    console: Console,
    errors: ErrorModel | None = None,
    resumed: dict[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Learn the tasks that are left and write folder/model.pt; after each, a line of history and a checkpoint.

    A line has the task, the loss of each epoch, the seconds so far, and the accuracy on the tests of all tasks so far.
    `resumed` is the state of an interrupted run with its "history". The same recipe and seed give the same model.
    """
    torch.manual_seed(recipe.seed)
    network = build(recipe)
    # Where and as the trainer has it, so that what a protection keeps of the weights lies as they do.
    network.to(processes().device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    learner = _Learner(recipe, network, protection(network, recipe))
    if resumed is not None:
        learner.restore(resumed)
    lessons = [_all_at_once(tasks)] if isinstance(recipe.protection, Joint) else tasks
    for number in range(len(learner.history), len(lessons)):
        lesson = lessons[number]
        start = time.perf_counter()
        train_set = with_replay(lesson.train_set, learner.kept)
        trainer = Trainer(recipe, train_set, network, errors, learner.protection)
        try:
            losses = _epochs(trainer, lesson.name, number, console)
        except KeyboardInterrupt:
            if number:
                console.print(f"{number} of {len(lessons)} tasks are saved: the same command with --resume goes on")
            raise
        _end_task(learner, trainer, lesson, number)
        accuracy = _accuracies(learner, trainer, tasks if len(lessons) == 1 else tasks[: number + 1])
        before = learner.history[-1]["seconds"] if learner.history else 0.0
        seconds = round(before + time.perf_counter() - start, 3)
        learner.history.append({"task": lesson.name, "loss": losses, "seconds": seconds, "accuracy": accuracy})
        if trainer.is_main:
            _save(learner, folder)
        mean = mean_accuracy(learner.history)
        console.print(f"{lesson.name}: loss {losses[-1]:.4f}, {mean:.2%} on {len(accuracy)} tests, {seconds:.0f} s")
    if is_main():
        mean = mean_accuracy(learner.history)
        checkpoint.save_model(folder / "model.pt", network, recipe, mean, learner.norms, learner.hidden)
    return learner.history


def mean_accuracy(history: list[dict[str, Any]]) -> float:
    """Over the tests of all tasks, after the last."""
    accuracy = history[-1]["accuracy"]
    return float(sum(accuracy.values()) / len(accuracy))


def norm_state(network: nn.Module) -> NormState:
    """A copy of all batch norms' parameters and statistics."""
    return {
        f"{name}.{key}": value.detach().cpu().clone()
        for name, module in network.named_modules()
        if isinstance(module, _BatchNorm)
        for key, value in module.state_dict().items()
    }


def settle(network: nn.Module, images: Tensor) -> None:
    """Measure the statistics of every batch norm anew over the images: the mean over batches of 500."""
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    momentums = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's word for the mean over all batches
    network.train()
    with torch.no_grad():
        for batch in torch.split(images, SETTLE_BATCH):
            network(batch)
    for norm, momentum in zip(norms, momentums, strict=True):
        norm.momentum = momentum
    network.eval()


def _epochs(trainer: Trainer, name: str, number: int, console: Console) -> list[float]:
    """Train the epochs of one task; the mean loss of each, without the protection's penalty."""
    epochs = trainer.recipe.training.epochs
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(name, total=epochs * trainer.steps_per_epoch)
        passes = range(number * epochs, (number + 1) * epochs)
        return [round(trainer.train_epoch(epoch, lambda: progress.advance(bar)), 5) for epoch in passes]


def _end_task(learner: _Learner, trainer: Trainer, task: Task, number: int) -> None:
    """Measure batch norm's statistics, and keep what the tasks to come need of this one."""
    seed = learner.recipe.seed + number
    order = torch.randperm(len(trainer.images), generator=torch.Generator().manual_seed(seed))[:SETTLE_IMAGES]
    images, labels = trainer.images[order], trainer.labels[order]
    settle(learner.network, images)
    learner.hidden[task.name] = distributions(learner.network)
    learner.protection.end_task(images, labels)
    if isinstance(learner.recipe.protection, Replay):
        learner.kept.append(keep(task.train_set, learner.recipe.protection.images, seed))
    if learner.recipe.tasks and learner.recipe.tasks.batch_norm == "per task":
        learner.norms[task.name] = norm_state(learner.network)


def _all_at_once(tasks: list[Task]) -> Task:
    return Task("all", joined(tasks), tasks[0].test_set, "all")


def _accuracies(learner: _Learner, trainer: Trainer, tasks: list[Task]) -> dict[str, float]:
    """On each test, with the batch norm of its task where that is kept; the network is left as it was."""
    now = norm_state(learner.network)
    found = {}
    for task in tasks:
        if task.test_name not in found:
            learner.network.load_state_dict(learner.norms.get(task.name, now), strict=False)
            found[task.test_name] = trainer.accuracy(task.test_set)
    learner.network.load_state_dict(now, strict=False)
    return found


def _save(learner: _Learner, folder: Path) -> None:
    lines = "".join(json.dumps(line) + "\n" for line in learner.history)
    write_atomic(folder / "history.jsonl", lines.encode())
    content = {"checkpoint": learner.state(), "text": learner.recipe.text, "history": learner.history}
    checkpoint.write(folder / "checkpoint.pt", content)
