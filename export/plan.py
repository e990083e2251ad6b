# SPDX-License-Identifier: Apache-2.0
"""Writes the plan: the integer graph as the flat file that the C runtime uses in place.

docs/plan-format.md describes the file and runtime/src/format.h declares it; the constants here are the same.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

import numpy as np

from trit.export import operators
from trit.export.arena import Lifetime, place
from trit.export.check import validate
from trit.export.fuse import Step, fuse
from trit.export.graph import INT32_MAX, Graph, GraphError, PlanFields, Tensor
from trit.export.operators import Add
from trit.runtime.bits import words

VERSION, VERSION_TASKS = 1, 2  # of plans without and with tasks
KINDS = ("uint8", "binary", "ternary", "int32", "float32", "int8")
OPERATORS = ("Interleave", *(operator.__name__ for operator in operators.OPERATORS))
HEADER_WORDS, TENSOR_WORDS, STEP_WORDS = 17, 7, 16  # with tasks the header has two words more
CHECKSUM = slice(3, 7)  # words of the header
# Kernels read words. More would be no faster: who calls may give an arena that is aligned to no more.
ARENA_ALIGNMENT = 4
MAX_STEPS, MAX_TASKS, MAX_EXTENT, MAX_CHANNELS, MAX_BYTES = 4096, 4096, 65535, 1 << 24, 0x7FFFFFFF


@dataclass(frozen=True)
class Interleave:
    """The network's input from (C, H, W) to the (H, W, C) of all other tensors."""

    name: str
    input: str
    output: str


def to_plan(graph: Graph, lanes: int = 16) -> bytes:
    """The plan's bytes; `lanes` output channels are interleaved (1 for microcontrollers, 16 for hosts).

    Raises GraphError where the graph is inconsistent, does not end in Scores, or is beyond the format's limits.
    """
    validate(graph)
    if lanes not in (1, 2, 4, 8, 16, 32):
        raise GraphError(f"lanes is {lanes}; it must be a power of two up to 32")
    if graph.tensors[graph.output].kind != "float32":
        raise GraphError(f"the output {graph.output!r} is {graph.tensors[graph.output].kind}; a plan ends in Scores")
    return _Writer(graph, lanes).write()


