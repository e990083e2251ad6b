# SPDX-License-Identifier: Apache-2.0
"""The RRAM target: its circuit model beside ngspice, a published chip's energy, the rate of simulated chips beside
aihwkit's, and the findings of Laborieux et al. (TCAS-I 2021) from the networks in benchmarks/vgg/.

aihwkit is measured where TRIT_AIHWKIT names the Python that has it. The findings need CIFAR-10.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Literal

import numpy as np

from benchmarks.peer import Peer
from benchmarks.report import Row, interleaved, run
from benchmarks.rram_findings import immunity, supplies, widths
from trit.export.graph import Graph, Node, Tensor
from trit.export.operators import Conv, Scores, Threshold
from trit.export.plan import to_plan
from trit.runtime.chips import Chips
from trit.runtime.errors import Unavailable
from trit.targets.description import load_target
from trit.targets.rram.check import RATE_DIFFERENCE, RATE_RATIO, check_rates, check_times
from trit.targets.rram.chip import Rram
from trit.targets.rram.circuit import generic130
from trit.targets.rram.cost import component_origins, layer_costs
from trit.targets.rram.errors import ReadErrors, given_errors
from trit.targets.rram.sense import load_technology

AIHWKIT = os.environ.get("TRIT_AIHWKIT")
AIHWKIT_RATE = 24_000  # images/s on one core, as measured before, where it is not here
TIMES_AIHWKIT = 25
PUBLISHED_ENERGY = 45e-9  # J an inference at 0.7 V and 10 MHz: Jebali et al., Nature Communications 15:741, 2024
IMAGES = 10_000
CHIPS = 8  # a round
ROUNDS = 5


def main() -> None:
    run(
        "RRAM",
        {
            "circuit": circuit,
            "energy of four 64 × 64 arrays": published_chip,
            "chips a second": rate,
            "ternary and binary": widths,
            "immunity": immunity,
            "supply": supplies,
        },
    )


def circuit() -> list[Row]:
    """The compact model of the sense amplifier beside the circuit in ngspice, for the same draws."""
    technology, process = load_technology(), generic130()
    try:
        times = check_times(technology, process)
        rates = check_rates(technology, process, progress=lambda text: print(text, file=sys.stderr))
    except Unavailable as error:
        print(f"left out: {error}", file=sys.stderr)
        return []
    low, high = min(row.point.vdd for row in times), max(row.point.vdd for row in times)
    worst = max(abs(row.model / row.circuit - 1) for row in times)
    agree = sum(row.agree for row in rates) / len(rates)
    what = f"{len(rates)} sets of {rates[0].draws} reads: error rates within {RATE_RATIO:g} × or {RATE_DIFFERENCE:.1%}"
    rows = [
        Row(f"{len(times)} pairs, {low:g} to {high:g} V: discharge time off by up to", worst, "", bar="≤ 0.15"),
        Row(what, agree, "of them", bar="≥ 1"),
    ]
    for pair in times:
        work = f"{pair.point.vdd:g} V, {pair.bit_line / 1e3:g} and {pair.complement / 1e3:g} kΩ: discharge time"
        rows.append(Row(work, pair.model * 1e9, "ns", "ngspice", pair.circuit * 1e9))
    for row in rates:
        work = f"{row.point.vdd:g} V, HRS {row.hrs / 1e3:g} kΩ, {row.point.read_time * 1e9:.3g} ns"
        for name, ours, theirs in zip(("lost", "raised", "sign"), row.model, row.circuit, strict=True):
            if max(ours, theirs):
                rows.append(Row(f"{work}: {name}", 100 * ours, "%", "ngspice", 100 * theirs))
    return rows


def published_chip() -> list[Row]:
    """A network of four layers of 64 inputs and outputs, one an array."""
    target = load_target("rram-4x64-130nm")
    assert isinstance(target, Rram)
    graph = mlp([64, 64, 64, 64, 64], "binary", "binary")
    costs = layer_costs(graph, target)
    energy = sum(cost.energy for cost in costs)
    rows = [
        Row("an inference that fills the chip", energy * 1e9, "nJ", "published", PUBLISHED_ENERGY * 1e9),
        Row("the same", energy / PUBLISHED_ENERGY, "× published", bar="≥ 0.5"),
        Row("the same", energy / PUBLISHED_ENERGY, "× published", bar="≤ 2"),
    ]
    for name, origin in component_origins(target).items():
        part = sum(cost.energies[name] for cost in costs)
        if part:
            rows.append(Row(f"of it {name} ({origin})", part * 1e9, "nJ"))
    return rows


def rate() -> list[Row]:
    """Chips times images a second, drawing every chip anew, on one thread and on two."""
    cases: dict[str, tuple[Literal["binary", "ternary"], ReadErrors]] = {
        "ternary: lost 1 %, raised 6.5 %": ("ternary", given_errors(sign=1e-6, lost=0.01, raised=0.065)),
        "binary: flip 1 %": ("binary", given_errors(flip=0.01)),
    }
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, 784, 1, 1), dtype=np.uint8)
    steps: dict[str, Callable[[], object]] = {}
    for name, (kind, errors) in cases.items():
        engine, matrices = Chips(to_plan(mlp([784, 512, 10], kind, "uint8")), images, 32), errors.programmed[kind]
        for threads in (1, 2):
            steps[f"{name}, {threads} threads"] = _chips(engine, matrices, threads)
    with Peer(AIHWKIT, "aihwkit_mlp.py") as peer:
        if peer:
            steps["aihwkit"] = lambda: peer.ask(f"run {IMAGES}")
            steps["aihwkit, with programming"] = lambda: peer.ask(f"chip {IMAGES}")
        times = interleaved(steps, ROUNDS, warm_up=1)
    rows, theirs = [], IMAGES / min(times["aihwkit"]) if AIHWKIT else AIHWKIT_RATE
    source = "aihwkit, default inference tile" if AIHWKIT else "aihwkit, measured before"
    for name in list(steps)[: 2 * len(cases)]:
        mine = CHIPS * IMAGES / min(times[name])
        one = name.endswith("1 threads")
        rows.append(Row(f"MLP 784-512-10, {name}", mine / 1e6, "M chip·images/s", source, theirs / 1e6))
        rows.append(Row("the same", mine / theirs, "× aihwkit on one", bar=f"≥ {TIMES_AIHWKIT}" if one else ""))
    for name in cases:
        gain = min(times[f"{name}, 1 threads"]) / min(times[f"{name}, 2 threads"])
        rows.append(Row(f"{name}: two threads", gain, "× one", bar="≥ 1.6"))
    if AIHWKIT:
        programming = IMAGES / min(times["aihwkit, with programming"])
        rows.append(Row("aihwkit with the programming of a chip", programming / 1e6, "M chip·images/s"))
    return rows


def _chips(engine: Chips, matrices: np.ndarray, threads: int) -> Callable[[], object]:
    start = iter(range(0, sys.maxsize, CHIPS))

    def step() -> object:
        first = next(start)
        return [found.sum() for found in engine.run(range(first, first + CHIPS), 0, matrices, threads=threads)]

    return step


def mlp(sizes: list[int], weights: Literal["binary", "ternary"], inputs: Literal["binary", "uint8"]) -> Graph:
    """Dense layers of random weights with binary activations between them, of the input itself or its bits."""
    rng = np.random.default_rng(0)
    tensors, nodes = [Tensor("input", "uint8", (sizes[0], 1, 1), 128)], list[Node]()
    values = np.array([-1, 1] if weights == "binary" else [-1, 0, 1], np.int8)

    def sign(channels: int) -> None:
        levels, bits = np.zeros(channels, np.int32), f"bits{len(nodes)}"
        nodes.append(
            Threshold(f"sign{len(nodes)}", tensors[-1].name, bits, levels, levels, np.zeros(channels, np.bool_))
        )
        tensors.append(Tensor(bits, "binary", (channels, 1, 1)))

    if inputs == "binary":
        sign(sizes[0])
    for index, outputs in enumerate(sizes[1:], 1):
        matrix = rng.choice(values, (outputs, sizes[index - 1], 1, 1))
        nodes.append(Conv(f"dense{index}", tensors[-1].name, f"sum{index}", matrix, weights))
        tensors.append(Tensor(f"sum{index}", "int32", (outputs, 1, 1)))
        if index < len(sizes) - 1:
            sign(outputs)
    ones = np.ones(sizes[-1], np.float32)
    nodes.append(Scores("scores", tensors[-1].name, "output", ones, 0 * ones))
    tensors.append(Tensor("output", "float32", (sizes[-1], 1, 1)))
    return Graph("input", "output", {tensor.name: tensor for tensor in tensors}, nodes)


if __name__ == "__main__":
    main()
