# SPDX-License-Identifier: Apache-2.0
"""The Session: what it takes, what it refuses, what it tells."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import numpy as np
import pytest
from tests_support import builder, random_graph, random_input

import trit.runtime.library
from trit.export import reference
from trit.export.graph import Graph
from trit.export.operators import Conv
from trit.export.plan import to_plan
from trit.runtime import Session, TritError


def small(shape: tuple[int, int, int] = (1, 4, 5), zero_point: int = 0, seed: int = 0) -> Graph:
    build = builder(np.random.default_rng(seed), shape, zero_point)
    build.conv(33, "ternary", (1, 1), padding=(0, 0, 0, 0))
    build.threshold("binary")
    build.dense(4, "binary")
    build.scores()
    return build.graph()


def test_a_file_is_used_in_place(tmp_path: Path) -> None:
    graph = small()
    path = tmp_path / "model.trit"
    path.write_bytes(to_plan(graph))
    images = random_input(graph, 5, np.random.default_rng(0))
    for session in (Session(path), Session(str(path)), Session(path.read_bytes())):
        scores = session.run(images)
        assert scores.dtype == np.float32 and scores.shape == (5, 4)
        assert np.array_equal(scores, reference.run(graph, images)[:, :, 0, 0])


def test_nothing_is_copied(tmp_path: Path) -> None:
    """An open session sees new weights that are written into its file, which it maps read-only."""
    first, second = (to_plan(small(seed=seed)) for seed in (0, 1))
    assert len(first) == len(second)
    path = tmp_path / "model.trit"
    path.write_bytes(first)
    session = Session(path)
    images = random_input(small(), 5, np.random.default_rng(0))
    before = session.run(images)
    with path.open("r+b") as stream:
        stream.write(second)
    after = session.run(images)
    assert not np.array_equal(before, after)
    assert np.array_equal(after, Session(second).run(images))


def test_shapes_and_types_that_fit() -> None:
    graph = small()
    session = Session(to_plan(graph))
    images = random_input(graph, 3, np.random.default_rng(0))
    expected = session.run(images)
    for dtype in (np.int64, np.float32, np.float64, np.int16, ">i4"):
        assert np.array_equal(session.run(images.astype(dtype)), expected)
    assert np.array_equal(session.run(images[:, 0]), expected)
    assert np.array_equal(session.run(images[1]), expected[1:2])
    assert np.array_equal(session.run(images[1, 0].tolist()), expected[1:2])
    assert np.array_equal(session.run(images[::-1]), expected[::-1])
    assert session.run(images[:0]).shape == (0, 4)
    flat = Session(to_plan(small((12, 1, 1))))
    assert flat.run(np.arange(12)).shape == (1, 4)
    assert flat.run(np.zeros((2, 12))).shape == (2, 4)


@pytest.mark.parametrize(
    "images, message",
    [
        (np.zeros((4, 4), np.uint8), r"shape \(4, 4\).*uint8 \(1, 4, 5\) or \(N, 1, 4, 5\)"),
        (np.zeros((2, 2, 4, 5), np.uint8), "shape"),
        (np.zeros((1, 1, 1, 4, 5), np.uint8), "shape"),
        (np.uint8(3), "shape"),
        (np.full((4, 5), np.nan), "NaN"),
        (np.full((4, 5), np.inf, np.float32), "infinity"),
        (np.full((4, 5), 0.5), "fractions"),
        (np.full((4, 5), 256), "reaches from 256 to 256"),
        (np.full((4, 5), -1), "reaches from -1"),
        (np.full((4, 5), 2**63, np.uint64), "reaches"),
        (np.full((4, 5), 1e300), "reaches"),
        (np.full((4, 5), "a"), "uint8"),
        (np.zeros((4, 5), np.complex64), "complex64"),
        ([[1, 2], [3]], "not an array"),
        (None, "input"),
    ],
)
def test_input_that_does_not_fit(images: object, message: str) -> None:
    with pytest.raises(TritError, match=message) as caught:
        Session(to_plan(small())).run(images)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_plan(tmp_path: Path) -> None:
    plan = to_plan(small())
    damaged = bytearray(plan)
    damaged[len(plan) // 2] ^= 4
    cases = {
        "empty": (b"", "not a trit plan"),
        "foreign": (b"\x7fELF" + bytes(200), "not a trit plan"),
        "short": (plan[: len(plan) // 2], "truncated"),
        "long": (plan + bytes(4), "after its end"),
        "damaged": (bytes(damaged), "damaged"),
    }
    for name, (data, message) in cases.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(TritError, match=message) as caught:
            Session(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(TritError, match="No such file"):
        Session(tmp_path / "missing.trit")
    with pytest.raises(TritError, match="cannot read"):
        Session(tmp_path)


def test_variants_are_those_of_the_c_header() -> None:
    text = (Path(__file__).parents[1] / "runtime/include/trit/trit.h").read_text()
    table = text.partition("#define TRIT_VARIANTS(X)")[2].partition("typedef")[0]
    assert tuple(re.findall(r"X\(\w+, (\w+)\)", table)) == trit.runtime.library.VARIANTS


def test_variants() -> None:
    plan = to_plan(small())
    assert Session(plan, "scalar").variant == "scalar"
    assert Session(plan).variant in trit.runtime.library.VARIANTS
    with pytest.raises(TritError, match="unknown variant 'sse9'; there are scalar"):
        Session(plan, "sse9")


def test_a_missing_library_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(trit.runtime.library, "LIBRARY", tmp_path / "libtritrt.so")
    with pytest.raises(TritError, match=r"libtritrt.so is missing.*pip install"):
        trit.runtime.library.library.__wrapped__()
    (tmp_path / "libtritrt.so").write_bytes(b"no library")
    with pytest.raises(TritError, match="cannot load"):
        trit.runtime.library.library.__wrapped__()


def test_labels_metadata_and_steps() -> None:
    graph = small((2, 4, 5), 9)
    graph.labels[0] = "Grüße 🐈"
    graph.metadata["empty"] = ""
    session = Session(to_plan(graph))
    assert session.labels == graph.labels and session.metadata == graph.metadata
    assert session.input_shape == (2, 4, 5) and session.output_shape == (4, 1, 1)
    assert [step.operator for step in session.steps] == ["Interleave", "Conv+Threshold", "Conv", "Scores"]
    assert [step.index for step in session.steps] == [0, 1, 2, 3]
    conv, dense = (node for node in graph.nodes if isinstance(node, Conv))
    first, second = session.steps[1:3]
    assert (first.name, second.name) == (conv.name, dense.name)
    assert (first.input_kind, first.output_kind, first.weight_kind) == ("uint8", "binary", "ternary")
    assert (first.macs, second.macs) == (33 * 2 * 20, 4 * 33 * 20)
    assert (second.input_shape, second.output_shape, second.kernel) == ((33, 4, 5), (4, 1, 1), (4, 5))
    assert [step.output_bytes for step in session.steps] == [2 * 20, 2 * 4 * 20, 4 * 4, 4 * 4]
    assert [step.last_reader for step in session.steps] == [1, 2, 3, 3]
    assert all(step.output_offset + step.output_bytes <= session.arena_size for step in session.steps[:-1])
    weights = dense.plan_fields(graph.tensors[dense.input], graph.tensors[dense.output], second.lanes).weights
    assert to_plan(graph)[second.weights_offset :].startswith(weights)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 33])
def test_top_k_is_a_stable_sort(count: int) -> None:
    """Every k, on scores with many ties, both zeros and infinities; nothing is written behind the k-th."""
    rng = np.random.default_rng(count)
    values = np.array([-np.inf, -2.5, -0.0, 0.0, 1.5, 3e38, np.inf], np.float32)
    for _ in range(50):
        scores = rng.choice(values, count)
        for k in range(count + 3):
            found = np.full(count + 4, 77, np.uint32)
            written = trit.runtime.library.library().trit_top_k(scores.ctypes.data, count, k, found.ctypes.data)
            assert written == min(k, count)
            assert found[:written].tolist() == np.argsort(-scores, kind="stable")[:k].tolist()
            assert (found[written:] == 77).all()


def test_classes_come_with_labels_and_scores() -> None:
    graph = small()
    images = random_input(graph, 5, np.random.default_rng(0))
    session = Session(to_plan(graph))
    scores = session.run(images)
    for k in (1, 4):
        for row, classes in zip(scores, session.classify(images, k), strict=True):
            assert [found.index for found in classes] == np.argsort(-row, kind="stable")[:k].tolist()
            assert [found.label for found in classes] == [graph.labels[found.index] for found in classes]
            assert [found.score for found in classes] == [row[found.index] for found in classes]
    assert session.classify(images[:0]) == []
    graph.labels = []
    assert Session(to_plan(graph)).classify(images)[0][0].label == ""


def test_what_cannot_be_classified() -> None:
    session = Session(to_plan(small()))
    for k in (0, 5):
        with pytest.raises(TritError, match=f"k is {k}; it must be from 1 to 4"):
            session.classify(np.zeros((4, 5)), k)
    build = builder(np.random.default_rng(0), (1, 4, 5))
    build.conv(3, "binary")
    build.scores()
    with pytest.raises(TritError, match=r"gives scores \(3, 4, 5\)"):
        Session(to_plan(build.graph())).classify(np.zeros((4, 5)))


def test_profile() -> None:
    session = Session(to_plan(small()))
    times = session.profile(repeats=3)
    assert [time.step for time in times] == session.steps
    assert all(0 < time.seconds < 1 for time in times)
    assert times[0].macs_per_second == times[0].step.macs / times[0].seconds
    assert len(session.profile(np.zeros((2, 4, 5)))) == len(session.steps)
    with pytest.raises(TritError, match="at least 1"):
        session.profile(repeats=0)
    with pytest.raises(TritError, match="empty batch"):
        session.profile(np.zeros((0, 4, 5)))


def test_threads_share_a_session() -> None:
    graph = random_graph(11)
    session = Session(to_plan(graph))
    images = random_input(graph, 200, np.random.default_rng(0))
    expected = session.run(images)
    results: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: results.append(session.run(images))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4 and all(np.array_equal(result, expected) for result in results)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 50])
def test_threads_share_a_batch(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    graph = random_graph(11)
    session = Session(to_plan(graph))
    images = random_input(graph, 50, np.random.default_rng(0))[:count]
    expected, parts = session.run(images), list[int]()

    def run_into(part: np.ndarray, scores: np.ndarray) -> None:
        parts.append(len(part))
        Session._run_into(session, part, scores)

    monkeypatch.setattr(session, "_run_into", run_into)
    assert np.array_equal(session.run(images, threads=3), expected)
    assert len(parts) == min(3, max(1, count)) and sum(parts) == count and max(parts) - min(parts) <= 1
    with pytest.raises(TritError, match="threads is 0"):
        session.run(images, threads=0)
