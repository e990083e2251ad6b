# SPDX-License-Identifier: Apache-2.0
"""trit verify: do all executors that are installed give the same bits?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from trit.console import stderr
from trit.options import Data, Inputs, Json, Model, Task
from trit.tables import Column, show

if TYPE_CHECKING:
    from trit.export.graph import Graph
    from trit.targets.verify import Array, Executor, Images


def verify(
    model: Model,
    images: Annotated[int, typer.Option(min=1, help="How many images to run.")] = 64,
    all_images: Annotated[bool, typer.Option("--all", help="Run the whole test set of the model's data.")] = False,
    only: Annotated[str, typer.Option(help="Only executors whose name contains this.")] = "",
    task: Task = None,
    data: Data = None,
    inputs: Inputs = None,
    json: Json = False,
) -> None:
    """Run one model in every executor and compare the scores bit for bit. Exit status 1 if any differs or fails.

    Of a model.pt the torch network runs too, in float32; its classes are compared.

    Example: trit verify fashion.onnx --images 256
    """
    from trit.files import read_model
    from trit.inputs import inputs_for
    from trit.targets.verify import EXECUTORS
    from trit.targets.verify import verify as verdicts_of

    graph = read_model(model)
    tests = inputs_for(graph, None if all_images else images, data, inputs, task)
    task = task or next(iter(graph.tasks), None)
    graph = graph.of_task(task)
    floats = {"torch, float32": _torch(model, task)} if model.suffix == ".pt" else {}
    rows = []
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=stderr, transient=True) as progress:
        bar = progress.add_task("numpy reference", total=None)
        pending = [name for name in [*floats, *EXECUTORS] if only in name]
        for verdict in verdicts_of(graph, tests.images, tests.labels, only, floats):
            rows.append(asdict(verdict))
            progress.update(bar, description=pending.pop(0) if pending else "done")
    differs = any(row["status"] in ("differs", "failed") for row in rows)
    title = f"{model.name} on {tests.origin}"
    show(title, _COLUMNS, rows, json, model=str(model), inputs=tests.origin, equal=not differs)
    raise typer.Exit(1 if differs else 0)


def _torch(model: Path, task: str | None) -> Executor:
    def run(_: Graph, images: Images) -> Array:
        import torch

        from trit.train.checkpoint import load_model
        from trit.train.loop import evaluate

        return evaluate(load_model(model, task)[0], torch.tensor(images)).numpy()

    return run


_COLUMNS = [
    Column("executor", "executor"),
    Column("status", "scores"),
    Column("differing", "images that differ"),
    Column("accuracy", "accuracy", "{:.2%}"),
    Column("seconds", "seconds", "{:.2f}"),
    Column("note", "note"),
]
