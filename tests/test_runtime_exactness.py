# SPDX-License-Identifier: Apache-2.0
"""Every kernel variant and weight layout gives the reference's bits."""

from __future__ import annotations

import numpy as np
import pytest
from tests_support import (
    WORD_BOUNDARIES,
    Builder,
    builder,
    random_graph,
    random_input,
    residual_graph,
    with_random_tasks,
)

from trit.export import reference
from trit.export.graph import Graph, Pads, Pair, Tensor
from trit.export.plan import to_plan
from trit.runtime import Session, TritError
from trit.runtime.library import VARIANTS


def available() -> list[str]:
    plan = to_plan(random_graph(0))
    names = []
    for name in VARIANTS:
        try:
            names.append(Session(plan, name).variant)
        except TritError as error:
            assert name in str(error)
    return names


def assert_same_bits(graph: Graph, images: np.ndarray) -> None:
    expected = reference.run(graph, images).astype(np.float32)
    for lanes in (1, 8, 16):
        plan = to_plan(graph, lanes)
        for variant in available():
            scores = Session(plan, variant).run(images).reshape(expected.shape)
            different = np.argwhere(scores.view(np.uint32) != expected.view(np.uint32))
            assert len(different) == 0, f"lanes {lanes}, {variant}: first at {different[0]}"


@pytest.mark.parametrize("seed", range(150))
def test_random_networks(seed: int) -> None:
    graph = random_graph(seed)
    assert_same_bits(graph, random_input(graph, 4, np.random.default_rng(seed)))


@pytest.mark.parametrize("seed", range(20))
def test_residual_networks(seed: int) -> None:
    graph = residual_graph(seed)
    assert_same_bits(graph, random_input(graph, 3, np.random.default_rng(seed)))


def score(build: Builder, classes: int = 3) -> Graph:
    if build.last.kind == "int32":
        build.threshold("ternary")
    build.dense(classes, "ternary")
    build.scores()
    return build.graph()


@pytest.mark.parametrize("activation", ["uint8", "binary", "ternary"])
@pytest.mark.parametrize("weights", ["binary", "ternary", "int8"])
@pytest.mark.parametrize("channels", WORD_BOUNDARIES)
def test_word_boundaries(activation: str, weights: str, channels: int) -> None:
    """Each combination of kinds at each channel count in and out, with borders cut on all sides."""
    rng = np.random.default_rng(channels)
    for outputs in WORD_BOUNDARIES:
        build = builder(rng, (channels if activation == "uint8" else 2, 4, 7), 128)
        if activation != "uint8":
            build.conv(channels, "ternary", (1, 1), padding=(0, 0, 0, 0))
            build.threshold(activation)
        build.conv(outputs, weights, (3, 3), padding=(2, 1, 1, 2))
        graph = score(build)
        assert_same_bits(graph, random_input(graph, 2, rng))


@pytest.mark.parametrize("kind", ["binary", "ternary", "uint8", "int32"])
@pytest.mark.parametrize("channels", WORD_BOUNDARIES)
def test_concat_at_word_boundaries(kind: str, channels: int) -> None:
    """Channel counts that are no multiples of a word on either side, and a chain of three."""
    rng = np.random.default_rng(channels)

    def branch(outputs: int) -> Tensor:
        build.last = build.input
        build.conv(outputs, "ternary", (2, 2))
        if kind != "int32":
            build.threshold("binary" if kind == "binary" else "ternary")
        return build.sum_pool() if kind == "uint8" else build.last

    for more in WORD_BOUNDARIES:
        build = builder(rng, (2, 3, 5), 128)
        first, second = branch(channels), branch(more)
        branch(3)
        build.concat(first)
        build.concat(second)
        graph = score(build)
        assert_same_bits(graph, random_input(graph, 2, rng))


