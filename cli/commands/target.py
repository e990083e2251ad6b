# SPDX-License-Identifier: Apache-2.0
"""trit target: check a description, compare operating points, find the best one, calibrate a sense amplifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trit import completion
from trit.console import stderr
from trit.options import Data, Inputs, Json, Model, Set
from trit.plots import RATES, sweep_plot
from trit.runtime.errors import TritError
from trit.tables import Column, show
from trit.targets.quantities import quantity

if TYPE_CHECKING:
    from trit.targets.rram.chip import Rram
    from trit.targets.rram.search import Point

HELP = "Check, compare, tune and calibrate target descriptions.\n\nExample: trit target check my-chip.toml"
target = typer.Typer(no_args_is_help=True, help=HELP)
Chip = Annotated[
    str,
    typer.Option("--target", help="An RRAM target's name, or its .toml file.", autocompletion=completion.targets),
]
Chips = Annotated[int, typer.Option(min=1, help="How many programmed chips the accuracy is of.")]
Images = Annotated[int, typer.Option(min=1, help="How many test images the accuracy is of.")]
DEFAULT = "rram-2t2r-130nm"


@target.command()
def check(
    file: Annotated[
        str,
        typer.Argument(help="A target description, .toml, or a target's name.", autocompletion=completion.targets),
    ],
    json: Json = False,
) -> None:
    """Check a description's keys, units and physical sense; exit status 1 if it cannot be used.

    Example: trit target check my-chip.toml
    """
    from trit.targets.check import check_target

    findings = check_target(file)
    errors = sum(finding.severity == "error" for finding in findings)
    if findings or json:
        columns = [Column("severity", "what"), Column("key", "key"), Column("text", "why")]
        show(file, columns, [asdict(finding) for finding in findings], json)
    else:
        typer.echo(f"{file}: nothing is wrong")
    raise typer.Exit(1 if errors else 0)


@target.command()
def sweep(
    over: Annotated[
        list[str],
        typer.Option(metavar="KEY=VALUES", help="A key of the table operation: LOW:HIGH:COUNT, or values with commas."),
    ],
    target: Chip = DEFAULT,
    model: Annotated[Path | None, typer.Option(help="Also the costs of this model, and its accuracy.")] = None,
    set_: Set = None,
    chips: Chips = 20,
    images: Images = 1000,
    plot: Annotated[Path | None, typer.Option(help="Draw the table: .svg, .png or .pdf; needs matplotlib.")] = None,
    data: Data = None,
    inputs: Inputs = None,
    json: Json = False,
) -> None:
    """Error rates, energy and accuracy at operating points side by side.

    Example: trit target sweep --over supply=0.6:1.8:7 --over corner=tt,ss,ff --model fashion.onnx --plot supply.svg
    """
    from trit.files import read_model
    from trit.inputs import inputs_for
    from trit.targets.rram.search import sweep as points_of

    chip, grid = _chip(target, set_), dict(_values(each) for each in over)
    graph = read_model(model) if model else None
    tests = inputs_for(graph, images, data, inputs) if graph else None
    pair = tests.labelled(model) if tests else None
    found = []
    with stderr.status(f"{chip.name}: {', '.join(over)}") as status:
        for point in points_of(chip, grid, graph, pair, chips):
            found.append(point)
            status.update(f"{chip.name}: {len(found)} operating points")
    rows = [_row(point) for point in found]
    columns = [*(Column(key, key, "{:g}" if _is_number(rows, key) else "{}") for key in grid), *_POINT_COLUMNS]
    used = [column for column in columns if any(row.get(column.key) is not None for row in rows)]
    show(f"{chip.name}: {chip.title}", used, rows, json, notes=_notes(found))
    if plot:
        sweep_plot(plot, rows, list(grid))


@target.command()
def tune(
    model: Model,
    target: Chip = DEFAULT,
    loss: Annotated[float, typer.Option(min=0, help="Points of accuracy that errors may cost, in the mean.")] = 0.5,
    set_: Set = None,
    chips: Chips = 20,
    images: Images = 1000,
    data: Data = None,
    inputs: Inputs = None,
    json: Json = False,
) -> None:
    """Find the supply and read time that take the least energy at next to the error-free accuracy.

    Exit status 1 if no operating point reaches it. Example: trit target tune fashion.onnx --loss 0.5
    """
    from trit.files import read_model
    from trit.inputs import inputs_for
    from trit.targets.accuracy import accuracy
    from trit.targets.description import load_target
    from trit.targets.rram.search import tune as search

    chip, graph = _chip(target, set_), read_model(model)
    tests = inputs_for(graph, images, data, inputs)
    pair = tests.labelled(model)
    clean = accuracy(graph, load_target("host"), *pair).mean
    points: list[Point] = []
    with stderr.status(f"{chip.name}: trying supplies") as status:

        def note(point: Point) -> None:
            points.append(point)
            status.update(f"{chip.name}: {point.operation.supply:.3f} V")

        best = search(chip, graph, pair, chips, clean - loss / 100, note)
    points.sort(key=lambda point: point.operation.supply)
    rows = [{**_row(point), "best": "best" if point is best else None} for point in points]
    columns = [Column("supply", "supply (V)", "{:.3f}"), Column("read_time", "read time"), *_POINT_COLUMNS]
    notes = [f"error-free accuracy {clean:.2%} on {tests.origin}; errors may cost {loss:g} points", *_notes(points)]
    shown = rows if json else [{**row, "read_time": quantity(row["read_time"], "s")} for row in rows]
    show(f"{chip.name}: {chip.title}", [*columns, Column("best", "")], shown, json, notes, accuracy=clean)
    raise typer.Exit(0 if best else 1)


@target.command()
def calibrate(
    cards: Annotated[Path | None, typer.Argument(help="Your transistors' model cards; none: trit's own.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The table to write, .json.")] = Path(
        "technology.json"
    ),
) -> None:
    """Simulate a sense amplifier over a grid with ngspice, and fit the model of its reads to it.

    Example: trit target calibrate my-cards.lib -o my-process.json
    """
    from trit.targets.rram.calibrate import calibrate as fit
    from trit.targets.rram.circuit import Process, generic130

    process = Process(cards) if cards else generic130()
    with stderr.status("simulating") as status:
        fit(process, output.stem, progress=status.update).save(output)
    typer.echo(f'{output}: name it as sense.technology = "{output}" in a description')


def _chip(name: str, overrides: Sequence[str] | None) -> Rram:
    from trit.targets.description import load_target
    from trit.targets.rram.chip import Rram

    chip = load_target(name, overrides or ())
    if not isinstance(chip, Rram):
        raise TritError(f"--target {name}: is a {chip.kind}, whose operating point is fixed; give an RRAM target")
    return chip


def _values(text: str) -> tuple[str, list[Any]]:
    """KEY=LOW:HIGH:COUNT or KEY=A,B,C."""
    key, separator, values = text.partition("=")
    if not separator or not values:
        raise TritError(f"--over {text}: give KEY=LOW:HIGH:COUNT or KEY=A,B,C, e.g. supply=0.6:1.8:7")
    if ":" not in values:
        return key, [_number(value) for value in values.split(",")]
    parts = [_number(part) for part in values.split(":")]
    match parts:
        case [float(low), float(high), float(count)] if count >= 2 and count == int(count):
            return key, [float(f"{low + (high - low) * i / (count - 1):.6g}") for i in range(int(count))]
    raise TritError(f"--over {text}: a range is LOW:HIGH:COUNT with two or more points, e.g. supply=0.6:1.8:7")


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _is_number(rows: list[dict[str, Any]], key: str) -> bool:
    return all(isinstance(row.get(key), float | int) for row in rows)


def _row(point: Point) -> dict[str, Any]:
    accuracy = point.accuracy
    return {
        **point.operation.model_dump(),
        **point.rates,
        "energy": point.energy,
        "latency": point.latency,
        "accuracy": None if accuracy is None else accuracy.mean,
        "spread": None if accuracy is None else accuracy.std,
        "worst": None if accuracy is None else accuracy.worst,
        "warnings": point.warnings,
    }


def _notes(points: Sequence[Point]) -> list[str]:
    """What speaks against some of the points, once each."""
    return list(dict.fromkeys(text for point in points for text in point.warnings))


_POINT_COLUMNS = [
    *(Column(rate, label, "{:.2g}") for rate, label in RATES.items()),
    Column("energy", "energy (J)", "{:.3g}"),
    Column("latency", "latency (s)", "{:.3g}"),
    Column("accuracy", "accuracy", "{:.2%}"),
    Column("spread", "±", "{:.2%}"),
    Column("worst", "worst chip", "{:.2%}"),
]
