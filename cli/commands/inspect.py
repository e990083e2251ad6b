# SPDX-License-Identifier: Apache-2.0
"""trit inspect: what a plan holds, layer by layer, and how it uses its memory."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trit.options import Json
from trit.tables import Column, show, show_json, terminal

if TYPE_CHECKING:
    from trit.runtime import Session
    from trit.runtime.session import Step


def inspect(
    file: Annotated[Path, typer.Argument(help="A plan (.trit), or a model.onnx or model.pt, of which one is made.")],
    json: Json = False,
) -> None:
    """What a plan holds, layer by layer: work, weights in the file, and which memory each layer needs when.

    Example: trit inspect fashion.trit
    """
    from trit.export.arena import held, lower_bound
    from trit.files import load
    from trit.memory_map import memory_map

    session = load(file)
    bound = lower_bound(held(session.steps))
    if json:
        show_json(
            file=str(file),
            plan_bytes=session.size,
            arena_bytes=session.arena_size,
            lower_bound=bound,
            variant=session.variant,
            labels=session.labels,
            tasks=session.tasks,
            metadata=session.metadata,
            rows=[asdict(step) for step in session.steps],
        )
        return
    rows = [_row(step) for step in session.steps]
    # Its output is the caller's.
    rows[-1] |= {"steps": session.steps[-1].index, "output_bytes": None, "output_offset": None}
    total = {"name": "total", **{key: sum(row[key] or 0 for row in rows) for key in ("macs", "parameter_bytes")}}
    show(file.name, _COLUMNS, [*rows, total], notes=_notes(session, bound))
    if session.arena_size:
        console = terminal()
        console.print("\narena: bytes upwards, steps to the right", style="bold")
        console.print(memory_map(session.steps, session.arena_size, console.width))


def _row(step: Step) -> dict[str, Any]:
    return {
        **asdict(step),
        "output": f"{step.output_kind} {_shape(step.output_shape)}",
        "macs": step.macs or None,
        "parameter_bytes": step.parameter_bytes or None,
        "steps": f"{step.index}–{step.last_reader}",  # that need the output
    }


def _shape(shape: tuple[int, int, int]) -> str:
    return "×".join(str(size) for size in shape)


def _notes(session: Session, bound: int) -> list[str]:
    first, above = session.steps[0], session.arena_size / bound - 1 if bound else 0
    notes = [
        f"plan {session.size:,} bytes; arena {session.arena_size:,} bytes, {above:.1%} above its lower bound, "
        f"the {bound:,} bytes that one step needs",
        f"input {first.input_kind} {_shape(first.input_shape)}; weights interleaved in "
        f"{max(step.lanes for step in session.steps)} lanes; kernels on this machine: {session.variant}",
    ]
    if session.labels:
        notes.append(f"{len(session.labels)} labels: {', '.join(session.labels)}")
    if session.tasks:
        notes.append(f"{len(session.tasks)} tasks, weights once and tables for each: {', '.join(session.tasks)}")
    return notes + [f"{key}: {_first_line(value)}" for key, value in session.metadata.items()]


def _first_line(text: str) -> str:
    """Of a long text, as a recipe is, the first line says enough."""
    lines = text.splitlines() or [""]
    return lines[0] if len(lines) == 1 else f"{lines[0]} … ({len(lines)} lines)"


_COLUMNS = [
    Column("steps", "steps"),
    Column("name", "layer"),
    Column("operator", "operator"),
    Column("output", "output"),
    Column("weight_kind", "weights"),
    Column("macs", "MACs", "{:,}"),
    Column("parameter_bytes", "in plan", "{:,}"),
    Column("output_bytes", "in arena", "{:,}"),
    Column("output_offset", "at", "{:,}"),
]
