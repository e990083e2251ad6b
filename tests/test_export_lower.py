# SPDX-License-Identifier: Apache-2.0
"""Lowering: the integer graph means what the torch network computes, and what cannot be lowered is named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests_support import WORD_BOUNDARIES

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'trit[train]'")
from torch import Tensor, nn

from trit.export import reference
from trit.export.fuse import fuse
from trit.export.graph import Graph, GraphError
from trit.export.lower import lower
from trit.export.onnx_reader import parse_onnx
from trit.export.onnx_writer import onnx_bytes
from trit.export.operators import Concat, Conv, MaxPool, Rescale
from trit.targets.verify import verify
from trit.train.layers import (
    BinaryActivation,
    BinaryWeights,
    EightBitActivation,
    Int8Weights,
    MaxUnpool,
    Pixels,
    QuantConv1d,
    QuantConv2d,
    QuantLinear,
    TernaryActivation,
    TernaryMeanWeights,
    TernaryWeights,
)

Shape = tuple[int, int, int]


def settle(network: nn.Module, shape: Shape, seed: int = 0) -> nn.Module:
    """Random affine parameters, and running statistics near what the data gives."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 0.5
            for parameter in (module.weight, module.bias):
                nn.init.normal_(parameter, generator=generator)
    network.train()
    size = shape if shape[1] > 1 else (shape[0], shape[2])
    for _ in range(3):
        network(torch.randint(0, 256, (16, *size), generator=generator).float())
    return network.eval()


def assert_same_meaning(network: nn.Module, shape: Shape, count: int = 24) -> Graph:
    """Scores of the integer graph against torch's in float64, where rounding cannot move an activation."""
    graph = lower(network, shape)
    images = np.random.default_rng(1).integers(0, 256, (count, *shape), dtype=np.uint8)
    inputs = torch.from_numpy(images if shape[1] > 1 else images[:, :, 0])
    with torch.no_grad():
        expected = _in_double(network)(inputs.double()).numpy()
    scores = reference.run(graph, images).reshape(expected.shape)
    np.testing.assert_allclose(scores, expected, rtol=2e-5, atol=2e-5 * np.abs(expected).max())
    return graph


def _in_double(network: nn.Module) -> nn.Module:
    """The network with every parameter in float64, but weights quantized as in float32."""
    for module in network.modules():
        if isinstance(module, QuantLinear | QuantConv1d | QuantConv2d):
            integers, scale, _ = module.integer_weights()
            fixed = (
                integers.double()
                if scale is None
                else integers * scale.double().reshape(-1, *[1] * (integers.dim() - 1))
            )
            module.weight_quantizer.forward = lambda _, fixed=fixed: fixed
    return network.double()


WEIGHTS: list[Callable[[bool], nn.Module]] = [
    lambda scaled: BinaryWeights(scaled),
    lambda scaled: TernaryWeights(0.02, scaled),
    lambda scaled: TernaryMeanWeights(scaled),
    lambda scaled: Int8Weights(),
]


ACTIVATIONS: list[Callable[[], nn.Module]] = [
    BinaryActivation,
    lambda: TernaryActivation(0.5, 1.5),
    lambda: EightBitActivation(1 / 16),
    lambda: nn.Sequential(nn.ReLU(), EightBitActivation(1 / 64, 0)),
    lambda: nn.Sequential(nn.ReLU6(), EightBitActivation(6 / 255, 0)),
]


