# SPDX-License-Identifier: Apache-2.0
"""onnxruntime and TVM as backends, beside the C runtime.

python -m benchmarks.backends [--only PART] [--json]

One thread; what is compared is measured in turn, and medians of the rounds' ratios are shown.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks import backends_tvm
from benchmarks.backends_operators import operators
from benchmarks.report import Row, interleaved, milliseconds, ratio, run
from trit.export.graph import Graph
from trit.export.lower import lower
from trit.export.onnx_int2 import to_onnx_int2
from trit.export.onnx_plain import to_onnx_plain
from trit.export.onnx_writer import onnx_bytes
from trit.export.plan import to_plan
from trit.export.qonnx_writer import to_qonnx
from trit.export.tvm import write_tvm
from trit.runtime import Session, onnx_session
from trit.train.networks import build
from trit.train.recipe import read_recipe

ROUNDS = 100
NETWORK = "cifar10-ternary-vgg"


def main() -> None:
    with_tvm = {f"tvm {name}": part for name, part in backends_tvm.PARTS.items()}
    run("Backends, one thread", {"onnxruntime": with_onnxruntime, **with_tvm, "operators": operators, "sizes": sizes})


@cache
def network() -> Graph:
    """Untrained: the time does not depend on the weights."""
    recipe = read_recipe(NETWORK)
    return lower(build(recipe).eval(), recipe.input_shape)


@cache
def images() -> Any:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (1, *network().tensors[network().input].shape)).astype(np.uint8)


def with_onnxruntime() -> list[Row]:
    import onnxruntime

    def session(model: bytes, kernels: bool = False) -> Any:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        return onnx_session(model, kernels=kernels, options=options)

    model, plan = onnx_bytes(network()), Session(to_plan(network()))
    kernels, bodies = session(model, kernels=True), session(model)
    int2 = session(to_onnx_int2(network()).SerializeToString())
    feed = {"image": images()}
    steps = {
        "kernels": lambda: kernels.run(None, feed),
        "bodies": lambda: bodies.run(None, feed),
        "int2": lambda: int2.run(None, feed),
        "c": lambda: plan.run(images()),
    }
    for name in ("kernels", "bodies", "int2"):
        np.testing.assert_array_equal(steps[name]()[0], steps["c"]())
    times = interleaved(steps, ROUNDS)
    took = {name: milliseconds(seconds) for name, seconds in times.items()}
    work = f"{NETWORK} in onnxruntime"
    kernels_work = f"{work}, trit's kernels: {took['kernels']:.2f} ms"
    return [
        Row(kernels_work, ratio(times, "bodies", "kernels"), "× faster", "bodies, ms", took["bodies"], "≥ 20"),
        Row(kernels_work, ratio(times, "kernels", "c"), "× the time", "C runtime, ms", took["c"], "≤ 1.3"),
        Row(
            f"{work}, INT2 weights: {took['int2']:.2f} ms",
            ratio(times, "int2", "c"),
            "× the time",
            "C runtime, ms",
            took["c"],
        ),
    ]


def sizes() -> list[Row]:
    """Bytes of the same network in each form that a backend loads."""
    forms: dict[str, Callable[[], bytes]] = {
        "onnx": lambda: onnx_bytes(network()),
        "onnx-plain": lambda: to_onnx_plain(network()).SerializeToString(),
        "onnx-int2": lambda: to_onnx_int2(network()).SerializeToString(),
        "qonnx": lambda: to_qonnx(network()).SerializeToString(),
        "trit": lambda: to_plan(network()),
    }
    rows = [Row(f"{NETWORK} as {form}", len(make()) / 1024, "KiB") for form, make in forms.items()]
    with TemporaryDirectory() as folder:
        library = Path(folder) / "model.so"
        write_tvm(network(), library)
        return [*rows, Row(f"{NETWORK} as tvm", library.stat().st_size / 1024, "KiB")]


if __name__ == "__main__":
    main()
