# SPDX-License-Identifier: Apache-2.0
"""Prints plans.h: small plans with inputs and the reference's scores, of every task, for the C tests.

From the repository's root: PYTHONPATH=tests python tests/c/make_plans.py > tests/c/plans.h
"""

from __future__ import annotations

import numpy as np
from tests_support import Builder, builder, with_random_tasks

from trit.export import reference
from trit.export.graph import Graph
from trit.export.plan import to_plan

IMAGES = 3
TASKS = ("first", "second", "third")


def every_kind() -> Graph:
    """Ternary weights, residual, depthwise, pools of bits with minimum flags and of sums, unpooling, rescaling."""
    build = _start((3, 5, 6), 128)
    build.conv(33, "ternary", (3, 2), padding=(1, 1, 2, 0), stride=(1, 2))
    shortcut = build.threshold("ternary")
    build.conv(33, "binary", (3, 3), groups=33)
    build.add(shortcut)
    build.threshold("binary")
    build.max_pool((2, 2), (2, 1), pad=1)
    build.conv(8, "ternary", (1, 2), padding=(0, 0, 0, 0), dilation=(1, 2))
    build.max_pool((2, 2), (1, 1), pad=1)
    build.sum_pool((2, 2), (1, 1))
    build.rescale()
    sums = build.conv(34, "ternary", (1, 1), padding=(0, 0, 0, 0))
    build.max_pool((3, 2), (3, 2))
    build.rescale(0)
    build.max_unpool(sums, (3, 2))
    return _finish(build, 4, "ternary")


def bits_only() -> Graph:
    """Binary weights, one input channel, groups, int8 weights, concatenation, sums of bits."""
    build = _start((1, 6, 4), 0)
    build.conv(6, "binary")
    build.threshold("binary")
    build.conv(66, "binary", (3, 1), padding=(1, 0, 1, 0), groups=2)
    build.threshold("ternary")
    build.conv(9, "ternary", (2, 2), padding=(0, 0, 0, 0), groups=3)
    first = build.threshold("ternary")
    build.conv(9, "int8", (3, 3), groups=9)
    build.threshold("ternary")
    build.concat(first)
    build.conv(35, "int8", (1, 2), padding=(0, 0, 0, 1), groups=1)
    build.threshold("ternary")
    build.max_pool((2, 1), (1, 1))
    build.sum_pool((2, 3), (2, 3))
    build.threshold("ternary")
    build.conv(10, "ternary", (1, 1), padding=(0, 0, 0, 0))
    build.threshold("binary")
    return _finish(build, 3, "binary")


def several_tasks() -> Graph:
    """Three tasks: thresholds of both kinds, rescaling, minimum flags and scores of their own."""
    build = _start((1, 3, 2), 3)
    build.conv(3, "binary", (2, 2), padding=(1, 0, 0, 1))
    build.threshold("ternary")
    build.max_pool((2, 1), (1, 1))
    build.conv(3, "ternary", (3, 3), groups=3)
    build.rescale()
    build.conv(2, "int8", (1, 1), padding=(0, 0, 0, 0))
    build.threshold("binary")
    return with_random_tasks(_finish(build, 2, "binary"), TASKS)


def _start(shape: tuple[int, int, int], zero_point: int) -> Builder:
    return builder(np.random.default_rng(7), shape, zero_point)


def _finish(build: Builder, classes: int, weight_kind: str) -> Graph:
    if build.last.kind == "int32":
        build.threshold("ternary")
    build.dense(classes, weight_kind)
    build.scores()
    return build.graph()


def _array(kind: str, name: str, values: list[str]) -> str:
    lines = [", ".join(values[i : i + 8]) for i in range(0, len(values), 8)]
    return f"static const {kind} {name}[{len(values)}] = {{\n    " + ",\n    ".join(lines) + "};\n"


def _describe(name: str, graph: Graph, lanes: int) -> str:
    images = np.random.default_rng(1).integers(0, 256, (IMAGES, *graph.tensors[graph.input].shape), dtype=np.uint8)
    scores = np.stack([reference.run(each, images) for each in graph.of_tasks()]).astype("<f4").view("<u4")
    plan = np.frombuffer(to_plan(graph, lanes), "<u4")
    return "\n".join(
        [
            _array("uint32_t", f"{name}_plan", [f"0x{word:08x}" for word in plan]),
            _array("uint8_t", f"{name}_images", [str(value) for value in images.ravel()]),
            _array("uint32_t", f"{name}_scores", [f"0x{word:08x}" for word in scores.ravel()]),
        ]
    )


def header() -> str:
    """The text of plans.h."""
    return "\n".join(
        [
            "/* SPDX-License-Identifier: Apache-2.0 */",
            "/* Written by make_plans.py: plans, images and the bits of the reference's scores. */",
            "#ifndef TRIT_TEST_PLANS_H\n#define TRIT_TEST_PLANS_H\n\n#include <stdint.h>\n",
            f"#define PLAN_IMAGES {IMAGES}\n",
            _describe("wide", every_kind(), 8),
            _describe("narrow", bits_only(), 1),
            _describe("tasks", several_tasks(), 1),
            "#endif\n",
        ]
    )


if __name__ == "__main__":
    print(header(), end="")
