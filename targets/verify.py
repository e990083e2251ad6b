# SPDX-License-Identifier: Apache-2.0
"""One model, many executors: do they all give the same scores, bit for bit?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from trit.export import reference
from trit.export.graph import Graph
from trit.runtime.errors import TritError, Unavailable
from trit.runtime.library import VARIANTS

Images = npt.NDArray[np.uint8]
Array = npt.NDArray[Any]
Executor = Callable[[Graph, Images], Array]
REFERENCE_BATCH = 128  # images whose accumulators are in memory at a time
FLOAT_AGREEMENT = 0.999


@dataclass(frozen=True)
class Verdict:
    """What one executor did: its scores equal the reference's, or differ on some images; it failed, or is not here.

    Of one that computes in floating point the classes are compared, and are "close" if FLOAT_AGREEMENT of them agree.
    """

    executor: str
    status: Literal["equal", "close", "differs", "failed", "skipped"]
    images: int
    differing: int = 0
    accuracy: float | None = None
    seconds: float = 0.0
    note: str = ""


def verify(
    graph: Graph,
    images: Images,
    labels: Array | None = None,
    only: str = "",
    floats: Mapping[str, Executor] | None = None,
) -> Iterator[Verdict]:
    """Run every executor whose name contains `only` on the images (N, C, H, W), the numpy reference first.

    Yields a Verdict an executor. One that is not installed is skipped with the reason, never silently. `floats` are
    further executors, which compute in floating point.
    """
    floats = floats or {}
    start = time.perf_counter()
    expected = run_reference(graph, images)
    yield _verdict("numpy reference", expected, expected, labels, time.perf_counter() - start)
    for name, run in {**floats, **EXECUTORS}.items():
        if only not in name:
            continue
        start = time.perf_counter()
        try:
            scores = run(graph, images)
        except Unavailable as error:
            yield Verdict(name, "skipped", 0, note=str(error))
        except TritError as error:
            yield Verdict(name, "failed", 0, note=str(error))
        else:
            verdict = _verdict(name, scores, expected, labels, time.perf_counter() - start)
            yield _by_class(verdict, scores, expected) if name in floats else verdict


def run_reference(graph: Graph, images: Images) -> Array:
    """Scores (N, C) in the numpy reference, in batches that fit memory."""
    starts = range(0, len(images), REFERENCE_BATCH)
    return np.concatenate([_flat(reference.run(graph, images[at : at + REFERENCE_BATCH])) for at in starts])


def _verdict(name: str, scores: Array, expected: Array, labels: Array | None, seconds: float) -> Verdict:
    scores = _flat(scores)
    if scores.shape != expected.shape or scores.dtype != expected.dtype:
        differing = len(expected)
    else:
        # Compared as bits, so that -0.0 differs from 0.0 and a NaN equals itself.
        bits, expected_bits = (np.ascontiguousarray(values).view(np.uint8) for values in (scores, expected))
        differing = int((bits != expected_bits).reshape(len(expected), -1).any(axis=1).sum())
    accuracy = None if labels is None else float((scores.argmax(axis=1) == labels).mean())
    status: Literal["equal", "differs"] = "differs" if differing else "equal"
    return Verdict(name, status, len(expected), differing, accuracy, seconds)


def _by_class(verdict: Verdict, scores: Array, expected: Array) -> Verdict:
    differing = int((_flat(scores).argmax(axis=1) != expected.argmax(axis=1)).sum())
    agreement = 1 - differing / len(expected)
    status: Literal["close", "differs"] = "close" if agreement >= FLOAT_AGREEMENT else "differs"
    return replace(verdict, status=status, differing=differing, note=f"{agreement:.2%} of the classes agree")


def _flat(scores: Array) -> Array:
    return scores.reshape(len(scores), -1)


def _onnxruntime(graph: Graph, images: Images) -> Array:
    from trit.export.onnx_writer import onnx_bytes
    from trit.runtime.onnxruntime_session import run_onnxruntime

    return run_onnxruntime(onnx_bytes(graph), images)


def _onnxruntime_kernels(graph: Graph, images: Images) -> Array:
    from trit.export.onnx_writer import onnx_bytes
    from trit.runtime.onnxruntime_session import run_onnxruntime

    return run_onnxruntime(onnx_bytes(graph), images, kernels=True)


def _onnxruntime_int2(graph: Graph, images: Images) -> Array:
    from trit.export.onnx_int2 import to_onnx_int2
    from trit.runtime.onnxruntime_session import run_onnxruntime

    return run_onnxruntime(to_onnx_int2(graph).SerializeToString(), images)


def _tvm(graph: Graph, images: Images) -> Array:
    from trit.export.tvm import build

    return build(graph).run(images)


def _c_runtime(variant: str) -> Executor:
    def run(graph: Graph, images: Images) -> Array:
        from trit.export.plan import to_plan
        from trit.runtime import Session

        return Session(to_plan(graph), variant=variant).run(images)

    return run


def _nrf52840(graph: Graph, images: Images) -> Array:
    from trit.targets.microcontroller.simulator import run_simulated

    return run_simulated(graph, images)


def _tvm_c(graph: Graph, images: Images) -> Array:
    from trit.targets.tvm_c import run_tvm_c

    return run_tvm_c(graph, images)


def _rram(graph: Graph, images: Images) -> Array:
    from trit.targets.rram.executor import run_rram

    return run_rram(graph, images)


EXECUTORS: dict[str, Executor] = {
    "onnxruntime (stock)": _onnxruntime,
    "onnxruntime, trit's kernels": _onnxruntime_kernels,
    "onnxruntime, INT2 weights": _onnxruntime_int2,
    "tvm": _tvm,
    **{f"c runtime, {variant}": _c_runtime(variant) for variant in VARIANTS},
    "nrf52840 (simulated)": _nrf52840,
    "tvm C, nrf52840 (simulated)": _tvm_c,
    "rram-2t2r-130nm (error-free)": _rram,
}
