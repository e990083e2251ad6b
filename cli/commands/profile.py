# SPDX-License-Identifier: Apache-2.0
"""trit profile: what a model costs on targets, layer by layer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trit.console import stderr
from trit.options import CHARGES, TIMES, Data, Inputs, Json, Model, read_quantity
from trit.runtime.errors import TritError
from trit.tables import Column, show, show_json
from trit.targets.quantities import duration, quantity

if TYPE_CHECKING:
    from trit.targets.accuracy import Accuracy
    from trit.targets.duty import Duty
    from trit.targets.profile import Profile


def profile(
    model: Model,
    target: Annotated[str, typer.Option(help="Targets, separated by commas: names or .toml files.")] = "host",
    accuracy: Annotated[int, typer.Option(min=0, help="Also the accuracy on this many test images.")] = 0,
    every: Annotated[str | None, typer.Option(help="Time from one inference to the next, as 100ms, 1s, 10min.")] = None,
    battery: Annotated[str | None, typer.Option(help="With --every: the battery's charge, as 225mAh.")] = None,
    data: Data = None,
    inputs: Inputs = None,
    json: Json = False,
) -> None:
    """Time, energy and memory of a model on targets, layer by layer, for one image.

    With --every also the average current of a microcontroller that sleeps between inferences.

    Example: trit profile fashion.onnx --target host,nrf52840,rram-2t2r-130nm

    Example: trit profile fashion.onnx --target stm32u585 --every 10s --battery 225mAh
    """
    from trit.files import read_model
    from trit.inputs import inputs_for
    from trit.targets.accuracy import accuracy as accuracy_of
    from trit.targets.description import load_target
    from trit.targets.duty import can_sleep
    from trit.targets.duty import duty as duty_of
    from trit.targets.profile import profile as profile_of

    period = read_quantity(every, TIMES, "--every", "100ms")
    charge = read_quantity(battery, CHARGES, "--battery", "225mAh")
    if charge and not period:
        raise TritError("--battery needs --every: how often the model runs")
    targets = [load_target(name) for name in target.split(",")]
    if period is not None:
        for each in targets:
            can_sleep(each)
    graph = read_model(model)
    tests = inputs_for(graph, max(1, accuracy), data, inputs)
    if accuracy and tests.labels is None:
        raise TritError(f"{model}: there are no labelled images for its accuracy: name their folder with --data")
    labels = tests.labels if accuracy else None
    results = []
    for each in targets:
        with stderr.status(f"{each.name}: {each.title}"):
            costs = profile_of(graph, each, tests.images)
            duty = None if period is None else duty_of(costs, each, period, charge)
            right = None if labels is None else accuracy_of(graph, each, tests.images, labels)
            results.append(_Result(costs, right, duty))
    if json:
        show_json(model=str(model), inputs=tests.origin, profiles=[_as_json(result) for result in results])
        return
    for result in results:
        _print(result, tests.origin)


@dataclass(frozen=True)
class _Result:
    """What one target's profile shows."""

    profile: Profile
    accuracy: Accuracy | None
    duty: Duty | None


def _as_json(result: _Result) -> dict[str, Any]:
    right, duty = result.accuracy, result.duty
    return {
        **result.profile.as_json(),
        "accuracy": None if right is None else {**asdict(right), "mean": right.mean, "std": right.std},
        "duty": None if duty is None else asdict(duty),
    }


def _print(result: _Result, inputs: str) -> None:
    profile, accuracy = result.profile, result.accuracy
    rows = [_row(asdict(layer)) for layer in profile.layers]
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
        notes = [f"accuracy {accuracy} on {inputs}", *notes, *accuracy.notes]
    show(f"{profile.target}: {profile.title}", columns, [*rows, total], notes=notes)


def _memory_note(profile: Profile) -> list[str]:
    sizes = [f"{name} {size:,} bytes" for name, size in (("flash", profile.flash), ("RAM", profile.ram)) if size]
    origins = f"latency {profile.latency_origin}, energy {profile.energy_origin}"
    return [", ".join([*sizes, f"{profile.weight_bits:,} weight bits", origins])]


def _duty_note(duty: Duty) -> str:
    taken = f"{quantity(duty.current, 'A')} and {quantity(duty.power, 'W')} on average ({duty.origin})"
    text = f"every {duration(duty.period)}: active {100 * duty.active:.3g}% of the time, {taken}"
    if duty.life is not None:
        text += f"; a battery of {quantity(duty.battery, 'Ah')} lasts {duration(duty.life)}"
    return text


def _row(layer: dict[str, Any]) -> dict[str, Any]:
    return {**layer, "latency": quantity(layer["latency"], "s"), "energy": quantity(layer["energy"], "J")}


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
    Column("energy", "energy"),
]
