# SPDX-License-Identifier: Apache-2.0
"""The integer graph while it grows: what torch networks and imported ones are lowered into."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from trit.export.check import validate
from trit.export.exact import Channel, score_factors
from trit.export.graph import Graph, GraphError, Node, Range, Shape, Tensor
from trit.export.operators import Scores
from trit.export.passes import move_pools_behind_output_stages


@dataclass(frozen=True)
class Value:
    """A real-valued tensor: per channel an affine function of the integer tensor `tensor`."""

    tensor: str
    channels: list[Channel]
    flat: bool = False  # flattened: the next dense layer reads all positions
    limits: tuple[float, float] | None = None  # of a Hardtanh or ReLU that an activation has to follow

    def common_scale(self) -> Fraction | None:
        """The scale s if the value is s·x in every channel, else None."""
        first = self.channels[0]
        return first.a if all(channel == Channel(first.a) for channel in self.channels) else None


class Lowering:
    """The graph so far."""

    def __init__(self, input_shape: Shape) -> None:
        self.input = "image"
        self.tensors: dict[str, Tensor] = {"image": Tensor("image", "uint8", input_shape)}
        self.nodes: list[Node] = []
        self._calls: Counter[str] = Counter()
        self._ranges: dict[str, Range] = {}

    def name_of(self, path: str) -> str:
        """The name of this use of the layer at `path`; later uses of the same layer are counted."""
        self._calls[path] += 1
        return path if self._calls[path] == 1 else f"{path}:{self._calls[path]}"

    def placeholder(self) -> Value:
        if self.nodes or self.tensors["image"].zero_point:
            raise GraphError("the network has more than one input")
        return Value("image", [Channel(Fraction(1))] * self.tensors["image"].shape[0])

    def range_of(self, tensor: str) -> Range:
        """Least and greatest value of a tensor, whatever the image."""
        return self._ranges.get(tensor, self.tensors[tensor].value_range)

    def append(self, node: Node, kind: Any, shape: Shape, zero_point: int = 0) -> str:
        self._ranges[node.output] = node.value_range(*(self.range_of(name) for name in node.inputs))
        self.nodes.append(node)
        self.tensors[node.output] = Tensor(node.output, kind, shape, zero_point)
        return node.output

    def scores(self, tensor: str, channels: list[Channel]) -> Graph:
        """The finished graph, whose output are these real values of an int32 tensor, in float32."""
        scale, bias = score_factors(channels)
        self.nodes.append(Scores("scores", tensor, "scores", scale, bias))
        self.tensors["scores"] = Tensor("scores", "float32", self.tensors[tensor].shape)
        graph = Graph(self.input, "scores", self.tensors, self.nodes)
        move_pools_behind_output_stages(graph)
        validate(graph)
        return graph
