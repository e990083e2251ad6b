# SPDX-License-Identifier: Apache-2.0
"""trit hidden-weights: how a trained network's hidden weights are distributed, and what they say about its weights."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trit.console import stderr
from trit.options import Data, Json
from trit.plots import hidden_plot
from trit.runtime.errors import TritError
from trit.tables import Column, show

if TYPE_CHECKING:
    from trit.train.hidden import Distribution, Switched
    from trit.train.loop import DataSet
    from trit.train.recipe import Recipe

FRACTIONS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)


def hidden_weights(
    run: Annotated[Path, typer.Argument(help="A folder of trit train, or its model.pt.")],
    task: Annotated[list[str] | None, typer.Option(help="Accuracy on this task's test; default: on all.")] = None,
    layer: Annotated[list[str] | None, typer.Option(help="Switch weights of this layer; default: of all.")] = None,
    draws: Annotated[int, typer.Option(min=1, help="How many times random weights are drawn.")] = 5,
    images: Annotated[int, typer.Option(min=1, help="How many test images the accuracy is of.")] = 10_000,
    plot: Annotated[Path | None, typer.Option(help="Draw both tables: .svg, .png or .pdf; needs matplotlib.")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """What hidden weights remember: their distribution, after each task where there were several, and the accuracy
    after switching the signs of the binary weights with the smallest, the largest, and random hidden magnitudes.

    Example: trit hidden-weights runs/metaplastic-permuted-mnist --task 'permuted 1' --plot hidden.svg
    """
    from trit.train.checkpoint import load_model, read
    from trit.train.hidden import distributions, switching

    model = run / "model.pt" if run.is_dir() else run
    network, recipe = load_model(model)
    content = read(model)
    hidden = content.get("hidden") or {"training": distributions(network)}
    curves: dict[str, list[Switched]] = {}
    with stderr.status(f"{model}") as status:
        for name, (pixels, labels) in _tests(recipe, data, task or []).items():
            of_task = load_model(model, name)[0] if name in content.get("norms", {}) else network
            curves[name] = []
            for found in switching(of_task, (pixels[:images], labels[:images]), FRACTIONS, draws, 0, layer or []):
                curves[name].append(found)
                status.update(f"{name}: {found.fraction:.0%} of the {found.order} switched")
    tests = {name: _rows(name, found) for name, found in curves.items()}
    rows = [row for found in tests.values() for row in found]
    weights = list(_weights(hidden))
    if not json:
        show(f"{model}: magnitudes of the hidden weights", _WEIGHTS, weights)
    of = ", ".join(layer) if layer else "all layers"
    note = f"fractions are of each layer's binary weights, or ±1; of {of}; random ones are drawn {draws} times"
    title = f"{model}: accuracy after switching signs, by hidden magnitude"
    show(title, _COLUMNS, rows, json, [note], model=str(model), layers=layer or [], hidden=hidden)
    if plot:
        hidden_plot(plot, hidden, tests)


def _tests(recipe: Recipe, data: Path | None, wanted: list[str]) -> dict[str, DataSet]:
    """The test of each task by its name, those that share one once; of a recipe without tasks its test set."""
    from trit.train.data import load_test
    from trit.train.tasks import make_tasks

    if recipe.tasks is None:
        tests: dict[str, DataSet] = {recipe.data: load_test(recipe.data, data, recipe.words)}
    else:
        tasks = make_tasks(recipe, data)
        shared = len({each.test_name for each in tasks}) < len(tasks)
        tests = {each.test_name if shared else each.name: each.test_set for each in tasks}
    for name in wanted:
        if name not in tests:
            raise TritError(f"--task {name}: recipe {recipe.name} has {', '.join(tests)}")
    return {name: test for name, test in tests.items() if not wanted or name in wanted}


def _rows(name: str, curves: Iterable[Switched]) -> list[dict[str, Any]]:
    rows: dict[float, dict[str, Any]] = {}
    for found in curves:
        row = rows.setdefault(found.fraction, {"test": name, "fraction": found.fraction})
        row[found.order] = statistics.mean(found.accuracies)
        if found.order == "random":
            row["spread"] = statistics.stdev(found.accuracies) if len(found.accuracies) > 1 else None
    return list(rows.values())


def _weights(hidden: dict[str, dict[str, Distribution]]) -> Iterable[dict[str, Any]]:
    for task, layers in hidden.items():
        for layer, found in layers.items():
            yield {"task": task, "layer": layer, **found}


_WEIGHTS = [
    Column("task", "after"),
    Column("layer", "layer"),
    Column("count", "weights", "{:,}"),
    Column("mean", "mean", "{:.4f}"),
    Column("median", "median", "{:.4f}"),
    Column("largest", "largest", "{:.4f}"),
]
_COLUMNS = [
    Column("test", "test"),
    Column("fraction", "switched", "{:.0%}"),
    Column("smallest", "smallest", "{:.2%}"),
    Column("random", "random", "{:.2%}"),
    Column("spread", "±", "{:.2%}"),
    Column("largest", "largest", "{:.2%}"),
]
