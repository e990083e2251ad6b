# SPDX-License-Identifier: Apache-2.0
"""trit profile: what a model costs on targets, layer by layer."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trit.console import stderr
from trit.options import Data, Inputs, Json, Model
from trit.runtime.errors import TritError
from trit.tables import Column, quantity, show, show_json

if TYPE_CHECKING:
    from trit.targets.accuracy import Accuracy
    from trit.targets.profile import Profile


def profile(
    model: Model,
    target: Annotated[str, typer.Option(help="Targets, separated by commas: names or .toml files.")] = "host",
    accuracy: Annotated[int, typer.Option(min=0, help="Also the accuracy on this many test images.")] = 0,
    data: Data = None,
    inputs: Inputs = None,
    json: Json = False,
) -> None:
    """Time, energy and memory of a model on targets, layer by layer, for one image.

    Example: trit profile fashion.onnx --target host,nrf52840,rram-2t2r-130nm
    """
    from trit.files import read_model
    from trit.inputs import inputs_for
    from trit.targets.accuracy import accuracy as accuracy_of
    from trit.targets.description import load_target
    from trit.targets.profile import profile as profile_of

    targets = [load_target(name) for name in target.split(",")]
    graph = read_model(model)
    tests = inputs_for(graph, max(1, accuracy), data, inputs)
    if accuracy and tests.labels is None:
        raise TritError(f"{model}: there are no labelled images for its accuracy: name their folder with --data")
    labels = tests.labels if accuracy else None
    results: list[tuple[Profile, Accuracy | None]] = []
    for each in targets:
        with stderr.status(f"{each.name}: {each.title}"):
            costs = profile_of(graph, each, tests.images)
            right = None if labels is None else accuracy_of(graph, each, tests.images, labels)
            results.append((costs, right))
    if json:
        show_json(model=str(model), inputs=tests.origin, profiles=[_as_json(*result) for result in results])
        return
    for costs, right in results:
        _print(costs, [f"accuracy {right} on {tests.origin}", *right.notes] if right else [])


def _as_json(profile: Profile, accuracy: Accuracy | None) -> dict[str, Any]:
    right = None if accuracy is None else {**asdict(accuracy), "mean": accuracy.mean, "std": accuracy.std}
    return {**asdict(profile), "latency": profile.latency, "energy": profile.energy, "accuracy": right}


def _print(profile: Profile, accuracy: list[str]) -> None:
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
    memory = [f"{name} {size:,} bytes" for name, size in (("flash", profile.flash), ("RAM", profile.ram)) if size]
    origins = f"latency {profile.latency_origin}, energy {profile.energy_origin}"
    memory.append(f"{profile.weight_bits:,} weight bits")
    notes = [*accuracy[:1], ", ".join([*memory, origins]), *profile.notes, *accuracy[1:]]
    show(f"{profile.target}: {profile.title}", columns, [*rows, total], notes=notes)


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
