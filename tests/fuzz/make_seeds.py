# SPDX-License-Identifier: Apache-2.0
"""Writes corpus/seeds: small random plans over all operators and kinds, and some with tasks, from which fuzzing starts.

From the repository's root: make fuzz-seeds. An operator that tests_support draws comes along by itself.
"""

from __future__ import annotations

from pathlib import Path

from tests_support import random_graph, with_random_tasks

from trit.export.graph import Graph
from trit.export.operators import Conv
from trit.export.plan import to_plan
from trit.runtime import Session

SEEDS = Path(__file__).parent / "corpus" / "seeds"
OUTPUTS, SIZES = (1, 3, 6, 32, 33), (2, 9)
TRIED = 1000  # random networks
WITH_TASKS = 6  # plans that are written with tasks, too
MOST_BYTES, MOST_WORK = 3072, 16000  # less than MOST_WORK of tests/c/exercise.c, so that changed plans still run
LANES = (1, 16, 8, 16, 2, 32, 4)


def write(folder: Path) -> None:
    """The small ones of the first TRIED random networks that have a step like which there was none before."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    seen: set[tuple[object, ...]] = set()
    with_tasks = 0
    for seed in range(TRIED):
        graph, lanes = random_graph(seed, outputs=OUTPUTS, sizes=SIZES), LANES[seed % len(LANES)]
        plan = to_plan(graph, lanes)
        if len(plan) <= MOST_BYTES and _work(plan) <= MOST_WORK:
            found = _step_kinds(graph, lanes)
            if not found <= seen:
                (folder / f"random-{seed}.trit").write_bytes(plan)
            seen |= found
            tasks = to_plan(with_random_tasks(graph, ("one", "two")), lanes)
            if with_tasks < WITH_TASKS and len(tasks) <= MOST_BYTES:
                (folder / f"tasks-{seed}.trit").write_bytes(tasks)
                with_tasks += 1


def _step_kinds(graph: Graph, lanes: int) -> set[tuple[object, ...]]:
    """What decides which kernel runs a step: kinds, groups, lanes, and whether there are many pixels."""
    kinds: set[tuple[object, ...]] = set()
    for node in graph.nodes:
        inputs = tuple(graph.tensors[name].kind for name in node.inputs)
        output = graph.tensors[node.output]
        kind = (type(node).__name__, *inputs, output.kind)
        if isinstance(node, Conv):
            many = output.shape[1] * output.shape[2] >= 32
            kind = (*kind, node.weight_kind, node.groups > 1, node.is_depthwise, lanes, many)
        kinds.add(kind)
    return kinds


def _work(plan: bytes) -> int:
    return sum(step.macs for step in Session(plan).steps)


if __name__ == "__main__":
    write(SEEDS)
