# SPDX-License-Identifier: Apache-2.0
"""Tuning with TVM's meta-schedule: it keeps the bits, and what is faster."""

from __future__ import annotations

import signal
import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tests_support import builder, random_input

from trit.export import reference
from trit.export.graph import Graph
from trit.runtime.errors import TritError

tvm = pytest.importorskip("tvm", reason="apache-tvm is not installed")

import tvm_ffi

from trit.export.tvm import build, legalize, llvm_target, schedule, to_relax, tune
from trit.export.tvm.machine import host_target


def small_network() -> Graph:
    made = builder(np.random.default_rng(2), (2, 8, 8))
    made.conv(64, "ternary")
    made.threshold("binary")
    made.dense(10, "binary")
    made.scores()
    return made.graph()


def test_tuning_keeps_the_bits_and_what_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Schedules that are said to take half as long replace ours, and none replaces them that is said to take longer."""
    # TVM registers the intrinsics of all processors, which takes 20 s; the rules for LLVM use none.
    monkeypatch.setitem(sys.modules, "tvm.s_tir.tensor_intrin", types.ModuleType("tensor_intrin"))
    monkeypatch.setattr(tvm.s_tir, "tensor_intrin", None, raising=False)
    graph = small_network()
    before = schedule(legalize(to_relax(graph), host_target()), host_target())
    found: dict[float, Any] = {}
    for theirs in (1.0, 2.0):

        def timer(function: Any, target: Any, seconds: float = theirs) -> Any:
            ours = any(tvm_ffi.structural_equal(function, other) for _, other in before.functions_items())
            return lambda: 1.4 if ours else seconds

        monkeypatch.setattr(tune, "timer", timer)
        found[theirs] = tune.tune(legalize(to_relax(graph), host_target()), host_target(), 6)
        module = build(graph, optimize=lambda *_, made=found[theirs]: made)
        images = random_input(graph, 3, np.random.default_rng(0))
        np.testing.assert_array_equal(module.run(images), reference.run(graph, images))
    assert tvm_ffi.structural_equal(found[2.0]["conv_threshold"], before["conv_threshold"])
    assert not tvm_ffi.structural_equal(found[1.0]["conv_threshold"], before["conv_threshold"])


def test_tuning_for_another_machine_is_refused() -> None:
    module = legalize(to_relax(small_network()), llvm_target("", "aarch64-linux-gnu"))
    with pytest.raises(TritError, match="tuning measures on this machine"):
        tune.tune(module, llvm_target("", "aarch64-linux-gnu"), 1)


def test_tuning_ends_at_once_where_it_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(function: Any, *_: Any) -> Iterator[Any]:
        asked.append(function)
        signal.raise_signal(signal.SIGINT)
        yield function

    asked: list[Any] = []
    monkeypatch.setattr(tune, "_candidates", interrupt)
    monkeypatch.setattr(tune, "timer", lambda *_: lambda: 1.0)
    target, handler = host_target(), signal.getsignal(signal.SIGINT)
    module = legalize(to_relax(small_network()), target)
    made = tune.tune(module, target, 4)
    assert len(asked) == 1
    assert signal.getsignal(signal.SIGINT) is handler
    assert tvm_ffi.structural_equal(made["conv_threshold"], schedule(module, target)["conv_threshold"])
