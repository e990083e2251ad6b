# SPDX-License-Identifier: Apache-2.0
"""Random integer networks over all operators and kinds, for the tests that compare executors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from trit.export.check import accumulator_ranges, validate
from trit.export.graph import Graph, Kind, Node, Shape, Tensor, WeightKind
from trit.export.operators import (
    SUM_ZERO_POINT,
    Add,
    Concat,
    Conv,
    MaxPool,
    MaxUnpool,
    Rescale,
    Scores,
    SumPool,
    Threshold,
    window_shape,
)
from trit.export.tasks import with_tasks

RECIPE = """data = "digits"
[quantization]
weights = "binary"
activations = "binary"
[network]
kind = "mlp"
hidden = [8]
[training]
epochs = 1
"""

WORD_BOUNDARIES = (1, 31, 32, 33, 63, 64, 65)
WEIGHT_KINDS: tuple[WeightKind, ...] = ("binary", "ternary", "int8")
SYNAPSES: tuple[WeightKind, ...] = ("binary", "ternary")  # the weights that RRAM arrays hold


@dataclass
class Builder:
    """Appends random nodes to a graph; `last` is the tensor that the next node reads."""

    rng: np.random.Generator
    last: Tensor
    outputs: tuple[int, ...] = WORD_BOUNDARIES  # channels of random convolutions
    tensors: dict[str, Tensor] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    weight_kinds: Sequence[WeightKind] = WEIGHT_KINDS  # that random blocks draw from

    def __post_init__(self) -> None:
        self.tensors[self.last.name] = self.last
        self.input = self.last

    def _append(self, node: Node, kind: Kind, shape: Shape, zero_point: int = 0) -> Tensor:
        self.last = Tensor(node.output, kind, shape, zero_point)
        self.tensors[node.output] = self.last
        self.nodes.append(node)
        return self.last

    def _names(self, operator: str) -> tuple[str, str]:
        name = f"{operator}{len(self.nodes)}"
        return name, f"{name}_out"

    def conv(
        self,
        outputs: int,
        weight_kind: WeightKind,
        kernel: tuple[int, int] = (3, 3),
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int, int, int] = (1, 1, 1, 1),
        dilation: tuple[int, int] = (1, 1),
        groups: int = 1,
    ) -> Tensor:
        name, output = self._names("conv")
        shape = (outputs, self.last.shape[0] // groups, *kernel)
        # Sums stay below 2^24, up to which the ONNX form is exact.
        most = min(127, (2**24 - 1) // (int(np.prod(shape[1:])) * (1 if self.last.is_bits else 255)))
        values = {"binary": [-1, 1], "ternary": [-1, 0, 1], "int8": np.arange(-most, most + 1)}[weight_kind]
        weights = self.rng.choice(values, shape).astype(np.int8)
        node = Conv(name, self.last.name, output, weights, weight_kind, stride, padding, dilation, groups)
        return self._append(node, "int32", (outputs, *window_shape(self.last.shape, kernel, stride, padding, dilation)))

    def dense(self, outputs: int, weight_kind: WeightKind) -> Tensor:
        return self.conv(outputs, weight_kind, self.last.shape[1:], padding=(0, 0, 0, 0))

    def threshold(self, kind: Kind) -> Tensor:
        name, output = self._names("threshold")
        low, high = accumulator_ranges(self.graph())[self.last.name]
        spread = max(2, (high - low) // 8)
        channels = self.last.shape[0]
        lo = self.rng.integers(-spread, spread, channels).astype(np.int32)
        gap = self.rng.integers(1, spread, channels).astype(np.int32) if kind == "ternary" else 0
        negative = self.rng.random(channels) < 0.4
        node = Threshold(name, self.last.name, output, lo, (lo + gap).astype(np.int32), negative)
        return self._append(node, kind, self.last.shape)

    def rescale(self, zero_point: int = 128, ends: float = 0.1) -> Tensor:
        """Slopes of both signs, with which a channel takes from a tenth of the codes to ten times their range.

        A fraction `ends` of the channels has factors at the ends of what they may be.
        """
        name, output = self._names("rescale")
        low, high = accumulator_ranges(self.graph())[self.last.name]
        channels = self.last.shape[0]
        slope = 256 / (high - low + 1) * 10 ** self.rng.uniform(-1, 1, channels)
        shift = np.clip(30 - np.ceil(np.log2(slope)) - self.rng.integers(0, 20, channels), 0, 53).astype(np.int64)
        multiplier = np.rint(slope * 2.0**shift).astype(np.int64) * self.rng.choice([-1, 1], channels, p=[0.4, 0.6])
        offset = (zero_point << shift) - multiplier * ((low + high) // 2) + (1 << shift) // 2
        at_end = self.rng.random(channels) < ends
        multiplier[at_end] = self.rng.choice([1 - 2**31, -1, 0, 1, 2**31 - 1], at_end.sum())
        offset[at_end] = self.rng.choice([1 - 2**62, -1, 0, 1 << 21, 2**62 - 1], at_end.sum())
        shift[at_end] = self.rng.choice([0, 1, 22, 31, 32, 33, 61, 62], at_end.sum())
        factors = multiplier.astype(np.int32), offset, shift.astype(np.uint8)
        node = Rescale(name, self.last.name, output, *factors, zero_point)
        return self._append(node, "uint8", self.last.shape, zero_point)

    def max_pool(self, kernel: tuple[int, int] = (2, 2), stride: tuple[int, int] = (2, 2), pad: int = 0) -> Tensor:
        name, output = self._names("maxpool")
        flags = None if self.rng.random() < 0.3 else self.rng.random(self.last.shape[0]) < 0.4
        padding = (pad, pad, pad, pad)
        some = flags is not None and flags.any()
        node = MaxPool(name, self.last.name, output, kernel, stride, padding, flags if some else None)
        shape = (self.last.shape[0], *window_shape(self.last.shape, kernel, stride, padding))
        return self._append(node, self.last.kind, shape, self.last.zero_point)

    def max_unpool(self, sums: Tensor, kernel: tuple[int, int] = (2, 2)) -> Tensor:
        name, output = self._names("maxunpool")
        node = MaxUnpool(name, self.last.name, output, sums.name, kernel)
        return self._append(node, "uint8", sums.shape, self.last.zero_point)

    def sum_pool(self, kernel: tuple[int, int] = (2, 2), stride: tuple[int, int] = (2, 2), pad: int = 0) -> Tensor:
        name, output = self._names("sumpool")
        padding = (pad, pad, pad, pad)
        node = SumPool(name, self.last.name, output, kernel, stride, padding)
        shape = (self.last.shape[0], *window_shape(self.last.shape, kernel, stride, padding))
        if self.last.kind in ("binary", "ternary"):
            return self._append(node, "uint8", shape, SUM_ZERO_POINT)
        return self._append(node, "int32", shape)

    def add(self, other: Tensor) -> Tensor:
        name, output = self._names("add")
        return self._append(Add(name, self.last.name, output, other.name), "int32", self.last.shape)

    def concat(self, other: Tensor) -> Tensor:
        name, output = self._names("concat")
        shape = (self.last.shape[0] + other.shape[0], *self.last.shape[1:])
        node = Concat(name, self.last.name, output, other.name)
        return self._append(node, self.last.kind, shape, self.last.zero_point)

    def scores(self) -> Tensor:
        name, output = self._names("scores")
        channels = self.last.shape[0]
        scale = self.rng.normal(0, 0.1, channels).astype(np.float32)
        bias = self.rng.normal(0, 1, channels).astype(np.float32)
        return self._append(Scores(name, self.last.name, output, scale, bias), "float32", self.last.shape)

    def graph(self) -> Graph:
        labels = [f"class {index}" for index in range(self.last.shape[0])]
        return Graph(
            self.input.name, self.last.name, dict(self.tensors), list(self.nodes), labels, {"recipe": "random"}
        )


def builder(rng: np.random.Generator, shape: Shape, zero_point: int = 0) -> Builder:
    return Builder(rng, Tensor("image", "uint8", shape, zero_point))


def random_graph(
    seed: int,
    weight_kinds: Sequence[WeightKind] = WEIGHT_KINDS,
    channels: int | None = None,
    outputs: tuple[int, ...] = WORD_BOUNDARIES,
    sizes: tuple[int, int] = (4, 10),
) -> Graph:
    """A valid network: uint8 input conv, a few blocks of every operator, a dense layer, scores.

    Its images have `channels` channels where that is given, and a height and width in the range `sizes`; random
    convolutions have one of `outputs` output channels.
    """
    rng = np.random.default_rng(seed)
    size = (int(rng.integers(*sizes)), int(rng.integers(*sizes)))
    drawn = int(rng.choice([1, 2, 3, 33]))
    build = builder(rng, (channels or drawn, *size), int(rng.choice([0, 73, 128, 255])))
    build.outputs = outputs
    build.weight_kinds = weight_kinds
    build.conv(int(rng.choice(build.outputs)), _weight_kind(build))
    _random_activation(build)
    for _ in range(int(rng.integers(1, 4))):
        _random_block(build)
    build.dense(int(rng.choice([1, 7, 10, 33])), _weight_kind(build))
    build.scores()
    graph = build.graph()
    validate(graph)
    return graph


def with_random_tasks(graph: Graph, names: Sequence[str], seed: int = 0) -> Graph:
    """The graph as the first task; the others have their channels' tables shuffled, so that they stay in range."""
    rng = np.random.default_rng(seed)

    def shuffled(node: Node) -> Node:
        given = [name for name in node.tables if getattr(node, name) is not None]
        if not given:
            return node
        order = rng.permutation(len(getattr(node, given[0])))
        return replace(node, **{name: getattr(node, name)[order] for name in given})

    others = {name: replace(graph, nodes=[shuffled(node) for node in graph.nodes]) for name in names[1:]}
    return with_tasks({names[0]: graph, **others})


