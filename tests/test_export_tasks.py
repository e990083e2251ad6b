# SPDX-License-Identifier: Apache-2.0
"""Networks of several tasks: one set of weights, tables for each task, the same bits in all executors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from tests_support import builder, random_graph, random_input, with_random_tasks

from trit.export import reference
from trit.export.graph import Array, Graph, GraphError, Node
from trit.export.onnx_reader import parse_onnx
from trit.export.onnx_writer import onnx_bytes
from trit.export.operators import Conv, Scores, Threshold
from trit.export.plan import HEADER_WORDS, STEP_WORDS, seal, to_plan
from trit.export.tasks import with_tasks
from trit.runtime import Session, TritError
from trit.runtime.library import library

NAMES = ("one", "two", "three")
TASK_COUNT, TASKS = 17, 18  # words of the header
PARAMETERS, TASK_BYTES = 14, 15  # words of a step


def equal(scores: Array, expected: Array) -> bool:
    return np.array_equal(scores.reshape(-1).view("<u4"), expected.reshape(-1).view("<u4"))


def words(plan: bytes) -> np.ndarray:
    return np.frombuffer(plan, "<u4").copy()


def accepts(plan: np.ndarray) -> bool:
    try:
        Session(seal(plan.tobytes()))
    except TritError:
        return False
    return True


@pytest.mark.parametrize("seed", range(12))
def test_every_executor_gives_the_scores_of_each_task(seed: int) -> None:
    """In turn, in one session: random networks of all operators, of which the tasks have their own channels' tables."""
    graph = with_random_tasks(random_graph(seed), NAMES, seed)
    images = random_input(graph, 3, np.random.default_rng(seed))
    expected = {name: reference.run(graph.of_task(name), images) for name in NAMES}
    assert equal(reference.run(graph, images), expected["one"])
    for variant in (None, "scalar"):
        session = Session(to_plan(graph, (1, 16)[seed % 2]), variant)
        assert session.tasks == list(NAMES) and session.task == "one"
        assert equal(session.run(images), expected["one"])
        for name in (*NAMES[::-1], "two"):
            session.task = name
            assert session.task == name and equal(session.run(images, threads=2), expected[name])


@pytest.mark.parametrize("seed", range(12))
def test_a_file_holds_all_tasks(seed: int) -> None:
    graph = with_random_tasks(random_graph(seed), NAMES, seed)
    data = onnx_bytes(graph)
    read = parse_onnx(data, "file")
    assert list(read.tasks) == list(NAMES) and onnx_bytes(read) == data and to_plan(read) == to_plan(graph)
    onnx = pytest.importorskip("onnx")
    onnx.checker.check_model(onnx.load_model_from_string(data), full_check=True)


@pytest.mark.parametrize("seed", range(4))
def test_onnxruntime_runs_the_task_that_its_input_says(seed: int) -> None:
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'trit[onnxruntime]'")
    from trit.export.onnx_plain import to_onnx_plain
    from trit.runtime.onnxruntime_session import run_onnxruntime

    graph = with_random_tasks(random_graph(seed), NAMES, seed)
    images = random_input(graph, 3, np.random.default_rng(seed))
    data = onnx_bytes(graph)
    quiet = ort.SessionOptions()
    quiet.log_severity_level = 3  # it warns that an input with a default is not constant
    for form in (data, to_onnx_plain(graph).SerializeToString()):
        session = ort.InferenceSession(form, quiet, providers=["CPUExecutionProvider"])
        for index, name in enumerate(NAMES):
            (scores,) = session.run(None, {"image": images, "task": np.array(index)})
            assert equal(scores, reference.run(graph.of_task(name), images))
        (scores,) = session.run(None, {"image": images})
        assert equal(scores, reference.run(graph, images))
    for name in NAMES:
        for kernels in (False, True):
            scores = run_onnxruntime(data, images, kernels=kernels, task=name)
            assert equal(scores, reference.run(graph.of_task(name), images))
    assert equal(run_onnxruntime(data, images, kernels=True), reference.run(graph, images))
    with pytest.raises(TritError, match="no task 'four': there are one, two, three"):
        run_onnxruntime(data, images, task="four")


