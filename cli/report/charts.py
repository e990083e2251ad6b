# SPDX-License-Identifier: Apache-2.0
"""Pictures of training, of a network's layers and memory, and of what it takes for what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from trit.report.picture import Picture, altair, chart, choice, percent, picture
from trit.report.sources import Confusion, Epoch, Layer, Plan, Profile, Training

METRICS: dict[str, Callable[[Layer], float | None]] = {
    "time (s)": lambda layer: layer.latency,
    "instructions": lambda layer: layer.instructions,
    "energy (J)": lambda layer: layer.energy,
    "weights and tables (bytes)": lambda layer: layer.parameter_bytes,
    "arena in use (bytes)": lambda layer: layer.arena_bytes,
    "multiply-accumulates": lambda layer: layer.macs,
}


def training_curves(trainings: Sequence[Training]) -> list[Picture]:
    """Loss and accuracy of each epoch."""
    rows = [
        {"run": run.name, "epoch": line.epoch, "loss": line.loss, "accuracy": _watched(line)}
        for run in trainings
        for line in run.epochs
    ]
    if not rows:
        return []
    alt = altair()
    base = chart(rows).encode(x=alt.X("epoch:Q", axis=alt.Axis(tickMinStep=1)), color="run:N")
    loss = base.mark_line(point=True).encode(
        y=alt.Y("loss:Q", scale=alt.Scale(type="log")),
        tooltip=["run:N", "epoch:Q", alt.Tooltip("loss:Q", format=".4f")],
    )
    accuracy = base.mark_line(point=True).encode(
        y=percent("accuracy"),
        tooltip=["run:N", "epoch:Q", alt.Tooltip("accuracy:Q", format=".2%")],
    )
    words = "Accuracy on the test or validation set after each epoch; a line a run."
    loss_words = "Mean training loss of each epoch; a line a run."
    return [
        picture("Accuracy", words, accuracy),
        picture("Loss", loss_words, loss),
    ]


def task_curves(training: Training) -> Picture:
    """Accuracy on each task's test after each task."""
    names = [line.task for line in training.tasks]
    rows = [
        {"after": line.task, "test": test, "accuracy": accuracy}
        for line in training.tasks
        for test, accuracy in line.accuracy.items()
    ]
    alt = altair()
    drawn = (
        chart(rows)
        .mark_line(point=True)
        .encode(
            x=alt.X("after:N", sort=names, title="after learning"),
            y=percent("accuracy"),
            color=alt.Color("test:N", sort=names),
            tooltip=["after:N", "test:N", alt.Tooltip("accuracy:Q", format=".2%")],
        )
    )
    return picture(training.name, "Accuracy on each task's test after each task that was learned.", drawn)


def layer_bars(profiles: Sequence[Profile], name: str) -> Picture:
    """What each layer takes; target and quantity are chosen."""
    rows = [
        _spent(profile, layer, quantity) for profile in profiles for layer in profile.layers for quantity in METRICS
    ]
    alt = altair()
    order = list(dict.fromkeys(row["layer"] for row in rows))
    base = (
        chart(rows)
        .encode(y=alt.Y("layer:N", sort=order, title=None))
        .transform_filter("datum.target == target && datum.quantity == quantity")
    )
    bars = base.mark_bar().encode(
        x=alt.X("value:Q", title=None, axis=alt.Axis(format="~s")),
        tooltip=["layer:N", "operator:N", "quantity:N", alt.Tooltip("value:Q", format=".4~s")],
    )
    missing = base.mark_text(align="left", dx=4, color="gray").encode(text="note:N").transform_filter("datum.note")
    target = choice("target", list(dict.fromkeys(profile.target for profile in profiles)))
    drawn = (bars + missing).add_params(target, choice("quantity", list(METRICS)))
    words = "What each layer takes of the chosen quantity for one image on the chosen target."
    return picture(name, words, drawn, height=22 * len(order))


def _spent(profile: Profile, layer: Layer, quantity: str) -> dict[str, Any]:
    value = METRICS[quantity](layer)
    row = {"target": profile.target, "layer": layer.layer, "operator": layer.operator, "quantity": quantity}
    return {**row, "value": value} if value is not None else {**row, "value": 0, "note": "not counted"}


def arena_map(plan: Plan) -> Picture:
    """What lies where in the arena in which step."""
    rows = [
        {
            "layer": step.name,
            "from": step.index,
            "to": step.last_reader + 1,
            "low": step.output_offset,
            "high": step.output_offset + step.output_bytes,
            "bytes": step.output_bytes,
        }
        for step in plan.rows[:-1]  # the last step's output is the caller's
    ]
    alt = altair()
    order = [row["layer"] for row in rows]
    drawn = (
        chart(rows)
        .mark_rect(stroke="white")
        .encode(
            x=alt.X("from:Q", title="step", axis=alt.Axis(tickMinStep=1)),
            x2="to:Q",
            y=alt.Y("low:Q", title="bytes", axis=alt.Axis(format="~s")),
            y2="high:Q",
            color=alt.Color("layer:N", sort=order, title="output of"),
            tooltip=["layer:N", "from:Q", "to:Q", "low:Q", "bytes:Q"],
        )
    )
    words = f"The {plan.arena_bytes:,} bytes of the arena upwards, steps to the right: a block is a layer's output."
    return picture(Path(plan.file).name, words, drawn)


def confusion_matrix(confusion: Confusion) -> Picture:
    """What images of each class are taken for."""
    rows = [
        {"is": row.label, "taken for": label, "images": count, "share": count / max(1, sum(row.counts))}
        for row in confusion.rows
        for label, count in zip(confusion.labels, row.counts, strict=False)
    ]
    alt = altair()
    base = chart(rows).encode(x=alt.X("taken for:N", sort=confusion.labels), y=alt.Y("is:N", sort=confusion.labels))
    cells = base.mark_rect().encode(
        color=alt.Color("share:Q", scale=alt.Scale(type="sqrt", scheme="blues"), legend=None),
        tooltip=["is:N", "taken for:N", "images:Q", alt.Tooltip("share:Q", format=".1%")],
    )
    colour = alt.condition("datum.share > 0.4", alt.value("white"), alt.value("black"))
    numbers = base.mark_text(fontSize=10).encode(text="images:Q", color=colour).transform_filter("datum.images > 0")
    words = "Images of each class (rows) by the class they are taken for (columns)."
    title = f"{Path(confusion.model).name} on {confusion.inputs}"
    return picture(title, words, cells + numbers, height=26 * len(confusion.rows))


def _watched(line: Epoch) -> float | None:
    return line.test_accuracy if line.validation_accuracy is None else line.validation_accuracy
