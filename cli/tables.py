# SPDX-License-Identifier: Apache-2.0
"""Tables on the terminal, and the same rows as JSON."""

from __future__ import annotations

import json as json_format
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

SCHEMA = 1
PIPED_WIDTH = 160


@dataclass(frozen=True)
class Column:
    """A key of the rows, its heading, and how its values are written."""

    key: str
    heading: str
    form: str = "{}"

    def text(self, row: Mapping[str, Any]) -> str:
        value = row.get(self.key)
        return "" if value is None else self.form.format(value)

    def is_number(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        return all(isinstance(row.get(self.key), int | float | list | None) for row in rows)


def show(
    title: str,
    columns: Sequence[Column],
    rows: Sequence[Mapping[str, Any]],
    json: bool = False,
    notes: Sequence[str] = (),
    **more: Any,
) -> None:
    """Print rows as a table with notes below, or as one JSON object {"schema", "rows", **more}."""
    if json:
        show_json(**more, rows=list(rows))
        return
    # Brackets in the rows' text, as in trit[tvm], are no markup.
    table = Table(title=escape(title), title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column.heading, justify="right" if column.is_number(rows) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(column.text(row)) for column in columns))
    console = terminal()
    console.print(table)
    for note in notes:
        console.print(note, style="dim", markup=False, soft_wrap=True)


def terminal() -> Console:
    """Standard output. Piped, it must not be cut at a terminal's usual 80 columns."""
    console = Console()
    return console if console.is_terminal else Console(width=PIPED_WIDTH)


def show_json(**content: Any) -> None:
    """Print one JSON object {"schema", **content}."""
    typer.echo(json_format.dumps({"schema": SCHEMA, **content}, indent=1))
