# SPDX-License-Identifier: Apache-2.0
"""Pictures of tables, for those commands that have --plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trit.runtime.errors import MissingExtra, TritError

RATES = {"sign": "±1 → ∓1", "lost": "±1 → 0", "raised": "0 → ±1", "flip": "binary flip"}


def gradient_plot(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Angle and ratio of two gradients against the number of steps; a line a layer, dashed for the second estimator.

    Raises TritError for a file that cannot be written.
    """
    plt = _pyplot()
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    estimators = list(dict.fromkeys(row["estimator"] for row in rows))
    for layer in sorted({row["layer"] for row in rows}):
        for estimator, style in zip(estimators, ("--", "-"), strict=False):
            line = [row for row in rows if row["layer"] == layer and row["estimator"] == estimator]
            for axis, key in zip(axes, ("angle", "ratio"), strict=True):
                steps, values = [row["step"] for row in line], [row[key] for row in line]
                axis.plot(steps, values, style, color=f"C{layer - 1}", label=f"layer {layer}, {estimator}")
    axes[0].set(xlabel="nudged steps", ylabel="angle to backpropagation (degrees)", ylim=(0, None))
    axes[1].set(xlabel="nudged steps", ylabel="length / that of backpropagation", ylim=(0, None))
    for axis in axes:
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=7)
    _save(figure, path)


def sweep_plot(path: Path, rows: Sequence[dict[str, Any]], keys: Sequence[str]) -> None:
    """Error rates, and where there are any accuracy and energy, against the last numeric key; a line for each other
    value. Raises TritError for a file that cannot be written."""
    plt = _pyplot()
    axis = next((key for key in reversed(keys) if all(isinstance(row[key], float | int) for row in rows)), None)
    if axis is None:
        raise TritError(f"--plot {path}: none of {', '.join(keys)} is a number to draw the table against")
    others = [key for key in keys if key != axis]
    series: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        series.setdefault(", ".join(f"{key} {row[key]}" for key in others), []).append(row)
    panels = ["rates", *(key for key in ("accuracy", "energy") if rows[0].get(key) is not None)]
    figure, axes = plt.subplots(1, len(panels), figsize=(4.5 * len(panels), 3.6), layout="constrained", squeeze=False)
    for panel, key in zip(axes[0], panels, strict=True):
        for name, line in series.items():
            x = [row[axis] for row in line]
            if key == "rates":
                for rate, label in RATES.items():
                    if rate in line[0]:
                        panel.plot(x, [max(row[rate], 1e-7) for row in line], label=f"{label} {name}".strip())
            elif key == "accuracy":
                mean, spread = [[row[k] for row in line] for k in ("accuracy", "spread")]
                panel.errorbar(x, mean, spread, capsize=2, label=name)
            else:
                panel.plot(x, [row[key] for row in line], label=name)
        panel.set(xlabel=axis, ylabel={"rates": "probability", "energy": "energy (J)"}.get(key, key))
        panel.set_yscale("linear" if key == "accuracy" else "log")
        panel.grid(alpha=0.3)
        if key == "rates" or others:
            panel.legend(fontsize=7)
    _save(figure, path)


def pareto_plot(
    path: Path, rows: Sequence[Mapping[str, Any]], keys: Sequence[str], costs: Mapping[str, str], place: str
) -> None:
    """Accuracy against each of the costs that the rows have, with the spread of the seeds, and the Pareto front: rows
    with the cost in their "pareto". `place` ends the labels of costs on a target. Raises TritError as `sweep_plot`."""
    plt = _pyplot()
    panels = [key for key in costs if any(row.get(key) is not None and row["accuracy"] is not None for row in rows)]
    if not panels:
        raise TritError(f"--plot {path}: no point has both an accuracy and a cost")
    figure, axes = plt.subplots(1, len(panels), figsize=(4.5 * len(panels), 3.8), layout="constrained", squeeze=False)
    for panel, key in zip(axes[0], panels, strict=True):
        placed = [row for row in rows if row.get(key) is not None and row["accuracy"] is not None]
        for row in placed:
            on_front = key in row["pareto"]
            spread = None if row["spread"] is None else 100 * row["spread"]
            colour = "tab:blue" if on_front else "tab:gray"
            panel.errorbar(row[key], 100 * row["accuracy"], spread, fmt="o", capsize=2, color=colour)
            label = ", ".join(str(row[name]) for name in keys)
            panel.annotate(label, (row[key], 100 * row["accuracy"]), (4, 4), textcoords="offset points", fontsize=7)
        front = sorted((row[key], 100 * row["accuracy"]) for row in placed if key in row["pareto"])
        panel.step(*zip(*front, strict=True), where="post", color="tab:blue", alpha=0.5)
        panel.margins(x=0.15)  # room for the last one's label
        panel.set(xlabel=costs[key] + ("" if key == "weight_bits" else place), xscale="log")
        panel.grid(alpha=0.3)
    axes[0][0].set_ylabel("accuracy (%)")
    figure.suptitle(", ".join(keys), fontsize=9)
    _save(figure, path)


def hidden_plot(
    path: Path, hidden: Mapping[str, Mapping[str, Any]], tests: Mapping[str, Sequence[Mapping[str, Any]]]
) -> None:
    """Hidden weights' distributions, a colour a layer and the paler the earlier the task; beside them, a panel a test,
    accuracy after switching signs. Raises TritError as `sweep_plot`."""
    plt = _pyplot()
    width = 4.2 * (1 + len(tests))
    figure, axes = plt.subplots(1, 1 + len(tests), figsize=(width, 3.6), layout="constrained", squeeze=False)
    left, *others = axes[0]
    for number, layers in enumerate(hidden.values(), 1):
        for index, (layer, found) in enumerate(layers.items()):
            bins, largest = found["histogram"], found["largest"]
            step = 2 * largest / len(bins)
            label = layer if number == len(hidden) else None
            edges = [place * step - largest for place in range(len(bins) + 1)]
            strength = number / len(hidden)
            left.stairs([share / step for share in bins], edges, color=f"C{index}", alpha=strength, label=label)
    left.set(xlabel="hidden weight", ylabel="density", yscale="log", title=f"after {', '.join(hidden)}")
    left.legend(fontsize=7)
    for panel, (name, rows) in zip(others, tests.items(), strict=True):
        x = [100 * row["fraction"] for row in rows]
        for order, colour in (("smallest", "tab:green"), ("random", "tab:gray"), ("largest", "tab:red")):
            spread = [100 * (row["spread"] or 0.0) for row in rows] if order == "random" else None
            y = [100 * row[order] for row in rows]
            panel.errorbar(
                x, y, spread, fmt="o-", markersize=3, capsize=2, color=colour, label=f"{order} |hidden weight|"
            )
        panel.set(xlabel="signs switched (%)", ylabel="accuracy (%)", title=name)
        panel.legend(fontsize=7)
        panel.grid(alpha=0.3)
    left.title.set_fontsize(8)
    _save(figure, path)


def _pyplot() -> Any:
    try:
        from matplotlib import pyplot as plt
    except ImportError:
        raise MissingExtra("matplotlib", "plot") from None
    return plt


def _save(figure: Any, path: Path) -> None:
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise TritError(f"--plot {path}: {error}") from error
    _pyplot().close(figure)