@st.composite
def networks(draw: st.DrawFn) -> tuple[nn.Module, Shape]:
    """Convolution, pool and norm in either order, activation; then the same again and a dense layer."""
    torch.manual_seed(draw(st.integers(0, 1000)))
    height, width = draw(st.integers(14, 17)), draw(st.integers(14, 17))
    channels = draw(st.sampled_from([1, 3]))
    layers: list[nn.Module] = [Pixels(draw(st.sampled_from([0, 73, 255])))]
    shape = (channels, height, width)
    for _ in range(draw(st.integers(1, 2))):
        outputs = draw(st.sampled_from(WORD_BOUNDARIES))
        quantizer = draw(st.sampled_from(WEIGHTS))(draw(st.booleans()))
        kernel, padding = draw(st.integers(1, 3)), draw(st.integers(0, 1))
        stride = draw(st.integers(1, 2))
        layers.append(
            QuantConv2d(channels, outputs, kernel, quantizer, draw(st.booleans()), padding=padding, stride=stride)
        )
        pool = draw(st.sampled_from([None, nn.MaxPool2d(2, 1), nn.AvgPool2d(2, 1), nn.MaxPool2d(2, 1, 1)]))
        norm = [nn.BatchNorm2d(outputs)]
        middle = norm if pool is None else draw(st.sampled_from([[pool, *norm], [*norm, pool]]))
        layers += [*middle, draw(st.sampled_from(ACTIVATIONS))()]
        channels = outputs
    layers.append(nn.Flatten())
    width_of_dense = nn.Sequential(*layers).eval()(torch.zeros(1, *shape)).shape[1]
    dense = QuantLinear(width_of_dense, 5, TernaryMeanWeights(scaled=draw(st.booleans())), bias=draw(st.booleans()))
    return settle(nn.Sequential(*layers, dense, nn.BatchNorm1d(5)), shape), shape


@given(networks())
@settings(max_examples=60)
def test_random_networks(case: tuple[nn.Module, Shape]) -> None:
    assert_same_meaning(*case)


def ternary() -> TernaryMeanWeights:
    return TernaryMeanWeights()


class Residual(nn.Module):
    """A block whose sum of activations and accumulators is normalized."""

    def __init__(self, plus: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.first = QuantConv2d(2, 33, 3, ternary(), padding=1)
        self.norm1, self.act1 = nn.BatchNorm2d(33), TernaryActivation(0.5, 1.5)
        self.second = QuantConv2d(33, 33, 3, BinaryWeights(), padding=1)
        self.norm2, self.act2 = nn.BatchNorm2d(33), BinaryActivation()
        self.pool, self.dense = nn.AdaptiveAvgPool2d(1), QuantLinear(33, 4, ternary())
        self.plus = plus

    def forward(self, x: Tensor) -> Tensor:
        x = self.act1(self.norm1(self.first(x)))
        x = self.act2(self.norm2(self.plus(self.second(x), x)))
        return self.dense(torch.flatten(self.pool(x), 1))


@pytest.mark.parametrize("plus", [lambda a, b: a + b, torch.add, lambda a, b: a.add(b)], ids=["+", "torch.add", "add"])
def test_residual_connections(plus: Callable[[Tensor, Tensor], Tensor]) -> None:
    graph = assert_same_meaning(settle(Residual(plus), (2, 6, 5)), (2, 6, 5))
    assert [type(node).__name__ for node in graph.nodes] == [
        "Conv", "Threshold", "Conv", "Add", "Threshold", "SumPool", "Conv", "Scores",
    ]  # fmt: skip


class Joins(nn.Module):
    """Two branches side by side: bits, then accumulators of different scales, then flattened sums."""

    def __init__(self) -> None:
        super().__init__()
        self.first = QuantConv2d(2, 33, 3, ternary(), padding=1)
        self.norm1, self.act = nn.BatchNorm2d(33), TernaryActivation(0.5, 1.5)
        self.left = QuantConv2d(33, 5, 3, TernaryMeanWeights(scaled=True), padding=1)
        self.right = QuantConv2d(33, 31, 1, BinaryWeights(), bias=True)
        self.norm2, self.norm3 = nn.BatchNorm2d(36), nn.BatchNorm2d(69)
        self.pool, self.dense = nn.AvgPool2d(2), QuantLinear(2 * 69 * 2 * 2, 4, ternary())

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.norm1(self.first(x)))
        y = self.act(self.norm2(torch.cat([self.left(x), self.right(x)], 1)))
        x = self.pool(torch.concat((x, y), dim=1))
        x, y = torch.flatten(x, 1), torch.flatten(x, 1)
        return self.dense(torch.cat((x, y), 1))


def test_concatenation() -> None:
    graph = assert_same_meaning(settle(Joins(), (2, 5, 4)), (2, 5, 4))
    joins = [graph.tensors[node.output] for node in graph.nodes if isinstance(node, Concat)]
    assert [(tensor.kind, tensor.shape[0]) for tensor in joins] == [("int32", 36), ("ternary", 69), ("uint8", 138)]