class _Writer:
    """Collects the parts of one file: tables of fixed size first, then strings, then the steps' data."""

    def __init__(self, graph: Graph, lanes: int) -> None:
        self.graph = graph
        self.lanes = lanes
        self.steps: list[Step | Interleave] = list(fuse(graph))
        self.tensors = dict(graph.tensors)
        self.alias = {graph.input: graph.input}
        channels, height, width = graph.tensors[graph.input].shape
        if channels > 1 and height * width > 1:
            self._interleave_input()
        self.index = {name: i for i, name in enumerate([graph.input, *(step.output for step in self.steps)])}
        self.strings = bytearray()
        self.positions: dict[str, int] = {}
        self.parts: list[bytes] = []
        self.size = 0

    def _interleave_input(self) -> None:
        source = self.graph.tensors[self.graph.input]
        name = f"{source.name} (H, W, C)"
        self.alias[source.name] = name
        self.tensors[name] = Tensor(name, source.kind, source.shape, source.zero_point)
        self.steps.insert(0, Interleave("input", source.name, name))

    def write(self) -> bytes:
        self._check_limits()
        count = len(self.steps)
        tasks = [self._string(name) for name in self.graph.tasks]
        steps_at = (HEADER_WORDS + 2 * bool(tasks)) * 4
        tensors_at = steps_at + count * STEP_WORDS * 4
        labels_at = tensors_at + (count + 1) * TENSOR_WORDS * 4
        labels = [self._string(label) for label in self.graph.labels]
        metadata = [self._string(text) for item in self.graph.metadata.items() for text in item]
        names = [self._string(step.name if isinstance(step, Interleave) else step.node.name) for step in self.steps]
        metadata_at = labels_at + len(labels) * 4
        tasks_at = metadata_at + len(metadata) * 4
        self.size = tasks_at + len(tasks) * 4
        strings_at = self._append(bytes(self.strings))
        steps = b"".join(self._step(step, name) for step, name in zip(self.steps, names, strict=True))
        tensors, arena_size = self._tensor_table()
        if self.size > MAX_BYTES or arena_size > MAX_BYTES:
            raise GraphError(f"the plan takes {self.size} bytes and an arena of {arena_size}; the limit is {MAX_BYTES}")
        self._align(4)
        header = struct.pack(
            f"<4s{HEADER_WORDS - 1}I",
            b"TRIT",
            VERSION_TASKS if tasks else VERSION,
            self.size,
            *(0, 0, 0, 0),
            arena_size,
            count,
            steps_at,
            tensors_at,
            strings_at,
            len(self.strings),
            len(labels),
            labels_at,
            len(metadata) // 2,
            metadata_at,
        )
        if tasks:
            header += struct.pack("<2I", len(tasks), tasks_at)
        words = [*labels, *metadata, *tasks]
        return seal(b"".join([header, steps, tensors, struct.pack(f"<{len(words)}I", *words), *self.parts]))

    def _check_limits(self) -> None:
        if len(self.steps) > MAX_STEPS:
            raise GraphError(f"{len(self.steps)} steps; a plan holds {MAX_STEPS}")
        if len(self.graph.tasks) > MAX_TASKS:
            raise GraphError(f"{len(self.graph.tasks)} tasks; a plan holds {MAX_TASKS}")
        for tensor in self.tensors.values():
            channels, height, width = tensor.shape
            if channels > MAX_CHANNELS or max(height, width) > MAX_EXTENT or tensor_bytes(tensor) > MAX_BYTES:
                raise GraphError(f"tensor {tensor.name!r}: shape {tensor.shape} is larger than a plan can hold")

    def _string(self, text: str) -> int:
        if "\0" in text:
            raise GraphError(f"{text[:40]!r} contains a NUL character")
        if text not in self.positions:
            self.positions[text] = len(self.strings)
            self.strings += text.encode() + b"\0"
        return self.positions[text]

    def _align(self, alignment: int) -> None:
        padding = -self.size % alignment
        self.parts.append(bytes(padding))
        self.size += padding

    def _append(self, data: bytes) -> int:
        """Place of `data` in the file, aligned to a block of lanes."""
        self._align(4 * self.lanes)
        at = self.size
        self.parts.append(data)
        self.size += len(data)
        return at

    def _tensor_table(self) -> tuple[bytes, int]:
        order = list(self.index)
        blocks, block_of = self._blocks()
        places, arena_size = place(blocks, ARENA_ALIGNMENT)
        offsets = [places[block_of[name]] for name in order[1:-1]]
        bounds = self._bounds()
        rows = []
        for name, offset in zip(order, [0, *offsets, 0], strict=True):
            tensor = self.tensors[name]
            rows.append(
                struct.pack(
                    f"<{TENSOR_WORDS}I",
                    KINDS.index(tensor.kind),
                    *tensor.shape,
                    tensor.zero_point,
                    bounds[name],
                    offset,
                )
            )
        return b"".join(rows), arena_size

    def _blocks(self) -> tuple[list[Lifetime], dict[str, int]]:
        """What the arena holds, and which of it each tensor lies in: Add may write over an input of its kind."""
        last = {name: i for i, step in enumerate(self.steps) for name in self._inputs(step)}
        blocks: list[Lifetime] = []
        block_of: dict[str, int] = {}
        for position, step in enumerate(self.steps[:-1]):
            over = next((name for name in self._inputs(step) if last[name] == position and name in block_of), None)
            if over and self._adds_in_place(step, over):
                block_of[step.output] = block_of[over]
                blocks[block_of[over]] = replace(blocks[block_of[over]], last=last[step.output])
            else:
                block_of[step.output] = len(blocks)
                blocks.append(Lifetime(tensor_bytes(self.tensors[step.output]), position, last[step.output]))
        return blocks, block_of

    def _adds_in_place(self, step: Step | Interleave, over: str) -> bool:
        source, output = self.tensors[over], self.tensors[step.output]
        return (
            isinstance(step, Step) and isinstance(step.node, Add) and source.kind == output.kind and not output.is_bits
        )

    def _inputs(self, step: Step | Interleave) -> tuple[str, ...]:
        if isinstance(step, Interleave):
            return (step.input,)
        return tuple(self.alias.get(name, name) for name in step.node.inputs)

    def _bounds(self) -> dict[str, int]:
        """Largest magnitude of every tensor, as the C runtime recomputes it when it opens the plan."""
        bounds = {name: max(map(abs, self.tensors[name].value_range)) for name in (self.graph.input,)}
        for step in self.steps:
            inputs = [bounds[name] for name in self._inputs(step)]
            bound = inputs[0] if isinstance(step, Interleave) else step.node.bound(*inputs)
            if bound > INT32_MAX:
                raise GraphError(f"{step.output!r}: values up to {bound} are possible, more than 32 bits hold")
            fused = step.output_stage if isinstance(step, Step) else None
            bounds[step.output] = fused.bound(bound) if fused else bound
        return bounds

    def _step(self, step: Step | Interleave, name: int) -> bytes:
        operator = type(step.node if isinstance(step, Step) else step).__name__
        inputs = [self.index[tensor] for tensor in self._inputs(step)]
        fields = PlanFields() if isinstance(step, Interleave) else self._fields(step)
        tables = [b""] if isinstance(step, Interleave) else self._tables(step, fields.parameters)
        geometry = (*fields.kernel, *fields.stride, *fields.dilation, *fields.padding)
        if max(geometry) > MAX_EXTENT:
            raise GraphError(f"{step.output!r}: kernel, stride, dilation or padding above {MAX_EXTENT}")
        return struct.pack(
            "<4I10H7I",
            OPERATORS.index(operator),
            name,
            inputs[0],
            inputs[1] if len(inputs) > 1 else 0,
            *geometry,
            fields.groups,
            fields.lanes,
            KINDS.index(fields.weight_kind) if fields.weight_kind else 0,
            *(self._append(data) if data else 0 for data in (fields.weights, fields.counts, b"".join(tables))),
            len(tables[0]) if len(tables) > 1 else 0,
        )

    def _fields(self, step: Step) -> PlanFields:
        node = step.node
        fields = node.plan_fields(self.tensors[node.input], self.tensors[node.output], self.lanes)
        if step.output_stage is None:
            return fields
        source, output = self.tensors[node.output], self.tensors[step.output]
        return replace(fields, parameters=step.output_stage.plan_fields(source, output, self.lanes).parameters)

    def _tables(self, step: Step, first: bytes) -> list[bytes]:
        """The step's parameters of each task, or those of the first alone where all share them."""
        owner = step.output_stage or step.node
        source, output = self.tensors[owner.input], self.tensors[owner.output]
        nodes = [own.get(owner.output) for own in self.graph.tasks.values()]
        tables = [node.plan_fields(source, output, self.lanes).parameters if node else first for node in nodes]
        return tables if any(nodes) else [first]


def tensor_bytes(tensor: Tensor) -> int:
    """Bytes of a tensor in the arena."""
    channels, height, width = tensor.shape
    pixel = {"binary": 4 * words(channels), "ternary": 8 * words(channels), "uint8": channels}
    return height * width * pixel.get(tensor.kind, 4 * channels)


def seal(plan: bytes) -> bytes:
    """The plan with its checksum: s1 = Σ w, s2 = Σ s1 over the 32-bit words but the checksum's own, modulo 2^64."""
    values = np.frombuffer(plan, "<u4").copy()
    rest = np.delete(values, np.r_[CHECKSUM]).astype(np.uint64)
    sums = np.cumsum(rest)
    values[CHECKSUM] = np.array([sums[-1], sums.sum(dtype=np.uint64)], "<u8").view("<u4")
    return values.tobytes()
