# SPDX-License-Identifier: Apache-2.0
"""Which nodes run as one step: a Conv whose only reader is a Threshold takes it along."""

from __future__ import annotations

from dataclasses import dataclass

from trit.export.graph import Graph, Node
from trit.export.operators import Conv, Threshold


@dataclass(frozen=True)
class Step:
    """One node, with the Threshold that is applied to its accumulators before they are stored."""

    node: Node
    threshold: Threshold | None = None

    @property
    def output(self) -> str:
        return self.threshold.output if self.threshold else self.node.output


def fuse(graph: Graph) -> list[Step]:
    """Steps in execution order. Nodes that the output does not depend on are left out."""
    nodes = _needed(graph)
    readers: dict[str, list[Node]] = {}
    for node in nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    fused: dict[str, Threshold] = {}
    for node in nodes:
        if isinstance(node, Conv) and node.output != graph.output:
            match readers[node.output]:
                case [Threshold() as threshold]:
                    fused[node.output] = threshold
    taken = {threshold.output for threshold in fused.values()}
    return [
        Step(node, fused.get(node.output) if isinstance(node, Conv) else None)
        for node in nodes
        if node.output not in taken
    ]


def _needed(graph: Graph) -> list[Node]:
    wanted = {graph.output}
    nodes: list[Node] = []
    for node in reversed(graph.nodes):
        if node.output in wanted:
            wanted.update(node.inputs)
            nodes.append(node)
    return nodes[::-1]
