# SPDX-License-Identifier: Apache-2.0
"""Opening the files users have: model.pt, model.onnx, model.trit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from trit.runtime.errors import TritError, missing_extra
from trit.runtime.files import read_bytes
from trit.runtime.log_mel import DEFINITION

if TYPE_CHECKING:
    from trit.export.graph import Graph
    from trit.runtime import Session


def read_model(path: str | os.PathLike[str]) -> Graph:
    """The integer graph of a model.onnx, or of a model.pt, lowered.

    Raises TritError for any other file, MissingExtra without trit[cli] or, for a model.pt, trit[train].
    """
    try:
        if Path(path).suffix == ".pt":
            return _lower_checkpoint(Path(path))
        if read_bytes(path)[:4] == b"TRIT":
            made_from = "give the .onnx it was made from"
            raise TritError(f"{path}: is a plan, which cannot be turned back into a graph: {made_from}")
        from trit.export.onnx_reader import read_onnx

        return read_onnx(Path(path))
    except ModuleNotFoundError as error:
        raise missing_extra(error) from None


def load(path: str | os.PathLike[str]) -> Session:
    """A runnable Session of a model.trit, with numpy alone, or of a model.onnx or model.pt as `read_model` takes them.

    Raises TritError if the file is none, or damaged.
    """
    from trit.runtime import Session

    if Path(path).suffix != ".pt" and read_bytes(path)[:4] == b"TRIT":
        return Session(path)
    from trit.export.plan import to_plan

    return Session(to_plan(read_model(path)))


def one_task(graph: Graph, task: str | None, holder: str) -> Graph:
    """The graph of the task. Raises TritError where none is named though there are several and `holder` holds one."""
    if task is None and graph.tasks:
        raise TritError(f"{holder} holds one task: choose it with --task; there are {', '.join(graph.tasks)}")
    return graph.of_task(task)


def _lower_checkpoint(path: Path) -> Graph:
    from trit.export.lower import lower
    from trit.export.tasks import with_tasks
    from trit.train.checkpoint import load_model, load_tasks
    from trit.train.networks import unrolled

    network, recipe = load_model(path)
    tasks = {task: lower(each, recipe.input_shape) for task, each in load_tasks(path)}
    graph = with_tasks(tasks) if tasks else lower(unrolled(network), recipe.input_shape)
    graph.labels = recipe.labels
    graph.metadata |= {"name": recipe.name, "data": recipe.data, "recipe": recipe.text}
    if recipe.data == "speech":
        graph.metadata["front_end"] = DEFINITION
    return graph
