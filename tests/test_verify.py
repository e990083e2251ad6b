# SPDX-License-Identifier: Apache-2.0
"""The verifier: equal, different, failed and missing executors are told apart."""

from __future__ import annotations

import numpy as np
import pytest
from tests_support import SYNAPSES, random_graph, random_input

from trit.export import reference
from trit.runtime.errors import MissingExtra, TritError
from trit.targets import verify as module


def test_every_executor_gives_the_same_bits() -> None:
    graph = random_graph(11, SYNAPSES)
    images = random_input(graph, 4, np.random.default_rng(0))
    verdicts = list(module.verify(graph, images))
    assert [verdict.executor for verdict in verdicts] == ["numpy reference", *module.EXECUTORS]
    assert {verdict.status for verdict in verdicts} <= {"equal", "skipped"}
    assert all(verdict.note for verdict in verdicts if verdict.status == "skipped")
    assert verdicts[3].status == "equal"  # the scalar C runtime is everywhere


def test_one_wrong_bit_is_seen_and_told_from_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = random_graph(11, SYNAPSES)
    images = random_input(graph, 4, np.random.default_rng(0))

    def wrong(graph, images):
        scores = reference.run(graph, images)
        scores.view(np.uint32)[2, 0] ^= 1
        return scores

    def fails(graph, images):
        raise TritError("broken")

    def missing(graph, images):
        raise MissingExtra("tvm", "tvm")

    monkeypatch.setattr(module, "EXECUTORS", {"wrong": wrong, "fails": fails, "missing": missing})
    found = {verdict.executor: verdict for verdict in module.verify(graph, images)}
    assert (found["wrong"].status, found["wrong"].differing) == ("differs", 1)
    assert (found["fails"].status, found["fails"].note) == ("failed", "broken")
    assert found["missing"].status == "skipped"


def test_minus_zero_is_not_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    zeros = np.zeros((1, 2), np.float32)
    assert module._verdict("x", -zeros, zeros, None, 0.0).status == "differs"