@pytest.mark.parametrize("size", [(6, 8), (7, 9), (2, 3)])
@pytest.mark.parametrize("channels", WORD_BOUNDARIES)
def test_unpooling_of_equal_maxima(channels: int, size: tuple[int, int]) -> None:
    """Sums of few values, so that most windows have their maximum more than once; rows and columns left over."""
    rng = np.random.default_rng(channels)
    for zero_point, kernel in ((0, (2, 2)), (3, (1, 3)), (255, (2, 1)), (128, (1, 1))):
        build = builder(rng, (1, *size), 1)
        sums = build.conv(channels, "ternary", (1, 1), padding=(0, 0, 0, 0))
        build.max_pool(kernel, kernel)
        build.rescale(zero_point)
        build.max_unpool(sums, kernel)
        build.conv(5, "ternary")
        graph = score(build)
        assert_same_bits(graph, rng.integers(0, 3, (4, 1, *size), dtype=np.uint8))


@pytest.mark.parametrize("channels", [*WORD_BOUNDARIES, 96])
@pytest.mark.parametrize("zero_point", [0, 128, 255])
def test_rescaling_at_its_limits(channels: int, zero_point: int) -> None:
    """Behind a convolution, by itself on accumulators and on codes, and behind a sum: factors of every size."""
    rng = np.random.default_rng(channels)
    build = builder(rng, (2, 4, 5), 128)
    build.conv(channels, "ternary")
    stream = build.rescale(zero_point, ends=0.3)
    build.conv(channels, "binary", (1, 1), padding=(0, 0, 0, 0))
    build.sum_pool((2, 2), (1, 1), 1)
    build.max_pool((2, 2), (1, 1))
    build.rescale(zero_point, ends=0.3)
    build.add(stream)
    build.rescale(255 - zero_point, ends=0.3)
    build.rescale(zero_point, ends=0.3)
    graph = score(build)
    assert_same_bits(graph, random_input(graph, 3, rng))


# (size, kernel, stride, padding): rows of 16 and more and of fewer columns, bands of few rows, a lone row.
TILED = [
    ((6, 35), (3, 3), (1, 1), (1, 1, 1, 1)),
    ((17, 9), (3, 3), (1, 1), (1, 0, 2, 1)),
    ((15, 21), (3, 2), (2, 2), (1, 1, 0, 0)),
    ((14, 33), (2, 3), (1, 2), (0, 2, 1, 1)),
    ((1, 70), (1, 5), (1, 1), (0, 2, 0, 2)),
    ((9, 8), (1, 1), (1, 1), (0, 0, 0, 0)),
]


@pytest.mark.parametrize("activation", ["uint8", "binary", "ternary"])
@pytest.mark.parametrize("weights", ["binary", "ternary"])
@pytest.mark.parametrize("channels", [1, 3, 31, 32, 33, 63, 64, 65, 127, 200])
def test_tiles(activation: str, weights: str, channels: int) -> None:
    """Images that fill AMX's tiles of 16 pixels, 64 values and 16 output channels, and such as end inside one."""
    if "amx" not in available():
        pytest.skip("this machine has no AMX")
    rng = np.random.default_rng(channels)
    for (size, kernel, stride, padding), outputs in zip(TILED, (1, 15, 16, 17, 65, 96), strict=True):
        build = builder(rng, (channels if activation == "uint8" else 2, *size), 121)
        if activation != "uint8":
            build.conv(channels, "ternary", (1, 1), padding=(0, 0, 0, 0))
            build.threshold(activation)
        build.conv(outputs, weights, kernel, stride=stride, padding=padding)
        if channels % 2 == 0:
            build.rescale()
        graph = score(build)
        images, plan = random_input(graph, 1, rng), to_plan(graph, 16)
        expected = Session(plan, "scalar").run(images)
        np.testing.assert_array_equal(Session(plan, "amx").run(images), expected, str(size))