def residual_graph(seed: int) -> Graph:
    """Blocks of one to three convolutions, each added to the block's input or to an older tensor of its shape."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(5, 13))
    build = builder(rng, (int(rng.choice([1, 3])), size, size))
    build.conv(int(rng.choice([8, 32, 33, 65])), _weight_kind(build))
    earlier = [build.last]
    for _ in range(int(rng.integers(2, 8))):
        if build.last.kind == "int32" and rng.random() < 0.5:
            build.threshold(_activation_kind(rng))
        alike = [tensor for tensor in (*earlier, build.last) if tensor.shape == build.last.shape]
        shortcut = alike[int(rng.integers(len(alike)))]
        for _ in range(int(rng.integers(1, 4))):
            if build.last.kind == "int32":
                build.threshold(_activation_kind(rng))
            build.conv(shortcut.shape[0], _weight_kind(build))
        earlier.append(build.add(shortcut))
        if rng.random() < 0.2:
            build.max_pool((2, 2), (1, 1))
    build.threshold(_activation_kind(rng))
    build.dense(5, _weight_kind(build))
    build.scores()
    graph = build.graph()
    validate(graph)
    return graph


def random_input(graph: Graph, count: int, rng: np.random.Generator) -> np.ndarray:
    """uint8 images (count, C, H, W), the first all 0 and the second all 255."""
    images = rng.integers(0, 256, (count, *graph.tensors[graph.input].shape), dtype=np.uint8)
    images[:1], images[1:2] = 0, 255
    return images


def _random_block(build: Builder) -> None:
    rng = build.rng
    match rng.choice(["conv", "depthwise", "residual", "stream", "concat", "pool", "sum", "unpool", "grouped"]):
        case "conv":
            _random_conv(build)
        case "depthwise":
            build.conv(build.last.shape[0], _weight_kind(build), groups=build.last.shape[0])
        case "grouped":
            if build.last.shape[0] % 3 == 0:
                build.conv(2 * build.last.shape[0], _weight_kind(build), groups=3)
            else:
                _random_conv(build)
        case "residual":
            shortcut = build.last
            build.conv(shortcut.shape[0], _weight_kind(build))
            build.add(shortcut)
        case "stream":
            _random_stream(build)
        case "concat":
            _random_concat(build)
        case "pool":
            if rng.random() < 0.4:  # over accumulators
                build.conv(int(rng.choice(build.outputs)), _weight_kind(build))
            build.max_pool(*_random_window(build))
        case "sum":
            if rng.random() < 0.4:
                build.conv(int(rng.choice(build.outputs)), _weight_kind(build))
            build.sum_pool(*_random_window(build))
        case "unpool":
            _random_unpool(build)
    _random_activation(build)


def _random_activation(build: Builder) -> None:
    """Bits or codes of what is no activation yet; sums of bits are left as they are now and then."""
    rng = build.rng
    if build.last.kind == "int32" or (build.last.kind == "uint8" and rng.random() < 0.7):
        if rng.random() < 0.4:
            build.rescale(int(rng.choice([0, 3, 128, 255])))
        else:
            build.threshold(_activation_kind(rng))


def _random_stream(build: Builder) -> None:
    """Residual blocks on an 8-bit stream: bits of it through a convolution, rescaled and added to it."""
    rng = build.rng
    build.conv(int(rng.choice(build.outputs)), _weight_kind(build))
    stream = build.rescale()
    for _ in range(2):
        if rng.random() < 0.7:
            build.threshold(_activation_kind(rng))
        build.conv(stream.shape[0], _weight_kind(build))
        build.rescale(int(rng.choice([0, 128])))
        build.add(stream)
        stream = build.rescale()


def _random_conv(build: Builder) -> None:
    rng = build.rng
    height, width = build.last.shape[1:]
    kernel = (min(int(rng.integers(1, 4)), height), min(int(rng.integers(1, 4)), width))
    # A dilated kernel spans 2·(k - 1) + 1 positions.
    dilation = (_dilation(rng, kernel[0], height), _dilation(rng, kernel[1], width))
    padding = tuple(int(p) for p in rng.integers(0, 3, 4))
    stride = tuple(int(s) for s in rng.integers(1, 3, 2))
    build.conv(int(rng.choice(build.outputs)), _weight_kind(build), kernel, stride, padding, dilation)


def _random_concat(build: Builder) -> None:
    """What the next convolution gives beside its input, as bits, or two convolutions' accumulators."""
    rng, first = build.rng, build.last
    build.conv(int(rng.choice(build.outputs)), _weight_kind(build))
    if first.is_bits and rng.random() < 0.7:
        build.threshold(first.kind)
        build.concat(first)
        return
    accumulators, build.last = build.last, first
    build.conv(int(rng.choice(build.outputs)), _weight_kind(build))
    build.concat(accumulators)