def test_int2_weights_keep_the_tasks() -> None:
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'trit[onnxruntime]'")
    pytest.importorskip("ml_dtypes")
    from trit.export.onnx_int2 import to_onnx_int2

    graph = with_random_tasks(random_graph(3, weight_kinds=("ternary",)), NAMES)
    images = random_input(graph, 2, np.random.default_rng(0))
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(to_onnx_int2(graph).SerializeToString(), options)
    for index, name in enumerate(NAMES):
        (scores,) = session.run(None, {"image": images, "task": np.array(index)})
        assert equal(scores, reference.run(graph.of_task(name), images))


def test_weights_are_in_the_plan_once() -> None:
    """A further task takes no more than its tables; without tasks a plan is one of version 1, as ever."""
    alone = dense_graph()
    graph = with_random_tasks(alone, NAMES)
    tables = 4 * (64 + 2) + 8 * 5  # thresholds, directions; scale and bias
    names = sum(len(name) + 1 for name in NAMES)
    more = len(to_plan(graph, 1)) - len(to_plan(alone, 1))
    assert 2 * tables + names < more <= 2 * tables + names + 4 * (2 + len(NAMES)) + 4
    assert words(to_plan(graph))[1] == 2 and words(to_plan(alone))[1] == 1
    first, second = Session(to_plan(alone, 1)).steps, Session(to_plan(graph, 1)).steps
    assert [a.weight_bytes for a in first] == [b.weight_bytes for b in second]
    assert sum(b.parameter_bytes for b in second) == sum(a.parameter_bytes for a in first) + 2 * tables


def test_tables_that_all_tasks_share_are_there_once() -> None:
    graph = dense_graph()
    scores = graph.nodes[-1]
    assert isinstance(scores, Scores)
    other = replace(graph, nodes=[*graph.nodes[:-1], replace(scores, bias=-scores.bias)])
    merged = with_tasks({"a": graph, "b": other})
    assert [list(own) for own in merged.tasks.values()] == [[], [scores.output]]
    steps = words(to_plan(merged))[HEADER_WORDS + 2 :].reshape(-1)
    strides = [int(steps[i * STEP_WORDS + TASK_BYTES]) for i in range(len(Session(to_plan(merged)).steps))]
    assert strides == [0, 0, 40]


def test_zeros_of_either_sign_are_different_tables() -> None:
    graph = dense_graph()
    scores = graph.nodes[-1]
    assert isinstance(scores, Scores)
    signs = [
        replace(graph, nodes=[*graph.nodes[:-1], replace(scores, bias=np.full(5, zero, np.float32))])
        for zero in (0.0, -0.0)
    ]
    merged = with_tasks(dict(zip("ab", signs, strict=True)))
    assert list(merged.tasks["b"]) == [scores.output]
    assert list(parse_onnx(onnx_bytes(merged), "file").tasks["b"]) == [scores.output]


def _other_weights(node: Node) -> Node:
    return replace(node, weights=-node.weights) if isinstance(node, Conv) else node


def _other_name(node: Node) -> Node:
    return replace(node, name="else")


@pytest.mark.parametrize("change", [_other_weights, _other_name])
def test_tasks_differ_in_their_tables_alone(change: Callable[[Node], Node]) -> None:
    graph = dense_graph()
    other = replace(graph, nodes=[change(node) for node in graph.nodes])
    with pytest.raises(GraphError, match=r"task 'b': .* differs from that of 'a' in more than batch norm"):
        with_tasks({"a": graph, "b": other})
    with pytest.raises(GraphError, match="task 'b': its network has other layers than that of 'a'"):
        with_tasks({"a": graph, "b": replace(graph, nodes=graph.nodes[1:])})


def test_a_wrong_table_names_its_task() -> None:
    graph = dense_graph()
    threshold = next(node for node in graph.nodes if isinstance(node, Threshold))
    turned = replace(threshold, lo=threshold.hi + 1)
    other = replace(graph, nodes=[turned if node is threshold else node for node in graph.nodes])
    with pytest.raises(GraphError, match=r"task 'b': threshold\d: lower threshold above the upper one"):
        with_tasks({"a": graph, "b": other})


