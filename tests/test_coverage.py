# SPDX-License-Identifier: Apache-2.0
"""Every operator on every kind of tensor, with every kind of weights and every geometry: equal in all executors, or
refused by the node's name when it is exported."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
from tests_support import WEIGHT_KINDS, Builder, builder, random_input

from trit.export import reference
from trit.export.graph import Graph, GraphError, Kind, Tensor
from trit.export.onnx_writer import onnx_bytes
from trit.export.operators import Conv
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.runtime.errors import Unavailable
from trit.runtime.library import VARIANTS
from trit.targets.rram.executor import default_chip, run_rram
from trit.targets.rram.programming import write_programming
from trit.targets.verify import EXECUTORS

KINDS: tuple[Kind, ...] = ("uint8", "binary", "ternary", "int32")
CHANNELS = 36  # more than a word; groups of 12 begin within words
HEIGHT, WIDTH = 4, 6
Case = Callable[[Builder], object]


def source(build: Builder, kind: Kind) -> Tensor:
    """A tensor of this kind from the image, which is uint8 itself; `build` goes on from it."""
    build.last = build.input
    if kind != "uint8":
        build.conv(CHANNELS, "ternary", (1, 1), padding=(0, 0, 0, 0))
    return build.threshold(kind) if kind in ("binary", "ternary") else build.last


def row(build: Builder) -> None:
    """Data of one dimension: height 1."""
    build.max_pool((HEIGHT, 1), (1, 1))


def conv_of_a_row(build: Builder, weights: str) -> None:
    row(build)
    build.conv(40, weights, (1, 3), stride=(1, 2), padding=(0, 2, 0, 1), dilation=(1, 2))


def conv_case(weights: str, geometry: str) -> Case:
    if geometry == "1-d":
        return partial(conv_of_a_row, weights=weights)
    if geometry == "dense":
        return lambda build: build.dense(40, weights)
    return lambda build: build.conv(**{"outputs": 40, "weight_kind": weights, **GEOMETRIES[geometry]})


GEOMETRIES: dict[str, dict[str, object]] = {
    "plain": {"padding": (0, 0, 0, 0)},
    "stride": {"stride": (2, 3)},
    "dilation": {"dilation": (1, 2)},
    "padding": {"padding": (3, 0, 1, 4)},
    "groups": {"groups": 3, "outputs": 39},
    "groups, all": {"groups": 3, "outputs": 39, "stride": (1, 2), "dilation": (2, 1), "padding": (1, 2, 3, 0)},
    "depthwise": {"groups": CHANNELS, "outputs": CHANNELS},
    "depthwise, all": {
        "groups": CHANNELS, "outputs": CHANNELS, "stride": (1, 2), "dilation": (2, 1), "padding": (1, 2, 3, 0),
    },
    "several outputs a channel": {"groups": CHANNELS, "outputs": 2 * CHANNELS},
    "1-d": {},
    "dense": {},
}  # fmt: skip


def pool_of_a_row(build: Builder, pool: str) -> None:
    row(build)
    getattr(build, pool)((1, 3), (1, 2))


def beside(build: Builder, operator: str, kind: Kind) -> None:
    """Add or Concat of what there is and a tensor of this kind."""
    first = build.last
    source(build, kind)
    getattr(build, operator)(first)


def unpool(build: Builder, kind: Kind) -> None:
    """MaxUnpool of what is left of windows that leave a row out, to the maxima of a tensor of this kind."""
    values = build.max_pool((3, 2), (3, 2))
    sums = source(build, kind)
    build.last = values
    build.max_unpool(sums, (3, 2))


CONVS = {f"{w} conv, {geometry}": conv_case(w, geometry) for w in WEIGHT_KINDS for geometry in GEOMETRIES}
POOLS: dict[str, Case] = {
    f"{pool}, {geometry}": case
    for pool in ("max_pool", "sum_pool")
    for geometry, case in {
        "plain": lambda build, pool=pool: getattr(build, pool)((2, 3), (1, 1)),
        "stride": lambda build, pool=pool: getattr(build, pool)((2, 2), (2, 3)),
        "padding": lambda build, pool=pool: getattr(build, pool)((2, 3), (2, 1), 1),
        "1-d": partial(pool_of_a_row, pool=pool),
        "global": lambda build, pool=pool: getattr(build, pool)((HEIGHT, WIDTH), (1, 1)),
    }.items()
}
OTHERS: dict[str, Case] = {
    **{f"{o} {k}": partial(beside, operator=o, kind=k) for o in ("add", "concat") for k in KINDS},
    **{f"max_unpool {kind}": partial(unpool, kind=kind) for kind in KINDS},
    **{f"threshold to {kind}": lambda build, kind=kind: build.threshold(kind) for kind in ("binary", "ternary")},
    **{f"rescale to zero point {zero}": lambda build, zero=zero: build.rescale(zero) for zero in (0, 128)},
    "scores": lambda build: build.scores(),
}
CASES = {**CONVS, **POOLS, **OTHERS}


def refusal(kind: Kind, case: str) -> str | None:
    """What export says of this operator on this kind, behind the node's name; None: it is supported."""
    if "conv" in case and kind == "int32":
        return "cannot convolve int32"
    if case.startswith("threshold") and kind in ("binary", "ternary"):
        return f"cannot threshold {kind}"
    if case.startswith("rescale") and kind in ("binary", "ternary"):
        return f"cannot rescale {kind}"
    if case == "scores" and kind != "int32":
        return f"cannot score {kind}"
    if case.startswith("max_unpool") and kind != "uint8":
        return f"cannot unpool {kind}"
    if case.startswith("max_unpool") and case != "max_unpool int32":
        return f"unpools to the maxima of {case.split()[1]}, not of int32 sums"
    if case.startswith("concat") and case != f"concat {kind}":
        return f"joins {case.split()[1]} and {kind}"
    return None


