# SPDX-License-Identifier: Apache-2.0
"""Train a recipe: the entry of `trit train`."""

from __future__ import annotations

import ctypes
import json
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from trit.runtime.errors import TritError
from trit.runtime.files import write_atomic
from trit.train import checkpoint
from trit.train.continual import learn, mean_accuracy
from trit.train.data import load_test, load_train, load_validation
from trit.train.distributed import from_main, is_main, processes
from trit.train.equilibrium_training import EquilibriumTrainer
from trit.train.faults import ErrorModel
from trit.train.loop import DataSet, Trainer
from trit.train.recipe import Faults, Recipe, read_recipe
from trit.train.tasks import make_tasks


@dataclass(frozen=True)
class TrainResult:
    """What a training came to."""

    accuracy: float  # on the test set, of the quantized network in evaluation mode; the mean over the tests of tasks
    seconds: float  # wall-clock, of training, over all resumed parts
    model: Path
    epochs: list[dict[str, Any]] = field(default_factory=list)  # the lines of its history
    tasks: list[dict[str, Any]] = field(default_factory=list)  # of a recipe with tasks instead: theirs


def train(
    recipe: str,
    data: Path | None = None,
    out: Path | None = None,
    overrides: list[str] | None = None,
    resume: bool = False,
    console: Console | None = None,
    error_model: Callable[[Faults], ErrorModel] | None = None,
) -> TrainResult:
    """Train the recipe of that name or path and write out/model.pt, out/history.jsonl and out/checkpoint.pt.

    The same recipe and seed give the same model on the same machine; a resumed training gives what an uninterrupted
    one gives. `error_model` turns a recipe's faults into probabilities (trit.targets.rram.errors.error_model). Raises
    TritError for mistakes in the recipe, missing data, or nothing to resume. Of several processes the main one writes
    and prints, and its checkpoint is what all resume.
    """
    chosen = read_recipe(recipe, overrides)
    if chosen.faults and error_model is None:
        raise TritError(f"recipe {chosen.name}: [faults] needs an error_model, as trit train has it")
    errors = error_model(chosen.faults) if chosen.faults and error_model else None
    folder = out or Path("runs") / chosen.name
    state = from_main(lambda: _state_to_resume(folder, chosen)) if resume else None
    shown = console if console and is_main() else Console(quiet=True)
    if chosen.tasks:
        with processes().local_main_process_first():  # which downloads what is missing
            tasks = make_tasks(chosen, data)
        from_main(lambda: _make(folder))
        history = learn(chosen, tasks, folder, shown, errors, state)
        return TrainResult(mean_accuracy(history), history[-1]["seconds"], folder / "model.pt", tasks=history)
    with processes().local_main_process_first():
        train_set, test_set = (load(chosen.data, data, chosen.words) for load in (load_train, load_test))
        validation_set = load_validation(chosen.data, data, chosen.words)
    from_main(lambda: _make(folder))
    trainer = EquilibriumTrainer(chosen, train_set) if chosen.equilibrium else Trainer(chosen, train_set, errors=errors)
    history = []
    if state is not None:
        trainer.restore(state)
        history = state["history"]
    watched = _Watched("test", test_set) if validation_set is None else _Watched("validation", validation_set)
    _run_epochs(trainer, watched, folder, history, shown)
    accuracy = trainer.accuracy(test_set)
    model = folder / "model.pt"
    if trainer.is_main:
        checkpoint.save_model(model, trainer.network, chosen, accuracy)
    return TrainResult(accuracy, history[-1]["seconds"], model, history)


@dataclass(frozen=True)
class _Watched:
    """The data whose accuracy stands in the history: validation data, where the set has such a part."""

    name: str
    data: DataSet


def _run_epochs(
    trainer: Trainer, watched: _Watched, folder: Path, history: list[dict[str, Any]], console: Console
) -> None:
    """Train the epochs that are left; after each, a line of history and a checkpoint."""
    recipe = trainer.recipe
    epochs, steps = recipe.training.epochs, trainer.steps_per_epoch
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    before = history[-1]["seconds"] if history else 0.0
    start = time.perf_counter()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(recipe.name, total=epochs * steps, completed=len(history) * steps)
        for epoch in range(len(history), epochs):
            try:
                loss = trainer.train_epoch(epoch, lambda: progress.advance(task))
            except KeyboardInterrupt:
                if history:
                    console.print(f"{epoch} of {epochs} epochs are saved: the same command with --resume goes on")
                raise
            seconds = round(before + time.perf_counter() - start, 3)
            accuracy = trainer.accuracy(watched.data)
            history.append({"epoch": epoch + 1, "loss": loss, f"{watched.name}_accuracy": accuracy, "seconds": seconds})
            if trainer.is_main:
                _save(folder, trainer, recipe, history)
            line = f"epoch {epoch + 1}/{epochs}  loss {loss:.4f}  {watched.name} {accuracy:.2%}  {seconds:.0f} s"
            console.print(line)


def _save(folder: Path, trainer: Trainer, recipe: Recipe, history: list[dict[str, Any]]) -> None:
    lines = "".join(json.dumps(line) + "\n" for line in history)
    write_atomic(folder / "history.jsonl", lines.encode())
    content = {"checkpoint": trainer.state(), "text": recipe.text, "history": history}
    checkpoint.write(folder / "checkpoint.pt", content)


def _state_to_resume(folder: Path, recipe: Recipe) -> dict[str, Any]:
    path = folder / "checkpoint.pt"
    if not path.exists():
        raise TritError(f"nothing to resume: {path} does not exist")
    content = checkpoint.read(path)
    if content.get("text") != recipe.text:
        raise TritError(f"{path}: was made by another recipe than {recipe.name}: train without --resume, or elsewhere")
    return {**content["checkpoint"], "history": content["history"]}


def keep_freed_memory() -> None:
    """Let glibc keep what training frees, for the rest of the process; elsewhere nothing changes.

    Every step frees its tensors and asks for the same ones again. By default glibc gives those above 32 MB back each
    time, and smaller ones where they end its heap, and the system clears every page anew.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt, trim_threshold, mmap_max = ctypes.CDLL(None).mallopt, -1, -4
    mallopt(trim_threshold, -1)  # never
    mallopt(mmap_max, 0)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TritError(f"cannot write into {folder}: {error.strerror}") from error
