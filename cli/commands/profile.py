# SPDX-License-Identifier: Apache-2.0
"""trit profile: what a model costs on targets, layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import count
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trit import completion
from trit.console import stderr
from trit.limits import KEYS, broken_limits, read_limits
from trit.options import CHARGES, TIMES, Data, Inputs, Json, Model, Set, Task, read_quantity
from trit.plots import RATES
from trit.runtime.errors import TritError
from trit.sparks import bar
from trit.tables import Column, show, show_json
from trit.targets.quantities import duration, quantity

if TYPE_CHECKING:
    from rich.status import Status

    from trit.targets.accuracy import Accuracy
    from trit.targets.duty import Duty
    from trit.targets.profile import Profile
    from trit.targets.rram.whole import Chip


def profile(
    model: Model,
    target: Annotated[
        str,
        typer.Option(help="Targets, separated by commas: names or .toml files.", autocompletion=completion.targets),
    ] = "host",
    accuracy: Annotated[int, typer.Option(min=0, help="Also the accuracy on this many test images.")] = 0,
    monte_carlo: Annotated[
        int | None, typer.Option(min=1, metavar="CHIPS", help="Accuracy of this many programmed RRAM chips.")
    ] = None,
    bar: Annotated[
        float | None, typer.Option(min=0, max=100, help="With --monte-carlo: yield at this accuracy, in percent.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="With --monte-carlo: share the chips over a Dask cluster.")
    ] = None,
    every: Annotated[str | None, typer.Option(help="Time from one inference to the next, as 100ms, 1s, 10min.")] = None,
    battery: Annotated[str | None, typer.Option(help="With --every: the battery's charge, as 225mAh.")] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help=f"Exit status 1 where a target breaks it: {KEYS}; repeatable."),
    ] = None,
    set_: Set = None,
    task: Task = None,
    data: Data = None,
    inputs: Inputs = None,
    json: Json = False,
) -> None:
    """Time, energy and memory of a model on targets, layer by layer, for one image.

    With --every also the average current of a microcontroller that sleeps between inferences; with --monte-carlo the
    accuracy of RRAM chips whose devices and sense amplifiers differ.

    Example: trit profile fashion.onnx --target host,nrf52840,rram-2t2r-130nm

    Example: trit profile fashion.onnx --target stm32u585 --every 10s --battery 225mAh

    Example: trit profile fashion.onnx --target rram-2t2r-130nm --monte-carlo 200 --set operation.supply=0.8

    Example: trit profile fashion.onnx --target nrf52840 --limit flash=262144 --limit latency=500ms
    """
    from trit.files import read_model
    from trit.inputs import inputs_for
    from trit.targets.accuracy import CHIPS
    from trit.targets.accuracy import accuracy as accuracy_of
    from trit.targets.description import load_target
    from trit.targets.duty import can_sleep
    from trit.targets.duty import duty as duty_of
    from trit.targets.profile import profile as profile_of

    period = read_quantity(every, TIMES, "--every", "100ms")
    charge = read_quantity(battery, CHARGES, "--battery", "225mAh")
    if charge and not period:
        raise TritError("--battery needs --every: how often the model runs")
    if monte_carlo is None and (bar is not None or cluster is not None):
        raise TritError("--bar and --cluster need --monte-carlo: how many chips to simulate")
    accuracy = accuracy or (MOST_IMAGES if monte_carlo else 0)
    limits = read_limits(limit or (), accuracy > 0)
    targets = [load_target(name, set_ or ()) for name in target.split(",")]
    if period is not None:
        for each in targets:
            can_sleep(each)
    graph = read_model(model)
    tests = inputs_for(graph, max(1, accuracy), data, inputs, task)
    tested = graph.of_task(task)
    labels = tests.labelled(model)[1] if accuracy else None
    chips, results = monte_carlo or CHIPS, []
    for each in targets:
        with stderr.status(f"{each.name}: {each.title}") as status:
            costs = profile_of(graph, each, tests.images)
            duty = None if period is None else duty_of(costs, each, period, charge)
            right = None
            if labels is not None:
                on_chip = _counted(status, f"{each.name}: chip {{}} of {chips}")
                right = accuracy_of(tested, each, tests.images, labels, chips, cluster, on_chip)
        results.append(_Result(costs, right, duty))
    if json:
        show_json(model=str(model), inputs=tests.origin, profiles=[_as_json(result, bar) for result in results])
    else:
        for result in results:
            _print(result, tests.origin, bar)
    broken = [line for result in results for line in broken_limits(limits, result.profile, result.accuracy)]
    for line in broken:
        typer.echo(line, err=True)
    if broken:
        raise typer.Exit(1)


def _counted(status: Status, text: str) -> Callable[[], None]:
    """Shows the text with the number of the call."""
    done = count(1)
    return lambda: status.update(text.format(next(done)))


@dataclass(frozen=True)
class _Result:
    """What one target's profile shows."""

    profile: Profile
    accuracy: Accuracy | None
    duty: Duty | None