class Stream(nn.Module):
    """Residual blocks on an 8-bit stream, as in Bi-Real Net, then half its size and twice its channels."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.stem, self.norm = QuantConv2d(3, 33, 3, ternary(), padding=1), nn.BatchNorm2d(33)
        self.activation, self.eight_bits = activation, EightBitActivation(1 / 16)
        self.conv1, self.norm1 = QuantConv2d(33, 33, 3, BinaryWeights(), padding=1), nn.BatchNorm2d(33)
        self.conv2, self.norm2 = QuantConv2d(33, 33, 3, ternary(), padding=1), nn.BatchNorm2d(33)
        self.pool, self.wider, self.norm3 = nn.AvgPool2d(2), QuantConv2d(33, 64, 1, ternary()), nn.BatchNorm2d(64)
        self.average, self.dense = nn.AdaptiveAvgPool2d(1), QuantLinear(64, 4, ternary())

    def forward(self, x: Tensor) -> Tensor:
        x = self.eight_bits(self.norm(self.stem(x)))
        x = self.eight_bits(x + self.eight_bits(self.norm1(self.conv1(self.activation(x)))))
        x = self.eight_bits(x + self.eight_bits(self.norm2(self.conv2(self.activation(x)))))
        x = self.eight_bits(self.norm3(self.wider(self.eight_bits(self.pool(x)))))
        return self.dense(torch.flatten(self.eight_bits(self.average(x)), 1))


@pytest.mark.parametrize("activation", [BinaryActivation(), TernaryActivation(0.5, 1.5), nn.Identity()], ids=repr)
def test_eight_bit_streams(activation: nn.Module) -> None:
    graph = assert_same_meaning(settle(Stream(activation), (3, 6, 6)), (3, 6, 6))
    kinds = Counter(type(node).__name__ for node in graph.nodes)
    assert kinds["Threshold"] == (0 if isinstance(activation, nn.Identity) else 2)
    assert kinds - Counter(Threshold=2) == {"Conv": 5, "Rescale": 8, "Add": 2, "SumPool": 2, "Scores": 1}
    fused = Counter(type(step.node).__name__ for step in fuse(graph) if isinstance(step.output_stage, Rescale))
    assert fused == {"Conv": 4, "Add": 2}


def test_a_maximum_is_taken_of_codes() -> None:
    network = nn.Sequential(
        QuantConv2d(1, 8, 3, ternary()), nn.MaxPool2d(2), nn.BatchNorm2d(8), nn.ReLU(), EightBitActivation(1 / 64, 0),
        nn.Flatten(), QuantLinear(8 * 9, 2, ternary()),
    )  # fmt: skip
    graph = assert_same_meaning(settle(network, (1, 8, 8)), (1, 8, 8))
    (pool,) = [node for node in graph.nodes if isinstance(node, MaxPool)]
    assert (graph.tensors[pool.input].kind, graph.tensors[pool.output].kind) == ("uint8", "uint8")


class Unpools(nn.Module):
    """The states of a pooled layer act down through its pool, as in a convergent network."""

    def __init__(self, kernel: int | tuple[int, int], zero_point: int) -> None:
        super().__init__()
        self.up, self.down = QuantConv2d(2, 33, 3, ternary(), padding=1), QuantConv2d(33, 6, 3, BinaryWeights())
        self.other = QuantConv2d(2, 33, 3, BinaryWeights(scaled=True), bias=True, padding=1)
        self.pool, self.norm, self.unpool = nn.MaxPool2d(kernel), nn.BatchNorm2d(33), MaxUnpool(kernel)
        self.act, self.out = EightBitActivation(1 / 16, zero_point), EightBitActivation(1 / 4)
        self.average, self.dense = nn.AdaptiveAvgPool2d(1), QuantLinear(6, 3, ternary())

    def forward(self, x: Tensor) -> Tensor:
        sums = self.up(x)
        states = self.act(self.norm(self.pool(sums)))
        back = self.down(self.unpool(states, sums)) + self.down(self.unpool(states, self.other(x)))
        return self.dense(torch.flatten(self.out(self.average(back)), 1))


@pytest.mark.parametrize(("kernel", "zero_point"), [(2, 0), (2, 128), ((3, 2), 255), (1, 3)])
def test_unpooling(kernel: int | tuple[int, int], zero_point: int) -> None:
    network = settle(Unpools(kernel, zero_point), (2, 7, 9))
    graph = assert_same_meaning(network, (2, 7, 9))
    unpools = [node for node in graph.nodes if type(node).__name__ == "MaxUnpool"]
    assert [node.name for node in unpools] == ["unpool", "unpool:2"]
    assert {graph.tensors[node.output].zero_point for node in unpools} == {zero_point}
    few = np.random.default_rng(0).integers(0, 2, (8, 2, 7, 9), dtype=np.uint8)  # with many equal maxima
    images = np.concatenate([few, np.random.default_rng(1).integers(0, 256, few.shape, dtype=np.uint8)])
    with torch.no_grad():
        expected = network(torch.from_numpy(images).double()).numpy()
    scores = reference.run(graph, images).reshape(expected.shape)
    np.testing.assert_allclose(scores, expected, rtol=2e-5, atol=2e-5 * np.abs(expected).max())


def test_unpooling_in_every_executor() -> None:
    graph = lower(settle(Unpools(2, 7), (2, 7, 9)), (2, 7, 9))
    images = np.random.default_rng(1).integers(0, 3, (4, 2, 7, 9), dtype=np.uint8)
    statuses = {verdict.executor: verdict.status for verdict in verify(graph, images)}
    assert set(statuses.values()) <= {"equal", "skipped"}, statuses


def test_depthwise_and_grouped() -> None:
    network = nn.Sequential(
        QuantConv2d(3, 33, 3, BinaryWeights()),
        nn.BatchNorm2d(33),
        nn.Hardtanh(),
        nn.Dropout(),
        TernaryActivation(0.5, 1.0),
        QuantConv2d(33, 33, 3, TernaryMeanWeights(scaled=True), padding="same", groups=33),
        nn.BatchNorm2d(33),
        BinaryActivation(),
        QuantConv2d(33, 66, 1, ternary(), groups=3, bias=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    assert_same_meaning(settle(network, (3, 7, 7)), (3, 7, 7))


BEFORE: dict[str, Callable[[], list[nn.Module]]] = {
    "pixels": lambda: [],
    "binary": lambda: [QuantConv2d(6, 6, 1, ternary()), nn.BatchNorm2d(6), BinaryActivation()],
    "ternary": lambda: [QuantConv2d(6, 6, 1, ternary()), nn.BatchNorm2d(6), TernaryActivation(0.5, 1.5)],
    "sums": lambda: [QuantConv2d(6, 6, 1, ternary()), BinaryActivation(), nn.AvgPool2d(3, 1, 1)],
    "accumulators": lambda: [QuantConv2d(6, 6, 1, ternary()), nn.BatchNorm2d(6)],
}
OPTIONS: dict[str, dict[str, object]] = {
    "plain": {},
    "stride and padding": {"stride": 2, "padding": (2, 1)},
    "dilation": {"dilation": (1, 2), "padding": "same"},
    "groups": {"groups": 3},
    "depthwise": {"groups": 6, "padding": 1},
}


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("weights", range(len(WEIGHTS)))
def test_every_convolution_after_every_activation(before: str, options: str, weights: int) -> None:
    torch.manual_seed(weights)
    layer = QuantConv2d(6, 12, 3, WEIGHTS[weights](True), **OPTIONS[options])
    tail = [nn.BatchNorm2d(12), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    network = settle(nn.Sequential(Pixels(121), *BEFORE[before](), layer, *tail), (6, 7, 6))
    if before == "accumulators":
        with pytest.raises(GraphError, match="layer 3 reads real values"):
            lower(network, (6, 7, 6))
    else:
        assert_same_meaning(network, (6, 7, 6))


def test_one_dimension() -> None:
    network = nn.Sequential(
        Pixels(128),
        QuantConv1d(4, 31, 5, ternary(), padding=2, stride=2),
        nn.BatchNorm1d(31),
        nn.MaxPool1d(2),
        BinaryActivation(),
        QuantConv1d(31, 31, 3, ternary(), padding="same", dilation=2, groups=31),
        nn.AvgPool1d(2),
        nn.BatchNorm1d(31),
        TernaryActivation(0.5, 1.5),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        QuantLinear(31, 3, ternary()),
    )
    assert_same_meaning(settle(network, (4, 1, 40)), (4, 1, 40))


def test_pools_run_on_bits_where_a_threshold_follows() -> None:
    network = nn.Sequential(
        QuantConv2d(1, 8, 3, ternary()), nn.MaxPool2d(2), nn.BatchNorm2d(8), BinaryActivation(),
        nn.Flatten(), QuantLinear(8 * 9, 2, ternary()),
    )  # fmt: skip
    graph = assert_same_meaning(settle(network, (1, 8, 8)), (1, 8, 8))
    (pool,) = [node for node in graph.nodes if isinstance(node, MaxPool)]
    assert graph.tensors[pool.input].kind == "binary"
    assert pool.minimum is not None  # some of the random γ are negative


class Reuses(nn.Module):
    """One activation, pool and convolution for all stages, as many write their networks."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.conv = QuantConv2d(1, 8, 3, ternary(), padding=1), QuantConv2d(8, 8, 3, ternary(), padding=1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(8) for _ in range(3))
        self.pool, self.act = nn.MaxPool2d(2), TernaryActivation(0.5, 1.5)
        self.dense = QuantLinear(8, 3, ternary())

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.norms[0](self.pool(self.first(x))))
        x = self.act(self.norms[1](self.pool(self.conv(x))))
        x = self.act(self.norms[2](self.pool(self.conv(x))))
        return self.dense(torch.flatten(x, 1))


