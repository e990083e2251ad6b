# SPDX-License-Identifier: Apache-2.0
"""trit targets: the devices that trit knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from trit import completion
from trit.options import Json
from trit.tables import Column, show, show_json

if TYPE_CHECKING:
    from trit.targets.description import Target


def targets(
    name: Annotated[
        str | None,
        typer.Argument(help="The target to explain; none: list them.", autocompletion=completion.targets),
    ] = None,
    json: Json = False,
) -> None:
    """List the targets, or explain one: every figure with its unit, origin and source.

    Example: trit targets nrf52840
    """
    from trit.targets.description import available, load_target

    if name is None:
        loaded = [load_target(target) for target in available()]
        rows = [{"name": target.name, "kind": target.kind, "title": target.title} for target in loaded]
        show("Targets", [Column("name", "target"), Column("kind", "kind"), Column("title", "what it is")], rows, json)
        return
    target = load_target(name)
    if json:
        show_json(name=target.name, **target.model_dump())
        return
    figures = [{"key": key, **figure.model_dump()} for key, figure in target.figures()]
    show(f"{target.name}: {target.title}", _COLUMNS, figures, notes=_choices(target))


def _choices(target: Target) -> list[str]:
    """The figures that are no facts but chosen: an RRAM chip's arrays and operating point."""
    if target.kind != "rram":
        return []
    tables = {"array": target.array, "operation": target.operation}
    return [
        f"{name}: " + ", ".join(f"{key} = {value}" for key, value in table if value is not None)
        for name, table in tables.items()
    ]


_COLUMNS = [
    Column("key", "figure"),
    Column("value", "value", "{:g}"),
    Column("unit", "unit"),
    Column("origin", "origin"),
    Column("source", "source"),
]