def _as_json(result: _Result, bar: float | None) -> dict[str, Any]:
    right, duty = result.accuracy, result.duty
    figures = None
    if right is not None:
        figures = {**asdict(right), "mean": right.mean, "std": right.std, "worst": right.worst}
        if bar is not None:
            figures |= {"bar": bar / 100, "yield": right.yields(bar / 100)}
    return {
        **result.profile.as_json(),
        "accuracy": figures,
        "duty": None if duty is None else asdict(duty),
    }


def _print(result: _Result, inputs: str, bar: float | None) -> None:
    profile, accuracy = result.profile, result.accuracy
    rows = [_row(asdict(layer), profile.latency) for layer in profile.layers]
    total: dict[str, Any] = {
        "layer": "total",
        "latency": quantity(profile.latency, "s"),
        "energy": quantity(profile.energy, "J"),
    }
    for key in ("macs", "parameter_bytes", "instructions", "senses", "arrays"):
        values = [row[key] for row in rows if row[key] is not None]
        total[key] = sum(values) if values else None
    columns = [column for column in _COLUMNS if any(row.get(column.key) is not None for row in rows)]
    notes = [*_memory_note(profile), *profile.notes]
    if result.duty:
        notes.insert(0, _duty_note(result.duty))
    if accuracy:
        notes = [f"accuracy {accuracy} on {inputs}", *_chips_notes(accuracy, bar), *notes]
    if profile.energies:
        show(f"{profile.target}: energy of an image by component", _COMPONENT_COLUMNS, _components(profile))
    show(f"{profile.target}: {profile.title}", columns, [*rows, total], notes=notes)


def _chips_notes(accuracy: Accuracy, bar: float | None) -> list[str]:
    if len(accuracy.draws) == 1 and not accuracy.rates:
        return []
    rates = ", ".join(f"{RATES[name]} {rate:.2g}" for name, rate in accuracy.rates.items())
    text = f"{len(accuracy.draws)} chips: the worst {accuracy.worst:.2%}"
    if bar is not None:
        text += f", {accuracy.yields(bar / 100):.1%} of them reach {bar:g}%"
    return [text, f"probabilities that a read errs: {rates}"] if rates else [text]


def _components(profile: Profile) -> list[dict[str, Any]]:
    energies, whole = profile.energies, profile.energy
    return [
        {"name": name, "energy": quantity(value, "J"), "share": value / whole, "origin": profile.energy_origins[name]}
        for name, value in energies.items()
        if value
    ]


def _chip_notes(chip: Chip) -> list[str]:
    written, area = chip.programming, sum(chip.area.values())
    of = "" if chip.available is None else f" of {chip.available}"
    parts = ", ".join(f"{name} {value * 1e6:.3g}" for name, value in chip.area.items())
    forming = "" if written.forming_energy is None else f", forming before that {quantity(written.forming_energy, 'J')}"
    return [
        f"{chip.arrays}{of} arrays of {chip.rows} × {chip.columns} synapses, {chip.utilisation:.0%} used",
        f"area {area * 1e6:.3g} mm² ({chip.area_origin}): {parts}",
        f"programming {written.devices:,} devices takes {quantity(written.energy, 'J')} and "
        f"{duration(written.time)} ({written.origin}){forming}; devices bear it {written.endurance:.0e} times",
    ]


def _memory_note(profile: Profile) -> list[str]:
    sizes = [f"{name} {size:,} bytes" for name, size in (("flash", profile.flash), ("RAM", profile.ram)) if size]
    origins = f"latency {profile.latency_origin}, energy {profile.energy_origin}"
    if profile.chip:
        power = f"{quantity(profile.power, 'W')} while it runs"
        return [", ".join([f"{profile.weight_bits:,} weight bits", power, origins]), *_chip_notes(profile.chip)]
    return [", ".join([*sizes, f"{profile.weight_bits:,} weight bits", origins])]


def _duty_note(duty: Duty) -> str:
    taken = f"{quantity(duty.current, 'A')} and {quantity(duty.power, 'W')} on average ({duty.origin})"
    text = f"every {duration(duty.period)}: active {100 * duty.active:.3g}% of the time, {taken}"
    if duty.life is not None:
        text += f"; a battery of {quantity(duty.battery, 'Ah')} lasts {duration(duty.life)}"
    return text


def _row(layer: dict[str, Any], latency: float) -> dict[str, Any]:
    shown = {"latency": quantity(layer["latency"], "s"), "energy": quantity(layer["energy"], "J")}
    return {**layer, **shown, "share": bar(layer["latency"] / latency) if latency else ""}


MOST_IMAGES = 10_000  # of a Monte Carlo simulation, unless told otherwise
_COMPONENT_COLUMNS = [
    Column("name", "component"),
    Column("energy", "energy"),
    Column("share", "share", "{:.1%}"),
    Column("origin", "origin"),
]
_COLUMNS = [
    Column("layer", "layer"),
    Column("operator", "operator"),
    Column("output", "output"),
    Column("macs", "MACs", "{:,}"),
    Column("parameter_bytes", "bytes", "{:,}"),
    Column("instructions", "instructions", "{:,}"),
    Column("senses", "senses", "{:,}"),
    Column("arrays", "arrays", "{:,}"),
    Column("latency", "latency"),
    Column("share", "of the time"),
    Column("energy", "energy"),
]
