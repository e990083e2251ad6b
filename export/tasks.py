# SPDX-License-Identifier: Apache-2.0
"""One graph for several tasks: one set of weights, and tables that each task has its own of.

Batch norm ends up in thresholds and their directions, in factors of rescaling, in pools that take the minimum where a
threshold falls, and in the scale and bias of scores. Weights do not know of it: a negative gamma turns a threshold's
direction, never the signs of a row of weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from trit.export.check import validate
from trit.export.graph import Graph, GraphError, Node


def with_tasks(graphs: Mapping[str, Graph]) -> Graph:
    """The graphs of all tasks, by name and in order, as one.

    Raises GraphError, naming the task and the node, where they differ in more than the nodes' `tables`.
    """
    names, (first, *_) = list(graphs), list(graphs.values())
    for name, graph in graphs.items():
        if graph.input != first.input or graph.output != first.output or len(graph.nodes) != len(first.nodes):
            raise GraphError(f"task {name!r}: its network has other layers than that of {names[0]!r}")
    rows = [_same_form(names, nodes) for nodes in zip(*(graph.nodes for graph in graphs.values()), strict=True)]
    tensors = dict(first.tensors)
    for graph in graphs.values():  # a sign that is never 0 may be 0 in another task
        tensors |= {tensor.name: tensor for tensor in graph.tensors.values() if tensor.kind == "ternary"}
    tasks: dict[str, dict[str, Node]] = {
        name: {row[i].output: row[i] for row in rows if not _equal(row[0], row[i], row[i].tables)}
        for i, name in enumerate(names)
    }
    merged = replace(first, tensors=tensors, nodes=[row[0] for row in rows], tasks=tasks)
    validate(merged)
    return merged


def _same_form(names: list[str], nodes: tuple[Node, ...]) -> list[Node]:
    """The node of each task, whose tables have one form: a pool that takes no minimum has no flags by itself."""
    first = nodes[0]
    shared = [field.name for field in fields(first) if field.name not in first.tables]
    for name, node in zip(names, nodes, strict=True):
        if type(node) is not type(first) or not _equal(first, node, shared):
            raise GraphError(f"task {name!r}: {node.name} differs from that of {names[0]!r} in more than batch norm")
    missing = {}
    for table in first.tables:
        given = [getattr(node, table) for node in nodes if getattr(node, table) is not None]
        if given:
            missing[table] = np.zeros_like(given[0])
    return [
        replace(node, **{table: zeros for table, zeros in missing.items() if getattr(node, table) is None})
        for node in nodes
    ]


def _equal(one: Node, other: Node, names: list[str] | tuple[str, ...]) -> bool:
    return all(_bits(getattr(one, name)) == _bits(getattr(other, name)) for name in names)


def _bits(value: Any) -> tuple[Any, ...]:
    """What two values have in common that are the same bit for bit: -0.0 differs from 0.0."""
    array = np.asarray(value)
    return array.dtype, array.shape, array.tobytes()