@cache
def available() -> list[str]:
    """The kernel variants of this machine."""
    names = []
    for variant in VARIANTS:
        with contextlib.suppress(Unavailable):
            names.append(Session(to_plan(start("int32", "scores").graph()), variant).variant)
    return names


def start(kind: Kind, case: str) -> Builder:
    build = builder(np.random.default_rng(len(case)), (CHANNELS, HEIGHT, WIDTH), 200)
    source(build, kind)
    CASES[case](build)
    return build


def as_scores(build: Builder) -> Graph:
    """Every value as a score of its own."""
    if build.last.kind != "float32":
        if build.last.kind != "int32":
            build.add(build.last)
        build.scores()
    return build.graph()


def assert_same_bits(scores: np.ndarray, expected: np.ndarray) -> None:
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores.view(np.uint32).reshape(-1), expected.view(np.uint32).reshape(-1))


def all_in_one(kind: Kind, cases: list[str]) -> Graph:
    """One network of all these cases on one tensor: the sums over each case's positions are its scores."""
    build = builder(np.random.default_rng(1), (CHANNELS, HEIGHT, WIDTH), 200)
    shared, joined = source(build, kind), None
    for case in cases:
        build.last = shared
        CASES[case](build)
        if build.last.kind != "int32":
            build.add(build.last)
        height, width = build.last.shape[1:]
        build.sum_pool((height, width), (1, 1))
        if joined:
            build.concat(joined)
        joined = build.last
    build.scores()
    return build.graph()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES)
def test_it_is_equal_or_refused_by_name(kind: Kind, case: str) -> None:
    build = start(kind, case)
    name, message = build.nodes[-1].name, refusal(kind, case)
    graph = as_scores(build)
    if message:
        for write in (onnx_bytes, to_plan):
            with pytest.raises(GraphError, match=f"^{name}: {message}"):
                write(graph)
        return
    images = random_input(graph, 3, np.random.default_rng(0))
    expected = reference.run(graph, images)
    for lanes in (1, 16):
        for variant in available():
            assert_same_bits(Session(to_plan(graph, lanes), variant).run(images), expected)
    int8 = [node.name for node in graph.nodes if isinstance(node, Conv) and node.weight_kind == "int8"]
    if int8:
        with pytest.raises(Unavailable, match=f"layer {int8[0]} has int8 weights"):
            run_rram(graph, images)
    else:
        assert_same_bits(run_rram(graph, images), expected)
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'trit[onnxruntime]'")
    assert_same_bits(EXECUTORS["onnxruntime (stock)"](graph, images), expected)


@pytest.mark.parametrize("executor", ["tvm", "nrf52840 (simulated)", "programming files"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_executors_that_are_built(executor: str, kind: Kind, tmp_path: Path) -> None:
    """Those that take seconds to build run all that is supported at once."""
    cases = [case for case in CASES if case != "scores" and refusal(kind, case) is None]
    if executor == "programming files":
        graph = all_in_one(kind, [case for case in cases if "int8" not in case])
    else:
        graph = all_in_one(kind, cases)
    images = random_input(graph, 2, np.random.default_rng(0))
    expected = reference.run(graph, images)
    if executor == "programming files":
        write_programming(graph, default_chip(), tmp_path, images, expected)
        done = subprocess.run(["make", "-s", "-C", str(tmp_path), "run"], capture_output=True, text=True)
        assert done.stdout.startswith("2 of 2 test images give the expected scores, in "), done.stderr
        return
    try:
        scores = EXECUTORS[executor](graph, images)
    except Unavailable as error:
        pytest.skip(str(error))
    assert_same_bits(scores, expected)
