# SPDX-License-Identifier: Apache-2.0
"""Which nodes run as one step: a Conv or an Add whose only reader is a Threshold or a Rescale takes it along."""

from __future__ import annotations

from dataclasses import dataclass

from trit.export.graph import Graph, Node
from trit.export.operators import Add, Conv, OutputStage, Rescale, Threshold


@dataclass(frozen=True)
class Step:
    """One node, with what is applied to its int32 results before they are stored."""

    node: Node
    output_stage: OutputStage | None = None

    @property
    def output(self) -> str:
        return self.output_stage.output if self.output_stage else self.node.output


def fuse(graph: Graph) -> list[Step]:
    """Steps in execution order. Nodes that the output does not depend on are left out."""
    nodes = needed(graph)
    readers: dict[str, list[Node]] = {}
    for node in nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    fused: dict[str, OutputStage] = {}
    for node in nodes:
        if isinstance(node, Conv | Add) and node.output != graph.output:
            match readers[node.output]:
                case [(Threshold() | Rescale()) as stage]:
                    fused[node.output] = stage
    taken = {stage.output for stage in fused.values()}
    return [Step(node, fused.get(node.output)) for node in nodes if node.output not in taken]


def needed(graph: Graph) -> list[Node]:
    """The nodes that the output depends on, in execution order."""
    wanted = {graph.output}
    nodes: list[Node] = []
    for node in reversed(graph.nodes):
        if node.output in wanted:
            wanted.update(node.inputs)
            nodes.append(node)
    return nodes[::-1]
