# SPDX-License-Identifier: Apache-2.0
"""Rewrites of the integer graph that keep its meaning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from trit.export.graph import Graph, Node, Tensor
from trit.export.operators import MaxPool, Threshold


def move_pools_behind_thresholds(graph: Graph) -> None:
    """Replace int32 → MaxPool → Threshold by Threshold → MaxPool on bits, in place.

    T(x) = d·([x >= hi] - [x < lo]) is monotone: T(max x) = max T(x) for d = +1, and min T(x) for d = -1. So a
    channel's maximum becomes a minimum where its threshold is negative, and no int32 feature map is pooled.
    """
    for pool in [node for node in graph.nodes if isinstance(node, MaxPool)]:
        readers = graph.readers(pool.output)
        if graph.tensors[pool.input].kind != "int32" or len(readers) != 1 or graph.output == pool.output:
            continue
        if isinstance(readers[0], Threshold):
            _swap(graph, pool, readers[0])


def _swap(graph: Graph, pool: MaxPool, threshold: Threshold) -> None:
    flags = threshold.negative if pool.minimum is None else pool.minimum ^ threshold.negative
    bits, source = graph.tensors[threshold.output], graph.tensors[pool.input]
    middle = Tensor(pool.output, bits.kind, source.shape)
    graph.tensors[middle.name] = middle
    first = replace(threshold, input=pool.input, output=middle.name)
    minimum = np.asarray(flags, np.bool_) if flags.any() else None
    second = replace(pool, input=middle.name, output=threshold.output, minimum=minimum)
    replaced: dict[int, Node] = {id(pool): first, id(threshold): second}
    graph.nodes = [replaced.get(id(node), node) for node in graph.nodes]
