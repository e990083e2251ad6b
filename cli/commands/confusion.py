# SPDX-License-Identifier: Apache-2.0
"""trit confusion: which classes a model takes for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trit.options import Data, Inputs, Json, Model, Task
from trit.runtime.errors import TritError
from trit.tables import Column, show


def confusion(model: Model, task: Task = None, data: Data = None, inputs: Inputs = None, json: Json = False) -> None:
    """Count for each class of the test set what the model takes its images for, and how many of them it gets right.

    Example: trit confusion fashion.onnx
    """
    import numpy as np

    from trit.export.plan import to_plan
    from trit.files import read_model
    from trit.inputs import inputs_for
    from trit.runtime import Session

    graph = read_model(model)
    tests = inputs_for(graph, None, data, inputs, task)
    graph = graph.of_task(task)
    if tests.labels is None:
        raise TritError(f"{model}: there are no labelled images to count: name their folder with --data")
    scores = Session(to_plan(graph)).run(tests.images).reshape(len(tests.images), -1)
    names = graph.labels or [str(index) for index in range(scores.shape[1])]
    if tests.labels.min() < 0 or tests.labels.max() >= len(names):
        raise TritError(f"{tests.origin}: labels are not in 0..{len(names) - 1}")
    counts = np.zeros((len(names), len(names)), np.int64)
    np.add.at(counts, (tests.labels, scores.argmax(axis=1)), 1)
    rows = rows_of(names, counts.tolist())
    right = int(counts.trace())
    notes = [f"{right} of {len(tests.images)} right: {right / len(tests.images):.2%}"]
    title, facts = f"{model.name} on {tests.origin}", {"model": str(model), "inputs": tests.origin, "labels": names}
    show(title, columns(names), rows, json, notes, **facts)


def rows_of(names: Sequence[str], counts: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """A row for each class that has images: what they are taken for, and the share of them that is right."""
    return [
        {"label": name, "counts": row, "right": row[index] / sum(row)}
        for index, (name, row) in enumerate(zip(names, counts, strict=True))
        if any(row)
    ]


def columns(names: Sequence[str]) -> list[Column]:
    taken_for = [Column("counts", name, f"{{0[{index}]}}") for index, name in enumerate(names)]
    return [Column("label", "is / taken for"), *taken_for, Column("right", "right", "{:.1%}")]