def test_layers_may_be_used_more_than_once() -> None:
    graph = assert_same_meaning(settle(Reuses(), (1, 9, 9)), (1, 9, 9))
    names = [node.name for node in graph.nodes]
    assert len(set(names)) == len(names)
    assert {"conv", "conv:2", "act", "act:2", "act:3", "pool:3"} <= set(names)
    images = np.zeros((1, 1, 9, 9), np.uint8)
    np.testing.assert_array_equal(
        reference.run(parse_onnx(onnx_bytes(graph), "x"), images), reference.run(graph, images)
    )


class Calls(nn.Module):
    def __init__(self, forward: Callable[[nn.Module, Tensor], Tensor], **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.body = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.body(self, x)


def dense() -> QuantLinear:
    return QuantLinear(9, 9, ternary())


def conv(kernel: int = 1) -> QuantConv2d:
    return QuantConv2d(1, 2, kernel, ternary())


def unpooling(forward: Callable[[nn.Module, Tensor], Tensor], kernel: int = 1) -> nn.Module:
    norm = nn.BatchNorm2d(2)
    nn.init.constant_(norm.weight, -1.0)
    return Calls(forward, u=MaxUnpool(kernel), c=conv(), a=EightBitActivation(), n=norm, r=nn.ReLU())


UNSUPPORTED: dict[str, tuple[nn.Module, str]] = {
    "a layer of torch": (
        nn.Sequential(nn.Flatten(), nn.Sequential(nn.Softplus())),
        r"layer 1\.0 \(Softplus\) is not supported: use Pixels, ",
    ),
    "real weights": (nn.Sequential(nn.Flatten(), nn.Linear(9, 2)), "layer 1 has real weights: only -s, 0 and s"),
    "a function": (Calls(lambda m, x: torch.relu(m.a(x)), a=nn.Flatten()), r"relu \(relu\) is not supported"),
    "a branch": (Calls(lambda m, x: x if x.sum() > 0 else -x), "cannot be traced"),
    "a constant": (Calls(lambda m, x: m.a(torch.flatten(x, 1)) + 1.0, a=dense()), "adds a constant"),
    "a multiple": (
        Calls(lambda m, x: torch.add(m.a(x.flatten(1)), m.a(x.flatten(1)), alpha=2), a=dense()),
        "adds a constant or a multiple",
    ),
    "a flattened batch": (Calls(lambda m, x: torch.flatten(x)), "only flattening of all but the batch"),
    "a flattening layer": (nn.Sequential(nn.Flatten(2), dense()), "layer 0: only flattening"),
    "no activation": (
        nn.Sequential(nn.Flatten(), dense(), dense()),
        "layer 2 reads real values: put BinaryActivation, TernaryActivation or EightBitActivation before it",
    ),
    "an activation at the end": (
        nn.Sequential(nn.Flatten(), dense(), BinaryActivation()),
        "the network ends in an activation",
    ),
    "codes of bits": (
        nn.Sequential(nn.Flatten(), dense(), BinaryActivation(), EightBitActivation(), dense()),
        "layer 3: its input is binary already",
    ),
    "a ReLU before signed codes": (
        nn.Sequential(nn.Flatten(), dense(), nn.ReLU(), EightBitActivation(), dense()),
        "layer 3: its codes reach beyond the clipping before it; a ReLU needs zero_point=0",
    ),
    "a clip below the last code": (
        nn.Sequential(nn.Flatten(), dense(), nn.ReLU6(), EightBitActivation(1 / 16, 0), dense()),
        "layer 3: its codes reach beyond the clipping",
    ),
    "a ReLU before bits": (
        nn.Sequential(nn.Flatten(), dense(), nn.ReLU(), BinaryActivation(), dense()),
        "layer 3: its threshold lies outside the clipping",
    ),
    "streams of two scales": (
        Calls(
            lambda m, x: m.a(m.b(x)) + m.c(m.b(x)),
            a=EightBitActivation(1 / 16),
            b=QuantConv2d(1, 2, 1, ternary()),
            c=EightBitActivation(1 / 32),
        ),
        "adds values of different scales",
    ),
    "a clipped end": (nn.Sequential(nn.Flatten(), dense(), nn.Hardtanh()), "the network ends in an activation"),
    "a norm of clipped values": (
        nn.Sequential(nn.Flatten(), dense(), nn.Hardtanh(), nn.BatchNorm1d(9), BinaryActivation(), dense()),
        "layer 3 reads clipped values",
    ),
    "a mean of clipped values": (
        nn.Sequential(QuantConv2d(1, 2, 1, ternary()), nn.Hardtanh(), nn.AvgPool2d(3), BinaryActivation()),
        "layer 2 reads clipped values",
    ),
    "a threshold outside the clip": (
        nn.Sequential(nn.Flatten(), dense(), nn.Hardtanh(-0.1, 0.1), TernaryActivation(0.5, 1.0), dense()),
        "layer 3: its threshold lies outside the clipping",
    ),
    "two activations": (
        nn.Sequential(nn.Flatten(), dense(), BinaryActivation(), BinaryActivation()),
        "layer 3: its input is binary already",
    ),
    "two norms": (
        nn.Sequential(nn.Flatten(), dense(), nn.BatchNorm1d(9), nn.BatchNorm1d(9)),
        "layer 3: a second batch norm",
    ),
    "a wrong width": (nn.Sequential(nn.Flatten(), QuantLinear(8, 2, ternary())), "layer 1: reads 8 values"),
    "a kernel too large": (nn.Sequential(QuantConv2d(1, 2, 4, ternary())), "layer 0: its 4×4 kernel does not fit"),
    "circular padding": (
        nn.Sequential(QuantConv2d(1, 2, 3, ternary(), padding=1, padding_mode="circular")),
        "layer 0: padding mode 'circular'",
    ),
    "pixels late": (nn.Sequential(nn.Flatten(), dense(), Pixels()), r"layer 2 \(Pixels\) must be the first"),
    "joined rows": (Calls(lambda m, x: torch.cat([x, x], 2)), "only a list of values along the channels can be joined"),
    "no list to join": (Calls(lambda m, x: torch.cat(x, 1)), "cat: only a list of values"),
    "joined kinds": (
        Calls(
            lambda m, x: torch.cat([m.a(m.c(x)), m.b(m.c(x))], 1), a=BinaryActivation(), b=TernaryActivation(), c=conv()
        ),
        "cat: joins binary and ternary: use the same activation",
    ),
    "joined sums": (
        Calls(lambda m, x: torch.cat([x, m.p(m.a(m.c(x)))], 1), a=BinaryActivation(), c=conv(), p=nn.AvgPool2d(1)),
        "cat: joins uint8 with zero point 0 and uint8 with zero point 128",
    ),
    "joined sizes": (Calls(lambda m, x: torch.cat([m.a(x), m.b(x)], 1), a=conv(), b=conv(2)), "cat: joins tensors of"),
    "joined clips": (
        Calls(lambda m, x: m.b(torch.cat([m.a(m.c(x)), m.c(x)], 1)), a=nn.Hardtanh(), b=BinaryActivation(), c=conv()),
        "cat: joins clipped values",
    ),
    "an unpooled sum": (unpooling(lambda m, x: m.u(m.c(x), m.c(x))), "layer u: what it unpools has no 8-bit codes"),
    "maxima of codes": (
        unpooling(lambda m, x: m.u(m.a(m.c(x)), m.a(m.c(x)))),
        "layer u: unpools to maxima of uint8; it takes a layer's sums",
    ),
    "maxima of what falls": (
        unpooling(lambda m, x: m.u(m.a(m.c(x)), m.n(m.c(x)))),
        "layer u: unpools to maxima of sums that batch norm turns round",
    ),
    "maxima of clipped sums": (
        unpooling(lambda m, x: m.u(m.a(m.c(x)), m.r(m.c(x)))),
        "layer u reads clipped values",
    ),
    "windows of another size": (
        unpooling(lambda m, x: m.u(m.a(m.c(x)), m.c(x)), 2),
        r"u: unpools \(2, 3, 3\) to \(2, 3, 3\), which has windows for \(2, 1, 1\)",
    ),
    "sums by keyword": (
        unpooling(lambda m, x: m.u(m.a(m.c(x)), sums=m.c(x))),
        r"layer u \(MaxUnpool\) takes two values, not by keyword",
    ),
    "maxima of flattened sums": (
        unpooling(lambda m, x: m.u(m.a(m.c(x)), torch.flatten(m.c(x), 1))),
        "layer u: unpools flattened values",
    ),
    "sums of two scales": (
        Calls(
            lambda m, x: m.a(x.flatten(1)) + m.b(x.flatten(1)),
            a=QuantLinear(9, 3, TernaryMeanWeights(scaled=True)),
            b=QuantLinear(9, 3, TernaryMeanWeights()),
        ),
        "adds values of different scales",
    ),
}


def ternarized(network: nn.Module) -> nn.Module:
    """Torch's own layers with weights -s, 0, s: s of each output channel, or one for all of a layer."""
    for index, module in enumerate(network.modules()):
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear):
            with torch.no_grad():
                signs = module.weight.sign() * (module.weight.abs() > 0.3 * module.weight.abs().mean())
                scales = torch.rand(len(signs)).add(0.5) if index % 2 else torch.full((len(signs),), 0.37)
                module.weight.copy_(signs * scales.reshape(-1, *[1] * (signs.dim() - 1)))
    return network


