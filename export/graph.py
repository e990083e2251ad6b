# SPDX-License-Identifier: Apache-2.0
"""The integer graph: what every exporter writes and every executor runs.

Tensors are (C, H, W) of one image; a dense layer is a convolution whose kernel covers its input, and 1-d data
has H = 1. docs/design.md gives the meaning of each operator; its file in `operators/` is the executable definition.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from trit.runtime.errors import TritError, known_task

Kind = Literal["uint8", "binary", "ternary", "int32", "float32"]
WeightKind = Literal["binary", "ternary", "int8"]
Shape = tuple[int, int, int]
Pair = tuple[int, int]
Pads = tuple[int, int, int, int]
Range = tuple[int, int]
Array = npt.NDArray[Any]
Int8Array = npt.NDArray[np.int8]
UInt8Array = npt.NDArray[np.uint8]
Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Float32Array = npt.NDArray[np.float32]

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
# onnx.TensorProto's element types; bits are int8 there.
ONNX_TYPES: dict[Kind, int] = {"uint8": 2, "binary": 3, "ternary": 3, "int32": 6, "float32": 1}


class GraphError(TritError):
    """The network cannot be expressed as an integer graph; the message names the layer and what would work."""


@dataclass(frozen=True)
class Tensor:
    """What flows between nodes: a kind of value, for one image."""

    name: str
    kind: Kind
    shape: Shape  # (C, H, W)
    zero_point: int = 0  # of kind uint8: the value is q - zero_point

    @property
    def value_range(self) -> Range:
        """Least and greatest value; int32 ranges are found by `check.accumulator_ranges`."""
        ranges = {"binary": (-1, 1), "ternary": (-1, 1), "uint8": (-self.zero_point, 255 - self.zero_point)}
        return ranges.get(self.kind, (INT32_MIN, INT32_MAX))

    @property
    def is_bits(self) -> bool:
        """Whether values are packed as planes of bits."""
        return self.kind in ("binary", "ternary")


@dataclass(frozen=True)
class Output:
    """What a node may write: the kinds its tensor may have, the narrowest first, its shape and zero point."""

    kinds: tuple[Kind, ...]
    shape: Shape
    zero_point: int = 0


@dataclass(frozen=True)
class PlanFields:
    """A node's part of its step in the plan (docs/plan-format.md); fields that it does not use stay 0 or empty."""

    kernel: Pair = (0, 0)
    stride: Pair = (0, 0)
    dilation: Pair = (0, 0)
    padding: Pads = (0, 0, 0, 0)
    groups: int = 0
    lanes: int = 0
    weight_kind: WeightKind | None = None
    weights: bytes = b""
    counts: bytes = b""
    parameters: bytes = b""


@dataclass(frozen=True)
class OnnxCall:
    """A node's form in ONNX: a function of the domain trit, its constants by name, its attributes."""

    function: str
    constants: Mapping[str, Array]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Node(ABC):
    """One operator at work. Values between nodes are integers (N, C, H, W); uint8 counts as q - zero point."""

    name: str
    input: str
    output: str
    onnx_functions: ClassVar[Mapping[str, str]]  # name → text, in ONNX's textual syntax
    tables: ClassVar[tuple[str, ...]] = ()  # the fields that batch norm decides, of which a task may have its own

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that the node reads."""
        return (self.input,)

    @abstractmethod
    def check(self, *inputs: Tensor) -> Output:
        """What the node may write for these inputs. Raises GraphError if they or its attributes do not fit."""

    @abstractmethod
    def evaluate(self, *inputs: Array) -> Array:
        """The output's values (N, C, H, W): the definition that every executor is compared with."""

    @abstractmethod
    def value_range(self, *inputs: Range) -> Range:
        """Bounds of the output's values, given those of the inputs'."""

    @abstractmethod
    def bound(self, *inputs: int) -> int:
        """Bound of the output's magnitudes as the C runtime recomputes it: by the operator's form alone."""

    @abstractmethod
    def plan_fields(self, source: Tensor, output: Tensor, lanes: int) -> PlanFields:
        """The node's part of its step in the plan, `lanes` output channels interleaved."""

    @abstractmethod
    def to_onnx(self, inputs: Sequence[Tensor], output: Tensor) -> OnnxCall:
        """The node as a call of its function in ONNX."""

    @classmethod
    @abstractmethod
    def from_onnx(cls, name: str, inputs: Sequence[str], output: str, call: OnnxCall) -> Node:
        """The reverse: the node of this call, whose constants are in order but have other names."""

    def require(self, condition: bool, message: str) -> None:
        """Raise GraphError, naming the node, unless the condition holds."""
        if not condition:
            raise GraphError(f"{self.name}: {message}")


@dataclass
class Graph:
    """Nodes in execution order. `tensors` holds every tensor by name, `input` and `output` name two of them.

    Of a network that has learned several tasks the nodes are those of the first. `tasks` gives for each task, by name
    and in order, the nodes that differ from the first's in their `tables`, by the name of their output.
    """

    input: str
    output: str
    tensors: dict[str, Tensor]
    nodes: list[Node]
    labels: list[str] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)  # e.g. recipe (TOML text), accuracy
    tasks: dict[str, dict[str, Node]] = field(default_factory=dict)

    def of_task(self, name: str | None) -> Graph:
        """The graph of one task, or without a name of the first, as one that has learned no other.

        Raises TritError for an unknown task.
        """
        if name is None:
            return replace(self, tasks={})
        own = self.tasks[known_task(name, self.tasks)]
        nodes = [own.get(node.output, node) for node in self.nodes]
        return replace(self, nodes=nodes, tasks={})

    def of_tasks(self) -> list[Graph]:
        """The graph of each task; of a network without tasks the graph itself."""
        return [self.of_task(name) for name in self.tasks] or [self]

    def readers(self, tensor: str) -> list[Node]:
        """The nodes that read the tensor of this name."""
        return [node for node in self.nodes if tensor in node.inputs]

    def inputs_of(self, node: Node) -> list[Tensor]:
        """The tensors that the node reads."""
        return [self.tensors[name] for name in node.inputs]