def test_unknown_tasks_are_refused() -> None:
    session, graph = Session(to_plan(with_random_tasks(dense_graph(), NAMES))), dense_graph()
    with pytest.raises(TritError, match="no task 'four': there are one, two, three"):
        session.task = "four"
    assert session.task == "one"
    alone = Session(to_plan(graph))
    assert alone.tasks == [] and alone.task is None
    with pytest.raises(TritError, match="no task 'one': the network was not trained for several"):
        alone.task = "one"
    with pytest.raises(TritError, match="no task 'one'"):
        graph.of_task("one")


@pytest.mark.parametrize(
    ("word", "value"),
    [
        (1, 1), (1, 3),  # version
        (TASK_COUNT, 0), (TASK_COUNT, 1), (TASK_COUNT, 4), (TASK_COUNT, 5000), (TASK_COUNT, 0xFFFFFFFF),
        (TASKS, 0), (TASKS, 2), (TASKS, 0xFFFFFFF0),
        (TASK_BYTES, 1), (TASK_BYTES, 4), (TASK_BYTES, 0x80000000), (TASK_BYTES, 0xFFFFFFFC),
        (PARAMETERS, 0xFFFFFFF0),
    ],
)  # fmt: skip
def test_forged_tables_are_refused(word: int, value: int) -> None:
    """Each with a right checksum: counts, places and sizes that do not fit what is there."""
    plan = words(to_plan(with_random_tasks(dense_graph(), NAMES), 1))
    at = word if word > PARAMETERS + 1 or word == 1 else int(plan[9]) // 4 + word
    assert accepts(plan)
    plan[at] = value
    assert not accepts(plan)


def test_every_task_s_table_is_checked() -> None:
    """A threshold out of order, a stray direction, a score that is no number: in the first task, and in the last."""
    plan = words(to_plan(with_random_tasks(ternary_graph(), NAMES), 1))
    steps = int(plan[9]) // 4
    threshold, scores = (
        [int(plan[steps + step * STEP_WORDS + field]) // 4 for field in (PARAMETERS, TASK_BYTES)] for step in (0, 2)
    )
    channels = 33
    for task in range(3):
        for at, value in (
            (threshold[0] + task * threshold[1], 0x7FFFFFFF),
            (threshold[0] + task * threshold[1] + 2 * channels + 1, 0x80000000),
            (scores[0] + task * scores[1] + 3, 0x7F800000),
        ):
            changed = plan.copy()
            changed[at] = value
            assert not accepts(changed), (task, at)


def test_steps_without_tables_cannot_claim_any() -> None:
    plan = words(to_plan(with_random_tasks(ternary_graph(), NAMES), 1))
    convolution = int(plan[9]) // 4 + STEP_WORDS  # the last layer's, whose accumulators become scores
    assert plan[convolution + PARAMETERS] == plan[convolution + TASK_BYTES] == 0
    plan[convolution + TASK_BYTES] = 4
    assert not accepts(plan)


def test_one_handle_a_thread() -> None:
    """The C library's handle holds the task: another session of the same plan keeps its own."""
    plan = to_plan(with_random_tasks(dense_graph(), NAMES))
    one, other = Session(plan), Session(plan)
    one.task = "three"
    assert (one.task, other.task) == ("three", "one")
    assert library().trit_set_task(other.handle, 3) != 0
    images = np.random.default_rng(0).integers(0, 256, (4, 1, 4, 4), dtype=np.uint8)
    assert not equal(one.run(images), other.run(images))


def dense_graph() -> Graph:
    build = builder(np.random.default_rng(1), (1, 4, 4))
    build.dense(64, "binary")
    build.threshold("binary")
    build.dense(5, "binary")
    build.scores()
    return build.graph()


def ternary_graph() -> Graph:
    build = builder(np.random.default_rng(2), (1, 4, 4))
    build.dense(33, "ternary")
    build.threshold("ternary")
    build.dense(5, "binary")
    build.scores()
    return build.graph()