@pytest.mark.parametrize("height", [7, 1])
def test_torchs_own_layers_with_ternary_weights(height: int) -> None:
    torch.manual_seed(3)
    kinds = (nn.Conv2d, nn.BatchNorm2d) if height > 1 else (nn.Conv1d, nn.BatchNorm1d)
    layers = [kinds[0](2, 9, 3, padding=1), kinds[1](9), nn.Hardtanh()]
    network = ternarized(
        nn.Sequential(Pixels(128), *layers, Calls(lambda m, x: x.sign()), nn.Flatten(), nn.Linear(63 * height, 4))
    )
    graph = assert_same_meaning(settle(network, (2, height, 7)), (2, height, 7))
    assert [node.weight_kind for node in graph.nodes if isinstance(node, Conv)] == ["ternary", "ternary"]


def test_torchs_sign_is_0_at_0() -> None:
    """Sums of an even number of ±1 are 0 at times; of bits that are 3 apart from it they are not."""
    for bias, kind in ((0.0, "ternary"), (0.5, "binary")):
        first = QuantLinear(9, 6, BinaryWeights(), bias=True)
        nn.init.constant_(first.bias, bias)
        network = nn.Sequential(
            nn.Flatten(), first, Calls(lambda m, x: torch.sign(x)), QuantLinear(6, 3, BinaryWeights())
        )
        graph = assert_same_meaning(network.eval(), (1, 3, 3))
        assert [t.kind for t in graph.tensors.values()].count(kind) == 1


@pytest.mark.parametrize("case", UNSUPPORTED)
def test_what_cannot_be_lowered_is_named(case: str) -> None:
    network, message = UNSUPPORTED[case]
    with pytest.raises(GraphError, match=message) as mistake:
        lower(network.eval(), (1, 3, 3))
    assert "\n" not in str(mistake.value)


def test_parameters_that_are_no_numbers_are_named() -> None:
    network = nn.Sequential(nn.Flatten(), dense(), nn.BatchNorm1d(9)).eval()
    network[2].running_mean[3] = float("nan")
    with pytest.raises(GraphError, match="layer 2: a parameter is not a finite number"):
        lower(network, (1, 3, 3))
