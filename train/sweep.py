# SPDX-License-Identifier: Apache-2.0
"""Many trainings side by side, on this machine's processors or on a Dask cluster, and which of them are worth it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trit.runtime.cluster import dask_workers
from trit.runtime.errors import TritError
from trit.runtime.files import write_atomic
from trit.train import checkpoint
from trit.train.faults import ErrorModel
from trit.train.grid import Run
from trit.train.recipe import Faults
from trit.train.run import train

ErrorModels = Callable[[Faults], ErrorModel]
# torch's seed is the whole process's: the threads of a Dask worker train one after the other.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Outcome:
    """What became of a run: accuracy and seconds of training, or why it failed."""

    run: Run
    accuracy: float | None = None  # as trit train says it
    validation_accuracy: float | None = None  # of data with a validation part
    seconds: float | None = None
    error: str | None = None

    @property
    def model(self) -> Path:
        return self.run.folder / "model.pt"


def sweep(
    recipe: str,
    text: str,
    runs: Sequence[Run],
    folder: Path,
    data: Path | None = None,
    jobs: int | None = None,
    cluster: str | None = None,
    error_model: ErrorModels | None = None,
) -> Iterator[Outcome]:
    """Train the runs that are not finished; every run's outcome as soon as it is known, those finished before first.

    `text` is the TOML of the recipe of that name. `jobs` processes share the machine's processors, by default one for
    each; with `cluster`, the address of a Dask scheduler, its workers train, which have to see `folder` at the same
    path. An interrupted run goes on from its checkpoint; a run that fails does not end the others. Raises TritError
    where the folder cannot be written, the cluster cannot be reached, or a worker's process dies.
    """
    copy = folder / f"{recipe}.toml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TritError(f"cannot write into {folder}: {error.strerror}") from error
    write_atomic(copy, text.encode())
    data = data and data.resolve()  # workers of a cluster are in folders of their own
    waiting = []
    for run in runs:
        if (run.folder / "model.pt").exists():
            yield _finished(run)
        else:
            waiting.append(run)
    if waiting:
        yield from _trained(waiting, (copy.resolve(), data, error_model), jobs, cluster)


def _trained(runs: Sequence[Run], task: tuple[Any, ...], jobs: int | None, cluster: str | None) -> Iterator[Outcome]:
    import joblib

    with nullcontext() if cluster is None else dask_workers(cluster):
        count = len(runs) if cluster else min(jobs or joblib.cpu_count(), len(runs))
        parallel = joblib.Parallel(n_jobs=count, return_as="generator_unordered", batch_size=1, pre_dispatch="all")
        try:
            yield from parallel(joblib.delayed(train_one)(run, *task) for run in runs)
        except Exception as error:  # a process was killed, or cannot import trit; what a run raises is its outcome
            where = f"a worker of {cluster}" if cluster else "a process"
            raise TritError(f"{where} died: {_one_line(error)}; the same command goes on with what is left") from error


def train_one(run: Run, recipe: Path, data: Path | None, error_model: ErrorModels | None) -> Outcome:
    """Train one run from its beginning or from its checkpoint, in the process that joblib chose."""
    if not recipe.exists():
        error = f"{recipe.parent} is not there on this worker: put the sweep's folder where all machines see it"
        return Outcome(run, error=error)
    resume = (run.folder / "checkpoint.pt").exists()
    try:
        with _ONE_AT_A_TIME:
            train(str(recipe), data, run.folder, run.overrides, resume, error_model=error_model)
    except Exception as error:  # whatever it is, the other runs go on
        return Outcome(run, error=_one_line(error))
    return _finished(run)


def _finished(run: Run) -> Outcome:
    try:
        accuracy = checkpoint.read(run.folder / "model.pt")["accuracy"]
        last = json.loads((run.folder / "history.jsonl").read_text().splitlines()[-1])
    except (TritError, OSError, ValueError, IndexError) as error:
        return Outcome(run, error=f"{_one_line(error)}; remove {run.folder} to train it again")
    return Outcome(run, accuracy, last.get("validation_accuracy"), last["seconds"])


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, TritError) else f"{type(error).__name__}: {text}"


def progress(runs: Sequence[Run]) -> tuple[int, int]:
    """How many epochs, or tasks where there are several, the runs have trained so far, and how many there are."""
    return sum(_lines(run.folder / "history.jsonl") for run in runs), sum(run.lines for run in runs)


def _lines(path: Path) -> int:
    return path.read_text().count("\n") if path.exists() else 0


def pareto(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Which of the points (cost, accuracy) no other dominates: costs no more, is as accurate or more, and not equal."""
    return [
        not any(c <= cost and a >= accuracy and (c, a) != (cost, accuracy) for c, a in points)
        for cost, accuracy in points
    ]
