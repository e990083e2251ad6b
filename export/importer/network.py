# SPDX-License-Identifier: Apache-2.0
"""One import at work: the graph so far, and what is known of its tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from trit.export.graph import Array, Kind, Node, Shape, Tensor, WeightKind
from trit.export.importer.functions import Domain, Function
from trit.export.importer.source import Operation
from trit.export.importer.values import Positions, Real
from trit.export.lowering import Lowering
from trit.export.operators import Add, Concat, Conv

IMAGE = "image"
_LEVEL_BITS: dict[WeightKind, int] = {"binary": 1, "ternary": 2, "int8": 8}


@dataclass(frozen=True)
class Layer:
    """A row of the report: a layer with weights, what became of them, their bits in the source and in the result."""

    layer: str
    operator: str
    weights: WeightKind
    packed: bool
    why_not: str | None
    bits_before: int
    bits_after: int


class Network:
    """The graph so far, the layers with weights, and what a user should know of the import."""

    def __init__(self, shape: Shape, batch: int) -> None:
        self.lowering = Lowering(shape)
        self.lowering.name_of(IMAGE)
        self.lowering.name_of("scores")
        self.batch = batch  # that the source's reshapes are written for
        self.round_weights = False  # that are on no grid
        self.why_not_packed: dict[str, str] = {}  # by operation, where it is not for the weights' levels
        self.readers: dict[str, list[Operation]] = {}  # of each of the source's values
        self.layers: list[Layer] = []
        self.notes: list[str] = []
        self.sums: dict[str, tuple[str, tuple[int, int]]] = {}  # a sum over all positions: of which tensor, H and W
        self.known: dict[Any, Any] = {}  # bits and codes that were made before
        self._stored: dict[int, tuple[Array, int]] = {}
        self._domains: dict[str, Domain] = {IMAGE: Domain(0, 255)}

    def tensor(self, name: str) -> Tensor:
        return self.lowering.tensors[name]

    def domain(self, parts: tuple[str, ...]) -> Domain:
        """Of the sum of the parts."""
        found = [self._domains.get(name) or Domain(*self.lowering.range_of(name)) for name in parts]
        if len(found) == 1:
            return found[0]
        return Domain(sum(domain.low for domain in found), sum(domain.high for domain in found))

    def append(self, node: Node, kind: Kind | None = None, domain: Domain | None = None) -> str:
        """Add a node, whose output's shape and, unless given, kind follow from its inputs'."""
        found = node.check(*(self.tensor(name) for name in node.inputs))
        name = self.lowering.append(node, kind or found.kinds[0], found.shape, found.zero_point)
        if domain is not None:
            self._domains[name] = domain
        return name

    def line(self, parts: tuple[str, ...], slopes: list[Fraction], offsets: list[Fraction], name: str) -> Real:
        """The real values slope·x + offset per channel, as (1, C, H, W)."""
        shape, domain = self.tensor(parts[0]).shape, self.domain(parts)
        positions: Positions = np.arange(np.prod(shape, dtype=int)).reshape(1, *shape)
        functions = tuple(Function.line(domain, a, b) for a, b in zip(slopes, offsets, strict=True))
        return Real(parts, positions, functions, shape[1] * shape[2], name)

    def added(self, parts: tuple[str, ...]) -> str:
        """One tensor that is the sum of the parts."""
        total = parts[0]
        for part in parts[1:]:
            key = ("sum", total, part)
            if key not in self.known:
                name = self.lowering.name_of(f"{total}+{part.rpartition('.')[2]}")
                self.known[key] = self.append(Add(name, total, f"{name}.sum", part))
            total = self.known[key]
        return total

    def joined(self, parts: tuple[str, ...]) -> str:
        """One tensor with the channels of all parts, in order; halves are joined, so that few bytes move."""
        if len(parts) == 1:
            return parts[0]
        if parts not in self.known:
            middle = (len(parts) + 1) // 2
            left, right = self.joined(parts[:middle]), self.joined(parts[middle:])
            name = self.lowering.name_of(f"{parts[0]}.join")
            self.known[parts] = self.append(Concat(name, left, f"{name}ed", right))
        return str(self.known[parts])

    def widened(self, tensor: str, codes: bool = False) -> str:
        """Bits (and, if so wanted, codes) as int32 sums: a depthwise convolution with +1. Other tensors as they are."""
        if not self.tensor(tensor).is_bits and not (codes and self.tensor(tensor).kind == "uint8"):
            return tensor
        key = ("wide", tensor)
        if key not in self.known:
            channels = self.tensor(tensor).shape[0]
            name = self.lowering.name_of(f"{tensor}.wide")
            ones = np.ones((channels, 1, 1, 1), np.int8)
            self.known[key] = self.append(Conv(name, tensor, f"{name}.acc", ones, "binary", groups=channels))
        return str(self.known[key])

    def reshape_image(self, shape: Shape) -> bool:
        """Let the image have another shape with as many values; False where something reads it already."""
        if any(IMAGE in node.inputs for node in self.lowering.nodes):
            return False
        self.lowering.tensors[IMAGE] = replace(self.tensor(IMAGE), shape=shape)
        return True

    def flatten_image(self, real: Real, wanted: bool) -> bool:
        """Is the image that is read all channels, along which bits are packed? If `wanted`, it is made so."""
        channels = len(real.functions) * real.area
        if real.parts != (IMAGE,) or real.area == 1:
            return False
        return self.tensor(IMAGE).shape == (channels, 1, 1) or (wanted and self.reshape_image((channels, 1, 1)))

    def check_unmoved(self, operation: Operation, real: Real) -> None:
        """Raise GraphError where the image's zero point is moved already, which not everything can follow."""
        if IMAGE in real.parts and self.tensor(IMAGE).zero_point:
            raise operation.error("reads the image beside a padded convolution; one reader, or no padding, is expected")

    def move_zero_point(self, wanted: int) -> int:
        """Let the image's values be code - wanted, if that can still be; by how much they are less than before."""
        before = self.tensor(IMAGE).zero_point
        point = before + wanted
        if not 0 <= point <= 255 or any(IMAGE in node.inputs for node in self.lowering.nodes):
            return 0
        self.lowering.tensors[IMAGE] = replace(self.tensor(IMAGE), zero_point=point)
        return wanted

    def store(self, array: Array, bits: int | None = None) -> None:
        """Remember how many bits a number of the source's array takes; None: as its type says."""
        self._stored[id(array)] = (array, bits_of(array) if bits is None else bits)

    def inherit(self, sources: Sequence[Any], made: Sequence[Array]) -> None:
        """What is computed of constants was stored as the largest of them."""
        largest = max((s for s in sources if s is not None), key=np.size, default=None)
        for array in made:
            self.store(array, self._stored.get(id(largest), (None, bits_of(array)))[1])

    def stored_bits(self, weights: Array) -> int:
        """Bits that the weights take in the source."""
        return weights.size * self._stored.get(id(weights), (None, 32))[1]

    def record(self, operation: Operation, operator: str, node: Conv, bits_before: int) -> None:
        bits = node.weights.size * _LEVEL_BITS[node.weight_kind]
        packed = node.weight_kind != "int8"
        most = int(np.abs(node.weights.astype(int)).max())
        why = (
            None
            if packed
            else self.why_not_packed.get(operation.name) or f"weights have {2 * most + 1} levels: 8 bits each"
        )
        self.layers.append(Layer(operation.name, operator, node.weight_kind, packed, why, bits_before, bits))


def bits_of(array: Array) -> int:
    """Of one number, by the type's name: numpy keeps ONNX's types of 2 and 4 bits in bytes."""
    digits = array.dtype.name.lstrip("uint")
    return int(digits) if digits in ("1", "2", "4") else array.dtype.itemsize * 8
