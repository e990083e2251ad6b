# SPDX-License-Identifier: Apache-2.0
"""Learning on the device: the C library's learner against its integer definition, and heads that are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from learner_support import layers_to_learn, random_head, samples

from trit.export import reference
from trit.export.operators import Threshold
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.runtime.bits import pack_signs, unpack_bits
from trit.runtime.errors import TritError
from trit.runtime.learner import Head, Learner, consolidation
from trit.runtime.learner_reference import POWERS, ReferenceLearner, noise

SHAPES = ((64, 32, 10), (33, 7, 2), (5, 40, 3), (100, 65, 64))


def assert_equal(learner: Learner, twin: ReferenceLearner, task: np.ndarray, twin_task: np.ndarray) -> None:
    np.testing.assert_array_equal(task, twin_task)
    for ours, theirs in zip(learner.weights, (twin.weights, twin.outputs), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    rows = [pack_signs(theirs).reshape(-1) for theirs in (twin.weights, twin.outputs)]
    np.testing.assert_array_equal(learner.signs, np.concatenate(rows))


@pytest.mark.parametrize(
    "changes",
    [{}, {"rate": 8191, "margin": 0}, {"threshold_rate": 65535, "bias_rate": 65535}, {"window": 0}, {"rate": 0}],
    ids=str,
)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_sample_leaves_the_same_bits(shape: tuple[int, int, int], changes: dict[str, int]) -> None:
    head = random_head(shape, 1, **changes)
    learner, twin = Learner(head.to_bytes()), ReferenceLearner(head)
    task, twin_task = learner.new_task(), twin.new_task()
    features, labels = samples(head, 150, 2)
    assert_equal(learner, twin, task, twin_task)
    for bits, label in zip(features, labels, strict=True):
        np.testing.assert_array_equal(learner.scores(task, bits[None])[0], twin.scores(twin_task, bits))
        learner.learn(task, bits[None], [label])
        twin.learn(twin_task, bits, int(label))
        assert_equal(learner, twin, task, twin_task)
    assert twin.moves >= 1
    learner.move()
    twin.move()
    assert_equal(learner, twin, task, twin_task)


def test_weights_saturate_alike() -> None:
    head = random_head((64, 32, 4), 3, size=32767, rate=8191, margin=0)
    head = replace(head, factors=np.full(256, 32768, np.uint16))
    learner, twin = Learner(head.to_bytes()), ReferenceLearner(head)
    task, twin_task = learner.own_task(), twin.own_task()
    features, labels = samples(head, 400, 4)
    learner.learn(task, features, labels)
    for bits, label in zip(features, labels, strict=True):
        twin.learn(twin_task, bits, int(label))
    assert_equal(learner, twin, task, twin_task)
    assert (abs(twin.weights) == 32767).sum() > 100


def test_it_learns_a_task_and_keeps_another() -> None:
    """Of two tasks that share too few weights, metaplasticity keeps more of the first than the same rule without."""
    head = random_head((64, 24, 8), 5, size=200, gain=60, window=8 * 256, rate=800, threshold_rate=100)
    first, second = samples(head, 3000, 6), samples(head, 6000, 7)
    kept, new = {}, {}
    for m in (0.0, 3.0):
        learner = Learner(replace(head, factors=consolidation(m, 4096)).to_bytes())
        tasks = [learner.new_task(), learner.new_task()]
        learner.learn(tasks[0], *first)
        assert learner.accuracy(tasks[0], *first) > 0.9
        learner.learn(tasks[1], *second)
        new[m], kept[m] = learner.accuracy(tasks[1], *second), learner.accuracy(tasks[0], *first)
    assert kept[3.0] > kept[0.0] + 0.1
    assert new[3.0] > 0.8


def test_the_table_of_powers_and_the_noise() -> None:
    assert POWERS.tolist()[:3] == [32768, 32066, 31379]
    drawn = noise(np.arange(1 << 20, dtype=np.uint64))
    assert abs(drawn.mean() - 32767.5) < 100
    counts = np.bincount(drawn >> 8, minlength=256)
    assert 3500 < counts.min() <= counts.max() < 4700  # 4096 expected, 64 their deviation


@pytest.mark.parametrize("height", [1, 2])
def test_features_are_what_the_last_layers_read(height: int) -> None:
    graph = layers_to_learn(height)
    images = np.random.default_rng(3).integers(0, 256, (5, 3, height, height)).astype(np.uint8)
    threshold = next(node for node in graph.nodes if isinstance(node, Threshold))
    values = reference.trace(graph, images)[threshold.output]
    learner = Learner(random_head((64 * height * height, 32, 10), 1).to_bytes())
    found = unpack_bits(learner.features(Session(to_plan(graph)), images), learner.inputs)
    np.testing.assert_array_equal(found, values.transpose(0, 2, 3, 1).reshape(5, -1) < 0)


@pytest.mark.parametrize("shape", [(32, 32, 10), (64, 31, 10)], ids=str)
def test_a_head_of_other_layers_is_refused(shape: tuple[int, int, int]) -> None:
    learner = Learner(random_head(shape, 1).to_bytes())
    with pytest.raises(TritError, match="of other layers than the plan ends in"):
        learner.features(Session(to_plan(layers_to_learn())), np.zeros((1, 3, 1, 1), np.uint8))


def test_a_head_is_read_back() -> None:
    head = random_head((33, 7, 3), 1)
    again = Head.from_bytes(head.to_bytes())
    assert again.to_bytes() == head.to_bytes()
    np.testing.assert_array_equal(again.weights, head.weights)
    np.testing.assert_array_equal(again.outputs, head.outputs)


def test_what_is_no_head_is_refused() -> None:
    head = random_head((33, 7, 2), 1)
    good = head.to_bytes()
    Learner(good)
    weights, factors = head.weights.copy(), head.factors.copy()
    weights[0, 0], factors[3] = -32768, 32769
    fields = {
        "gain": 0,
        "window": -1 % 2**32,
        "rate": 8192,
        "threshold_rate": 65536,
        "bias_rate": 65536,
        "margin": 4097,
    }
    bad = [b"", good[:40], good[:-4], good + bytes(4), b"X" + good[1:]]
    bad += [replace(head, **{name: value}).to_bytes() for name, value in fields.items()]
    bad += [replace(head, weights=weights).to_bytes(), replace(head, factors=factors).to_bytes()]
    bad += [replace(head, thresholds=np.full(7, 1 << 25, np.int32)).to_bytes()]
    bad += [good[:at] + b"\xff\xff\xff\x7f" + good[at + 4 :] for at in (8, 12, 16, 20)]
    for data in bad:
        with pytest.raises(TritError, match="the head is damaged"):
            Learner(data)


def test_samples_and_tasks_that_do_not_fit_are_refused() -> None:
    learner = Learner(random_head((33, 7, 2), 1).to_bytes())
    task, features = learner.new_task(), np.zeros((2, 2), np.uint32)
    for labels in ([0], [0, 2]):
        with pytest.raises(TritError, match="labels must be 2 numbers from 0 to 1"):
            learner.learn(task, features, labels)
    with pytest.raises(TritError, match=r"features are \(2, 1\); they must be \(N, 2\)"):
        learner.scores(task, features[:, :1])
    with pytest.raises(TritError, match="a task is an int32 array of 17 values"):
        learner.scores(task[1:], features)
