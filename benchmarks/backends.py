# SPDX-License-Identifier: Apache-2.0
"""onnxruntime and TVM as backends, beside the C runtime.

python -m benchmarks.backends [--only PART] [--json]

One thread; what is compared is measured in turn, and medians of the rounds' ratios are shown.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
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

    def session(kernels: bool) -> Any:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        return onnx_session(onnx_bytes(network()), kernels=kernels, options=options)

    kernels, bodies, plan = session(True), session(False), Session(to_plan(network()))
    feed = {"image": images()}
    steps = {
        "kernels": lambda: kernels.run(None, feed),
        "bodies": lambda: bodies.run(None, feed),
        "c": lambda: plan.run(images()),
    }
    np.testing.assert_array_equal(steps["kernels"]()[0], steps["c"]())
    np.testing.assert_array_equal(steps["bodies"]()[0], steps["c"]())
    times = interleaved(steps, ROUNDS)
    own, others = milliseconds(times["kernels"]), {name: milliseconds(times[name]) for name in ("bodies", "c")}
    work = f"{NETWORK} in onnxruntime, trit's kernels: {own:.2f} ms"
    return [
        Row(
            f"{work}, bodies {others['bodies']:.2f} ms",
            ratio(times, "bodies", "kernels"),
            "× faster",
            "bodies",
            1,
            "≥ 20",
        ),
        Row(
            f"{work}, C runtime {others['c']:.2f} ms",
            ratio(times, "kernels", "c"),
            "× the time",
            "C runtime",
            1,
            "≤ 1.3",
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
    return [Row(f"{NETWORK} as {form}", len(make()) / 1024, "KiB") for form, make in forms.items()]


if __name__ == "__main__":
    main()
