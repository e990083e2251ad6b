# SPDX-License-Identifier: Apache-2.0
"""Learning a second task on the device: what is kept of the first, with and without metaplasticity, and what it costs.

learner/mnist.onnx and learner/mnist.head are of a network 784-512-256-10 that trit trained on MNIST with m = 2:

    trit train mnist-binary-mlp --set network.hidden=[512,256] --set training.epochs=8 --set training.optimizer=adam
        --set training.metaplasticity=2 --set training.schedule=constant --set training.weight_decay=1e-7
        --set training.batch=100 --set training.shift=0 --set quantization.start=0.05 --set pixel_scale=0.00390625
    trit export runs/mnist-binary-mlp/model.pt -o mnist.onnx      (and mnist.head)

The first layer stays as it is. The last two go on learning, one sample after the other, each seen once.
"""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.programs import board_named
from benchmarks.report import Row
from trit.export.onnx_reader import read_onnx
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.runtime.learner import Head, Learner, consolidation
from trit.runtime.learner_reference import ReferenceLearner
from trit.targets.learning import Cost, LearningRun, learn_on
from trit.train.data import load_test, load_train
from trit.train.head import SCALE

FOLDER = Path(__file__).parent / "learner"
BOARD = "stm32l4r5"
SAMPLES, COUNTED = 6_900, 64  # on the board: of about 200 updates, and of two whose instructions are counted
DataSet = tuple[npt.NDArray[Any], npt.NDArray[Any]]


def tasks() -> list[Row]:
    """The second task's whole training set once, then both test sets: on this machine, with a board's bits."""
    session, head = Session(to_plan(read_onnx(FOLDER / "mnist.onnx"))), _head()
    first = load_test("mnist")
    seconds = {  # with bars on what is kept and what is learned
        "Fashion-MNIST": (load_train("fashion-mnist"), load_test("fashion-mnist"), "≥ 90", "≥ 70"),
        "MNIST turned by 90°": (turned(load_train("mnist")), turned(first), "", ""),
    }
    rows = [Row("MNIST before", percent(*learned(head, session, None, first, first)[:1]), "%")]
    for name, (train_set, test_set, kept_bar, new_bar) in seconds.items():
        kept, new = learned(head, session, train_set, first, test_set)
        plain = replace(head, factors=consolidation(0, SCALE))
        kept_plain, new_plain = learned(plain, session, train_set, first, test_set)
        after = f"{len(train_set[0]):,} images of {name}"
        rows += [
            Row(f"MNIST after {after}", percent(kept), "%", "m = 0", percent(kept_plain), kept_bar),
            Row(f"{name} after them", percent(new), "%", "m = 0", percent(new_plain), new_bar),
        ]
    return rows


def learned(
    head: Head, session: Session, train_set: DataSet | None, first: DataSet, second: DataSet
) -> tuple[float, float]:
    """Accuracy on the first task, with its own thresholds, and on the second, after learning it."""
    learner = Learner(head.to_bytes())
    own, new = learner.own_task(), learner.new_task()
    if train_set is not None:
        learner.learn(new, learner.features(session, train_set[0]), train_set[1])
    kept = learner.accuracy(own, learner.features(session, first[0]), first[1])
    return kept, learner.accuracy(new, learner.features(session, second[0]), second[1])


def board() -> list[Row]:
    """The same on a simulated Cortex-M4: its memory beside the reference's, and what it executed."""
    graph, data, target = read_onnx(FOLDER / "mnist.onnx"), (FOLDER / "mnist.head").read_bytes(), board_named(BOARD)
    images, labels = (values[:SAMPLES] for values in load_train("fashion-mnist"))
    run = learn_on(graph, data, images, labels, target)
    updates = equal_updates(run, Session(to_plan(graph)), data, images, labels)
    counted = learn_on(graph, data, images[:COUNTED], labels[:COUNTED], target, count=True)
    learning = sorted(counted.learning, key=lambda cost: cost.instructions)
    usual, update = learning[len(learning) // 2], learning[-1]
    name = f"{target.core} {target.name}"
    return [
        Row(f"{name}: updates that leave the reference's bits", updates, "updates", bar="≥ 200"),
        _cost(f"{name}: features of an image", statistics.median_low(c.instructions for c in counted.features), None),
        _cost(f"{name}: learning from a sample", usual.instructions, usual),
        _cost(f"{name}: update of all weights by 32", update.instructions - usual.instructions, None),
        Row(f"{name}: RAM with stack", counted.static_ram + counted.stack, "bytes", f"of it stack: {counted.stack:,}"),
        Row(f"{name}: RAM of the learner", Learner(data).memory_size, "bytes"),
        Row(f"{name}: RAM of a task", Learner(data).task_size, "bytes"),
        Row(f"{name}: flash", counted.flash, "bytes", f"of it the head: {len(data):,}"),
    ]


def equal_updates(run: LearningRun, session: Session, data: bytes, images: Any, labels: Any) -> int:
    """Updates after which the board's memory, the library's and the reference's weights are the same; else 0."""
    learner, twin = Learner(data), ReferenceLearner(Head.from_bytes(data))
    task, twin_task, features = learner.new_task(), twin.new_task(), learner.features(session, images)
    learner.learn(task, features, labels)
    for bits, label in zip(features, labels, strict=True):
        twin.learn(twin_task, bits, int(label))
    pairs = [(run.memory, learner.memory), (run.task, task), (task, twin_task)]
    pairs += list(zip(learner.weights, (twin.weights, twin.outputs), strict=True))
    return twin.moves if all(np.array_equal(ours, theirs) for ours, theirs in pairs) else 0


def turned(data: DataSet) -> DataSet:
    """The images turned by a quarter to the left."""
    return np.ascontiguousarray(np.rot90(data[0], 1, (2, 3))), data[1]


def percent(share: float) -> float:
    return 100 * share


def _head() -> Head:
    return Head.from_bytes((FOLDER / "mnist.head").read_bytes())


def _cost(work: str, instructions: int, cost: Cost | None) -> Row:
    cycles = f"cycles: {cost.cycles.low:,.0f} to {cost.cycles.high:,.0f}" if cost else ""
    return Row(work, instructions, "instructions", cycles)
