# SPDX-License-Identifier: Apache-2.0
"""trit sweep: a recipe trained at all points of a grid, and what accuracy costs there."""

from __future__ import annotations

import csv
import io
import statistics
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trit import completion
from trit.commands.train import error_model
from trit.console import stderr
from trit.options import Data, Json
from trit.plots import pareto_plot
from trit.runtime.errors import TritError
from trit.runtime.files import write_atomic
from trit.tables import Column, show
from trit.targets.quantities import quantity

if TYPE_CHECKING:
    from trit.targets.description import Target
    from trit.train.grid import Run
    from trit.train.sweep import Outcome

COSTS = {"weight_bits": "weight bits", "latency": "latency (s)", "energy": "energy (J)"}
POLL_SECONDS = 0.5
Costs = dict[str, dict[str, Any]]  # by the place of a run in the grid


def sweep(
    recipe: Annotated[
        str,
        typer.Argument(
            help="A recipe, as of trit train, or the path of a TOML file.", autocompletion=completion.recipes
        ),
    ],
    grid: Annotated[
        list[str],
        typer.Option(
            metavar="KEY=VALUES", help="Values with commas for a key, e.g. width=16,32; several: their product."
        ),
    ],
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds each point is trained with.")] = 1,
    target: Annotated[
        str | None,
        typer.Option(
            help="Also latency and energy on this target: a name or a .toml file.", autocompletion=completion.targets
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw accuracy against the costs: .svg, .png or .pdf; needs matplotlib.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Trainings at a time; default: as many as there are processors.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Train on the workers of the Dask scheduler there.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the runs; default runs/RECIPE-sweep.")] = None,
    data: Data = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key at all points.")
    ] = None,
    json: Json = False,
) -> None:
    """Train a recipe at all points of a grid; a table of accuracy and costs, and the points that are worth it.

    The same command again goes on where it was interrupted, and trains what is new or has failed. Exit status 1 if a
    run failed.

    Example: trit sweep cifar10-ternary-vgg --grid width=16,32,64 --seeds 3 --target nrf52840 --plot pareto.svg

    Example: trit sweep fashion-ternary-cnn --grid learning_rate=0.003,0.01 --grid epochs=5,14 --cluster tcp://head:8786
    """
    from trit.targets.description import load_target
    from trit.train.grid import runs_of
    from trit.train.recipe import read_recipe
    from trit.train.sweep import sweep as train_all

    device = load_target(target) if target else None
    folder = out or Path("runs") / f"{Path(recipe).stem}-sweep"
    base, runs = runs_of(recipe, grid, seeds, set_ or [], folder)
    table = folder / "results.csv"
    outcomes: list[Outcome] = []
    with _progress(runs) as done:
        for outcome in train_all(base.name, read_recipe(recipe).text, runs, folder, data, jobs, cluster, error_model):
            outcomes.append(outcome)
            done(outcome)
            _write(table, outcomes, {})
    outcomes.sort(key=lambda outcome: runs.index(outcome.run))
    costs: Costs = {}
    with stderr.status("costs") as status:
        for outcome in outcomes:
            if not outcome.error and outcome.run.place not in costs:
                status.update(f"costs of {outcome.run.name}")
                costs[outcome.run.place] = _costs(outcome.model, device)
    _write(table, outcomes, costs)
    rows = _rows(outcomes, costs)
    notes = [f"a line a run, and its folder: {table}", *_notes(outcomes, rows)]
    shown = rows if json else [_readable(row) for row in rows]
    columns = [*(Column(key, key) for key in runs[0].point), *_COLUMNS]
    used = [column for column in columns if any(row.get(column.key) not in (None, "") for row in shown)]
    title = f"{base.name}: {len(rows)} points, {seeds} seed{'s' if seeds > 1 else ''} each"
    more = {"recipe": base.name, "target": target, "runs": [_run_row(outcome, costs) for outcome in outcomes]}
    show(title + (f"; costs on {device.name}" if device else ""), used, shown, json, notes, **more)
    if plot:
        pareto_plot(plot, rows, list(runs[0].point), COSTS, f" on {device.name}" if device else "")
    raise typer.Exit(1 if any(outcome.error for outcome in outcomes) else 0)


@contextmanager
def _progress(runs: Sequence[Run]) -> Iterator[Any]:
    """A bar over the epochs, or tasks, of all runs, read from their histories; what is called with each outcome."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from trit.train.sweep import progress as of_histories

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    stop, count = threading.Event(), 0
    with Progress(*columns, console=stderr, transient=True) as bars:
        bar = bars.add_task(f"0/{len(runs)} runs")

        def follow() -> None:
            while True:
                completed, total = of_histories(runs)
                bars.update(bar, completed=completed, total=total)
                if stop.wait(POLL_SECONDS):
                    return

        def done(outcome: Outcome) -> None:
            nonlocal count
            count += 1
            bars.update(bar, description=f"{count}/{len(runs)} runs")
            what = outcome.error or f"{outcome.accuracy:.2%} after {outcome.seconds:.0f} s"
            stderr.print(f"{outcome.run.name}: {what}", markup=False, highlight=False, soft_wrap=True)

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield done
        except KeyboardInterrupt:
            stderr.print("what is trained is saved: the same command goes on")
            raise
        finally:
            stop.set()
            thread.join()


def _costs(model: Path, target: Target | None) -> dict[str, Any]:
    """Weight bits, on a target also latency and energy of an image; a note where the model has none."""
    from trit.files import read_model
    from trit.targets.profile import profile, weight_bits

    costs: dict[str, Any] = {}
    try:
        graph = read_model(model)
        costs["weight_bits"] = weight_bits(graph)
        if target:
            found = profile(graph, target)
            costs |= {"latency": found.latency, "energy": found.energy}
            costs["origins"] = f"latency {found.latency_origin}, energy {found.energy_origin}"
    except TritError as error:
        costs["note"] = str(error)
    return costs


def _rows(outcomes: Sequence[Outcome], costs: Costs) -> list[dict[str, Any]]:
    """A row a point: mean and spread of its seeds, its costs, and for which of them no other point is better."""
    from trit.train.sweep import pareto

    points: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        points.setdefault(outcome.run.place, []).append(outcome)
    rows = [_row(found, costs) for found in points.values()]
    for row in rows:
        row["pareto"] = []
    for cost in COSTS:
        placed = [row for row in rows if row["accuracy"] is not None and row.get(cost) is not None]
        for row, best in zip(placed, pareto([(row[cost], row["accuracy"]) for row in placed]), strict=True):
            row["pareto"] += [cost] if best else []
    return rows


def _row(outcomes: Sequence[Outcome], costs: Costs) -> dict[str, Any]:
    accuracies = [outcome.accuracy for outcome in outcomes if outcome.accuracy is not None]
    validation = [outcome.validation_accuracy for outcome in outcomes if outcome.validation_accuracy is not None]
    failed = [f"seed {outcome.run.seed}: {outcome.error}" for outcome in outcomes if outcome.error]
    return {
        **outcomes[0].run.point,
        "trained": len(accuracies),
        "accuracy": statistics.mean(accuracies) if accuracies else None,
        "spread": statistics.stdev(accuracies) if len(accuracies) > 1 else None,
        "validation_accuracy": statistics.mean(validation) if validation else None,
        "seconds": sum(outcome.seconds or 0.0 for outcome in outcomes),
        **costs.get(outcomes[0].run.place, {}),
        "failed": failed,
    }


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    shown = {key: str(value) if isinstance(value, list) else value for key, value in row.items()}
    shown |= {"pareto": ", ".join(COSTS[key].partition(" (")[0] for key in row["pareto"])}
    shown |= {"failed": "; ".join(row["failed"]), "latency": quantity(row.get("latency"), "s")}
    return {**shown, "energy": quantity(row.get("energy"), "J")}


def _notes(outcomes: Sequence[Outcome], rows: Sequence[dict[str, Any]]) -> list[str]:
    origins = dict.fromkeys(row["origins"] for row in rows if "origins" in row)
    refused = [f"costs: {note}" for note in dict.fromkeys(row["note"] for row in rows if "note" in row)]
    failed = sum(outcome.error is not None for outcome in outcomes)
    return [*origins, *refused, *([f"{failed} of {len(outcomes)} runs failed"] if failed else [])]


def _run_row(outcome: Outcome, costs: Costs) -> dict[str, Any]:
    return {
        **outcome.run.point,
        "seed": outcome.run.seed,
        "accuracy": outcome.accuracy,
        "validation_accuracy": outcome.validation_accuracy,
        "seconds": outcome.seconds,
        **{key: costs.get(outcome.run.place, {}).get(key) for key in COSTS},
        "error": outcome.error,
        "folder": str(outcome.run.folder),
    }


def _write(path: Path, outcomes: Sequence[Outcome], costs: Costs) -> None:
    """results.csv: a line a run, with its point's costs."""
    stream = io.StringIO()
    rows = [_run_row(outcome, costs) for outcome in outcomes]
    writer = csv.DictWriter(stream, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(path, stream.getvalue().encode())


_COLUMNS = [
    Column("trained", "runs"),
    Column("accuracy", "accuracy", "{:.2%}"),
    Column("spread", "±", "{:.2%}"),
    Column("validation_accuracy", "validation", "{:.2%}"),
    Column("seconds", "seconds", "{:.0f}"),
    Column("weight_bits", "weight bits", "{:,}"),
    Column("latency", "latency"),
    Column("energy", "energy"),
    Column("pareto", "Pareto front"),
    Column("failed", "failed"),
]