def _random_unpool(build: Builder) -> None:
    """What a max pool of accumulators gives, as codes, back to where the maxima were."""
    rng = build.rng
    sums = build.conv(int(rng.choice(build.outputs)), _weight_kind(build))
    height, width = (int(rng.integers(1, min(3, size) + 1)) for size in sums.shape[1:])
    build.max_pool((height, width), (height, width))
    build.rescale(int(rng.choice([0, 3, 128, 255])))
    build.max_unpool(sums, (height, width))


def _random_window(build: Builder) -> tuple[tuple[int, int], tuple[int, int], int]:
    rng = build.rng
    limit = min(3, *build.last.shape[1:])
    kernel = (int(rng.integers(1, limit + 1)), int(rng.integers(1, limit + 1)))
    stride = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
    return kernel, stride, int(rng.integers(0, min(kernel)))


def _dilation(rng: np.random.Generator, kernel: int, size: int) -> int:
    return 2 if 2 * (kernel - 1) < size and rng.random() < 0.3 else 1


def _weight_kind(build: Builder) -> WeightKind:
    return build.weight_kinds[int(build.rng.integers(len(build.weight_kinds)))]


def _activation_kind(rng: np.random.Generator) -> Kind:
    return "binary" if rng.random() < 0.5 else "ternary"