@pytest.mark.parametrize("activation", ["binary", "ternary"])
def test_each_tasks_thresholds_in_every_variant(activation: str) -> None:
    """On images that are large enough for tables, carry-save adders and tiles."""
    rng = np.random.default_rng(0)
    build = builder(rng, (64, 16, 20), 121)
    for _ in range(2):
        build.conv(64, "ternary")
        build.threshold(activation)
    build.max_pool((2, 2), (2, 2))
    graph = with_random_tasks(score(build), ("one", "two"))
    images = random_input(graph, 1, rng)
    for lanes, variant in ((lanes, variant) for lanes in (1, 8, 16) for variant in available()):
        session = Session(to_plan(graph, lanes), variant)
        for task in session.tasks:
            session.task = task
            expected = reference.run(graph.of_task(task), images)[:, :, 0, 0]
            np.testing.assert_array_equal(session.run(images), expected, variant)


@pytest.mark.parametrize("activation", ["binary", "ternary"])
@pytest.mark.parametrize("weights", ["binary", "ternary", "int8"])
def test_long_strings(activation: str, weights: str) -> None:
    """More words than the byte counters of the AVX2 kernel hold before they are added up."""
    rng = np.random.default_rng(3)
    build = builder(rng, (2100, 1, 1), 7)
    build.conv(1100, weights, (1, 1), padding=(0, 0, 0, 0))
    build.threshold(activation)
    build.conv(40, weights, (1, 1), padding=(0, 0, 0, 0))
    build.threshold(activation)
    graph = score(build)
    assert_same_bits(graph, random_input(graph, 2, rng))


@pytest.mark.parametrize("weights", ["binary", "ternary", "int8"])
def test_windows_longer_than_what_is_gathered_at_once(weights: str) -> None:
    rng = np.random.default_rng(4)
    build = builder(rng, (12_001, 1, 1), 7)
    build.conv(40, weights, (1, 1), padding=(0, 0, 0, 0))
    graph = score(build)
    assert_same_bits(graph, random_input(graph, 2, rng))


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "padding"),
    [
        ((20, 20), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
        ((1, 600), (1, 5), (1, 2), (1, 3), (0, 7, 0, 4)),
        ((3, 270), (2, 2), (1, 1), (2, 1), (2, 0, 0, 3)),
        ((37, 9), (4, 3), (2, 1), (3, 2), (9, 4, 0, 5)),
        ((12, 13), (6, 6), (1, 1), (1, 1), (3, 3, 2, 4)),
    ],
)
@pytest.mark.parametrize("activation", ["binary", "ternary"])
@pytest.mark.parametrize("weights", ["binary", "ternary"])
def test_large_feature_maps(
    activation: str, weights: str, size: Pair, kernel: Pair, stride: Pair, dilation: Pair, padding: Pads
) -> None:
    """More pixels than share a table of sums, in rows and in columns, with all borders cut."""
    rng = np.random.default_rng(8)
    build = builder(rng, (2, *size), 128)
    build.conv(70, "ternary", (1, 1), padding=(0, 0, 0, 0))
    build.threshold(activation)
    build.conv(97, weights, kernel, padding=padding, stride=stride, dilation=dilation)
    build.threshold("ternary")
    build.conv(1, "ternary", (1, 1), padding=(0, 0, 0, 0))
    build.scores()
    graph = build.graph()
    assert_same_bits(graph, random_input(graph, 2, rng))


@pytest.mark.parametrize("activation", ["binary", "ternary"])
@pytest.mark.parametrize("weights", ["binary", "ternary", "int8"])
def test_extreme_values(activation: str, weights: str) -> None:
    """All weights and activations equal or opposite: the counters reach their ends."""
    rng, most = np.random.default_rng(4), 127 if weights == "int8" else 1
    build = builder(rng, (1, 6, 6), 0)
    build.conv(300, weights, (1, 1), padding=(0, 0, 0, 0))
    build.nodes[-1].weights[:] = most
    build.threshold(activation)
    build.conv(40, weights)
    build.nodes[-1].weights[:20] = -most
    build.nodes[-1].weights[20:] = most
    graph = score(build)
    assert_same_bits(graph, random_input(graph, 2, rng))


