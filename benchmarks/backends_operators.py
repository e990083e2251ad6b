# SPDX-License-Identifier: Apache-2.0
"""Every operator at work in one network, and its time in each backend that runs it packed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.report import Row
from trit.export.check import validate
from trit.export.graph import Graph, Kind, Node, Tensor, WeightKind
from trit.export.onnx_writer import onnx_bytes
from trit.export.operators import Add, Concat, Conv, MaxPool, Rescale, Scores, SumPool, Threshold
from trit.export.plan import to_plan
from trit.runtime import Session, onnx_session

CHANNELS, SIZE, CLASSES, RUNS = 64, 32, 10, 60
_RNG = np.random.default_rng(0)


def operators() -> list[Row]:
    """Microseconds of each step, an operator with the Threshold or Rescale behind it, beside the C runtime's."""
    graph = every_operator()
    image = _RNG.integers(0, 256, (1, *graph.tensors[graph.input].shape)).astype(np.uint8)
    c, rows = _in_c(graph, image), []
    for backend, measure in {"onnxruntime, trit's kernels": _in_onnxruntime, "tvm": _in_tvm}.items():
        times = measure(graph, image)
        rows += [Row(f"{name}, {backend}", times[name], "µs", "C runtime", c[name]) for name in c if name in times]
    return rows


def every_operator() -> Graph:
    """64 channels of 32² positions; each step is called after what it does."""
    made = _Maker()
    bits = made.threshold("threshold of uint8", "image", "ternary")
    made.conv("binary conv of uint8", "image", "binary")
    one = made.threshold("sign", made.last, "binary")
    made.conv("binary conv of binary", one, "binary")
    made.rescale("codes", made.last)
    codes = made.last
    made.conv("ternary conv of ternary", bits, "ternary")
    made.rescale("other codes", made.last)
    made.append(Add("add", codes, "add.sum", made.last), "int32")
    stream = made.rescale("stream", made.last)
    made.conv("int8 conv of uint8", stream, "int8")
    made.rescale("more codes", made.last)
    made.append(Concat("concat", stream, "concat.joined", made.last), "uint8", channels=2 * CHANNELS)
    made.append(MaxPool("max pool of uint8", made.last, "pooled", (2, 2), (2, 2)), "uint8", size=SIZE // 2)
    made.append(SumPool("sum pool of uint8", made.last, "summed", (2, 2), (2, 2)), "int32", size=SIZE // 4)
    made.threshold("threshold of sums", made.last, "binary")
    made.append(MaxPool("max pool of binary", made.last, "smaller", (2, 2), (2, 2)), "binary", size=SIZE // 8)
    made.dense("dense of binary")
    ones = np.ones(CLASSES, np.float32)
    made.append(Scores("scores", made.last, "out", ones, ones), "float32")
    graph = Graph("image", "out", made.tensors, made.nodes)
    validate(graph)
    return graph


class _Maker:
    def __init__(self) -> None:
        self.tensors = {"image": Tensor("image", "uint8", (CHANNELS, SIZE, SIZE), 128)}
        self.nodes: list[Node] = []
        self.last = "image"

    def append(self, node: Node, kind: Kind, channels: int = 0, size: int = 0, zero_point: int = 0) -> str:
        before = self.tensors[node.input]
        height, width = (size, size) if size else before.shape[1:]
        point = zero_point or (before.zero_point if kind == "uint8" else 0)
        self.tensors[node.output] = Tensor(node.output, kind, (channels or before.shape[0], height, width), point)
        self.nodes.append(node)
        self.last = node.output
        return node.output

    def conv(self, name: str, source: str, kind: WeightKind) -> str:
        shape = (CHANNELS, CHANNELS, 3, 3)
        most = 127 if kind == "int8" else 1
        weights = _RNG.integers(-most, most + 1, shape).astype(np.int8)
        if kind == "binary":
            weights = np.where(weights >= 0, 1, -1).astype(np.int8)
        return self.append(Conv(name, source, f"{name}.acc", weights, kind, padding=(1, 1, 1, 1)), "int32")

    def dense(self, name: str) -> str:
        channels, height, width = self.tensors[self.last].shape
        weights = np.where(_RNG.random((CLASSES, channels, height, width)) < 0.5, 1, -1).astype(np.int8)
        node = Conv(name, self.last, f"{name}.acc", weights, "binary")
        return self.append(node, "int32", channels=CLASSES, size=1)

    def threshold(self, name: str, source: str, kind: Kind) -> str:
        channels = self.tensors[source].shape[0]
        reach = np.full(channels, 43 if kind == "ternary" else 0, np.int32)
        return self.append(Threshold(name, source, f"{name}.bits", -reach, reach, np.zeros(channels, np.bool_)), kind)

    def rescale(self, name: str, source: str) -> str:
        ones = np.ones(self.tensors[source].shape[0], np.int64)
        node = Rescale(
            name, source, f"{name}.codes", ones.astype(np.int32) * 3, ones << 10, (ones * 3).astype(np.uint8), 128
        )
        return self.append(node, "uint8", zero_point=128)


def _in_c(graph: Graph, image: Any) -> dict[str, float]:
    return {time.step.name: time.seconds * 1e6 for time in Session(to_plan(graph)).profile(image, RUNS)}


def _in_onnxruntime(graph: Graph, image: Any) -> dict[str, float]:
    """By onnxruntime's own profiler, in whole microseconds."""
    import onnxruntime

    with TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.enable_profiling, options.profile_file_prefix = True, str(Path(folder) / "profile")
        session = onnx_session(onnx_bytes(graph), options=options)
        for _ in range(RUNS):
            session.run(None, {graph.input: image})
        events = json.loads(Path(session.end_profiling()).read_text())
    times: dict[str, list[float]] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            times.setdefault(event["name"].removesuffix("_kernel_time"), []).append(event["dur"])
    return {name: float(np.median(durations)) for name, durations in times.items()}


def _in_tvm(graph: Graph, image: Any) -> dict[str, float]:
    from trit.export.fuse import fuse
    from trit.export.tvm.machine import host_target
    from trit.export.tvm.timing import function_timers

    timers: dict[str, Callable[[], float]] = function_timers(graph, host_target())
    return {step.node.name: timers[step.output]() * 1e6 for step in fuse(graph) if step.output in timers}
