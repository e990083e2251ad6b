# SPDX-License-Identifier: Apache-2.0
"""Random networks of convolutions, norms, quantizers, pools, sums and joins: equal to onnxruntime, or refused."""

from __future__ import annotations

import numpy as np
import pytest
from import_support import Draft, assert_same
from onnx import ModelProto

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'trit[onnxruntime]'")

from trit.export.graph import GraphError

f = np.float32
SEEDS_A_TEST = 25


def quantized(draft: Draft, x: str) -> str:
    match draft.rng.integers(8):
        case 0:
            return str(draft.op("Sign", draft.op("Clip", x, f(-1), f(1))))
        case 1:
            return str(draft.op("Where", draft.op("GreaterOrEqual", x, f(draft.rng.normal())), f(1), f(-1)))
        case 2:
            return str(
                draft.op("Mul", draft.op("Round", draft.op("Clip", draft.op("Div", x, f(0.5)), f(-2), f(1))), f(0.5))
            )
        case 3:
            return str(
                draft.op("Mul", draft.op("Round", draft.op("Clip", draft.op("Mul", x, f(4)), f(0), f(15))), f(0.25))
            )
        case 4:
            point = np.uint8(draft.rng.integers(0, 200))
            return str(draft.op("DequantizeLinear", draft.op("QuantizeLinear", x, f(0.04), point), f(0.04), point))
        case 5:
            return str(draft.op("Cast", draft.op("Greater", x, f(0.2)), to=1))
        case 6:
            return str(draft.op("Where", draft.op("Less", x, f(0)), f(-0.5), f(1.5)))
        case _:
            high, low = (
                draft.op("Cast", draft.op(kind, x, f(t)), to=1) for kind, t in (("Greater", 0.5), ("Less", -0.5))
            )
            return str(draft.op("Sub", high, low))


def pooled(draft: Draft, x: str, shape: tuple[int, ...], *kinds: str) -> tuple[str, tuple[int, ...]]:
    """At times a pool of one of the kinds."""
    if draft.rng.random() < 0.7 or min(shape[1:]) < 2:
        return x, shape
    kind = str(draft.rng.choice(kinds))
    return str(draft.op(kind, x, kernel_shape=[2, 2], strides=[2, 2])), (shape[0], shape[1] // 2, shape[2] // 2)


def convolved(draft: Draft, x: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    rng = draft.rng
    outputs, groups = int(rng.choice([4, 6, 9])), 1
    if rng.random() < 0.15:
        outputs = groups = shape[0]
    kernel, pad = min(int(rng.integers(1, 4)), *shape[1:]), int(rng.integers(0, 2))
    weights = (draft.signs if rng.random() < 0.5 else draft.ternary)(outputs, shape[0] // groups, kernel, kernel)
    if rng.random() < 0.3:
        weights = weights * rng.uniform(0.2, 2, (outputs, 1, 1, 1)).astype(f)
    x = draft.batch_norm(draft.op("Conv", x, weights, pads=[pad] * 4, group=groups), outputs, 3)
    return x, (outputs, *(size + 2 * pad - kernel + 1 for size in shape[1:]))


def network(seed: int) -> ModelProto:
    rng = np.random.default_rng(seed)
    shape = tuple(int(size) for size in (rng.choice([1, 2, 3]), *rng.integers(6, 11, 2)))
    draft = Draft(*shape, seed=seed)
    x = draft.op("Sub", draft.op("Mul", "x", f(2)), f(1)) if rng.random() < 0.5 else "x"
    x = quantized(draft, x) if rng.random() < 0.3 else x
    earlier: tuple[str, tuple[int, ...]] | None = None
    for _ in range(int(rng.integers(1, 4))):
        x, shape = pooled(draft, *convolved(draft, x, shape), "MaxPool")
        x, shape = pooled(draft, quantized(draft, x), shape, "MaxPool", "AveragePool")
        if earlier and earlier[1] == shape and rng.random() < 0.7:
            x = draft.op("Add", x, earlier[0])
        elif earlier and earlier[1][1:] == shape[1:] and rng.random() < 0.7:
            x, shape = draft.op("Concat", x, earlier[0], axis=1), (shape[0] + earlier[1][0], *shape[1:])
        earlier = (x, shape) if rng.random() < 0.6 else None
    x = draft.op("Transpose", x, perm=[0, 2, 3, 1]) if rng.random() < 0.3 else x
    weights = draft.ternary(int(np.prod(shape)), 5)
    return draft.model(draft.op("Gemm", draft.op("Flatten", x), weights, rng.normal(0, 1, 5).astype(f)))


@pytest.mark.parametrize("first", range(0, 100, SEEDS_A_TEST))
def test_random_networks(first: int) -> None:
    refused = []
    for seed in range(first, first + SEEDS_A_TEST):
        try:
            found = assert_same(network(seed), count=20, tolerance=1e-4, classes=False, varied=False)
        except GraphError as error:
            assert str(error).startswith("node "), error
            refused.append(seed)
            continue
        assert all(layer.packed for layer in found.layers)
    assert len(refused) <= SEEDS_A_TEST // 3, refused