@pytest.mark.parametrize("activation", ["binary", "ternary"])
@pytest.mark.parametrize("weights", ["binary", "ternary"])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (7, 9), (8, 8)])
def test_depthwise_with_thresholds(activation: str, weights: str, kernel: Pair) -> None:
    """Thresholds in, at and beyond the range of sums, up to more taps than the sliced sums hold, all borders cut."""
    rng = np.random.default_rng(kernel[0])
    taps = kernel[0] * kernel[1]
    for channels in WORD_BOUNDARIES:
        for output in ("binary", "ternary"):
            build = builder(rng, (2, 9, 10), 128)
            build.conv(channels, "ternary", (1, 1), padding=(0, 0, 0, 0))
            build.threshold(activation)
            build.conv(channels, weights, kernel, (2, 1), (2, 3, 1, 2), groups=channels)
            if channels > 1:
                build.nodes[-1].weights[: channels // 2] = -1
            build.threshold(output)
            threshold = build.nodes[-1]
            ends = np.array([-(2**31), -taps - 1, -taps, 1 - taps, taps - 1, taps, taps + 1, 2**31 - 1])
            at_end = rng.random(channels) < 0.5
            threshold.lo[at_end] = np.sort(rng.choice(ends, (2, channels)), axis=0)[0][at_end]
            threshold.hi[:] = threshold.lo if output == "binary" else np.maximum(threshold.lo, threshold.hi)
            graph = score(build)
            assert_same_bits(graph, random_input(graph, 2, rng))


@pytest.mark.parametrize("weights", ["binary", "ternary", "int8"])
@pytest.mark.parametrize("channels", WORD_BOUNDARIES)
def test_depthwise_on_codes(channels: int, weights: str) -> None:
    """The last kernel has more taps than sums of 16 bits hold."""
    rng = np.random.default_rng(channels)
    for kernel, stride, zero_point in (((3, 3), (1, 1), 128), ((5, 4), (2, 1), 0), ((12, 11), (1, 1), 255)):
        build = builder(rng, (channels, 14, 13), zero_point)
        build.conv(channels, weights, kernel, stride, groups=channels)
        graph = score(build)
        assert_same_bits(graph, random_input(graph, 2, rng))


def test_layers_of_one_dimension() -> None:
    rng = np.random.default_rng(5)
    build = builder(rng, (4, 1, 33), 128)
    build.conv(35, "ternary", (1, 5), padding=(0, 4, 0, 0), dilation=(1, 2))
    build.threshold("ternary")
    build.conv(35, "binary", (1, 3), padding=(0, 1, 0, 1), stride=(1, 2), groups=35)
    build.max_pool((1, 2), (1, 2))
    graph = score(build)
    assert_same_bits(graph, random_input(graph, 3, rng))


def test_padding_wider_than_the_kernel() -> None:
    """Whole windows lie in the padding and give accumulators of 0."""
    rng = np.random.default_rng(6)
    for activation in ("binary", "ternary"):
        build = builder(rng, (3, 3, 3), 200)
        build.conv(33, "ternary", (2, 2), padding=(4, 3, 5, 6))
        build.threshold(activation)
        build.conv(34, "ternary", (2, 2), padding=(3, 4, 3, 4), stride=(1, 3))
        build.threshold("binary")
        build.conv(9, "binary", (3, 3), padding=(5, 5, 5, 5))
        graph = score(build)
        assert_same_bits(graph, random_input(graph, 2, rng))


def test_scores_of_many_pixels_are_in_channel_order() -> None:
    rng = np.random.default_rng(7)
    build = builder(rng, (2, 5, 4), 3)
    build.conv(6, "binary")
    build.scores()
    graph = build.graph()
    images = random_input(graph, 3, rng)
    scores = Session(to_plan(graph)).run(images)
    assert scores.shape == (3, 6, 5, 4)
    assert np.array_equal(scores, reference.run(graph, images))
