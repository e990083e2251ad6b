# SPDX-License-Identifier: Apache-2.0
"""Rewrites of the integer graph that keep its meaning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from trit.export.graph import Graph, Node, Tensor
from trit.export.operators import MaxPool, OutputStage, Rescale, Threshold


def move_pools_behind_output_stages(graph: Graph) -> None:
    """Replace int32 → MaxPool → Threshold or Rescale by Threshold or Rescale → MaxPool, in place.

    Both are monotone in each channel: T(max x) = max T(x) where T rises, and min T(x) where it falls. So a channel's
    maximum becomes a minimum where its output falls, and no int32 feature map is pooled.
    """
    for pool in [node for node in graph.nodes if isinstance(node, MaxPool)]:
        readers = graph.readers(pool.output)
        if graph.tensors[pool.input].kind != "int32" or len(readers) != 1 or graph.output == pool.output:
            continue
        if isinstance(readers[0], Threshold | Rescale):
            _swap(graph, pool, readers[0])


def _swap(graph: Graph, pool: MaxPool, stage: OutputStage) -> None:
    flags = stage.falls if pool.minimum is None else pool.minimum ^ stage.falls
    activation, source = graph.tensors[stage.output], graph.tensors[pool.input]
    middle = Tensor(pool.output, activation.kind, source.shape, activation.zero_point)
    graph.tensors[middle.name] = middle
    first = replace(stage, input=pool.input, output=middle.name)
    minimum = np.asarray(flags, np.bool_) if flags.any() else None
    second = replace(pool, input=middle.name, output=stage.output, minimum=minimum)
    replaced: dict[int, Node] = {id(pool): first, id(stage): second}
    graph.nodes = [replaced.get(id(node), node) for node in graph.nodes]
