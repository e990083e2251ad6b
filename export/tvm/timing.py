# SPDX-License-Identifier: Apache-2.0
"""How long TIR functions take on this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tvm
from tvm import relax, tirx

from trit.export.graph import Graph
from trit.export.tvm.legalize import legalize
from trit.export.tvm.relax_writer import to_relax, variable
from trit.export.tvm.schedule import schedule

RUNS, REPEATS = 5, 3
INPUT = "input"  # the name of the input's new layout


def timer(function: Any, target: Any) -> Callable[[], float]:
    """A function that gives the median of the seconds of a few runs, on zeros: no time is a matter of the values."""
    library = tvm.compile(as_module(function), target=target)
    arguments = [
        tvm.runtime.tensor(np.zeros([int(size) for size in parameter.ty.shape], str(parameter.ty.dtype)))
        for parameter in function.params
    ]
    measure = library.mod.time_evaluator("main", tvm.cpu(), number=RUNS, repeat=REPEATS)
    return lambda: float(measure(*arguments).median)


def as_module(function: Any) -> Any:
    """An IRModule whose `main` it is."""
    return tvm.IRModule({"main": function.with_attr("global_symbol", "main")})


def function_timers(graph: Graph, target: Any) -> dict[str, Callable[[], float]]:
    """For each tensor that is stored, by its name, the timer of what gives it; INPUT is the input's new layout."""
    module = schedule(relax.transform.LegalizeOps()(legalize(to_relax(graph), target)), target)
    made = {name: timer(f, target) for name, f in module.functions_items() if isinstance(f, tirx.PrimFunc)}
    tensors = {variable(index): node.output for index, node in enumerate(graph.nodes)}
    timers: dict[str, Callable[[], float]] = {}
    before: Callable[[], float] | None = None  # of the products of scores, which have no node of their own
    for block in module["main"].body.blocks:
        for binding in block.bindings:
            if not isinstance(binding.value, relax.Call):
                continue
            measure, tensor = made[binding.value.args[0]], tensors.get(binding.var.name)
            if tensor is None and timers:
                before = measure
            else:
                timers[tensor or INPUT] = _both(before, measure) if before else measure
    return timers


def _both(one: Callable[[], float], other: Callable[[], float]) -> Callable[[], float]:
    return lambda: one() + other()
