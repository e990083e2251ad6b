# SPDX-License-Identifier: Apache-2.0
"""TVM's code beside the C runtime: a binary convolution and a whole network on this machine, C on a microcontroller.

The first bar is that of a core with AVX-512 which counts the bits of two vectors a cycle; what this machine's counts
at most is the ceiling beside it.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import numpy as np

from benchmarks.host import ROUNDS, best_variant, measured, probe, tera
from benchmarks.host_layers import step_time
from benchmarks.host_networks import WIDTH, network_graph
from benchmarks.layers import Layer, layer_graph
from benchmarks.programs import board_named, zoo_network
from benchmarks.report import Row, interleaved, ratio
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.targets.microcontroller.execution import instructions
from trit.targets.microcontroller.simulator import run_image

LAYER = Layer(256, 16, 3)
TUNING = 16  # trials a function


def binary() -> list[Row]:
    """Binary weights and activations, packed in and packed out."""
    from trit.export.tvm.machine import host_target
    from trit.export.tvm.timing import function_timers

    timers = function_timers(layer_graph(LAYER, "binary", "binary"), host_target())
    variant = best_variant()
    times = measured({"tvm": timers["packed"], "trit": step_time(LAYER, "binary", "binary", variant)})
    rates = {name: tera(LAYER, statistics.median(seconds)) for name, seconds in times.items()}
    ceiling = 2 * 512 * probe()["vpopcntd512"] / 1e12 if "vpopcntd512" in probe() else None
    work = f"tvm, binary {LAYER.name}"
    return [
        Row(work, rates["tvm"], "TOP/s", "ceiling of vpopcntd512" if ceiling else "", ceiling, "≥ 3"),
        Row(work, ratio(times, "trit", "tvm"), "of the C runtime's rate", f"{variant}, TOP/s", rates["trit"]),
    ]


def network() -> list[Row]:
    """cifar10-ternary-vgg, one image, Python's call included on both sides."""
    from trit.export.tvm import build, tune

    graph = network_graph()
    session = Session(to_plan(graph))
    # TVM's schedules count bits: the bar is of the C runtime's kernels that do so, too, AMX's tiles stand beside it.
    counting = Session(to_plan(graph), "avx512") if session.variant == "amx" else session
    image = np.random.default_rng(0).integers(0, 256, (1, *session.input_shape), dtype=np.uint8)
    ours, tuned = build(graph), build(graph, optimize=lambda m, t: tune.tune(m, t, TUNING))
    peers = {each.variant: each for each in (counting, session)}
    runs: dict[str, Callable[[], object]] = {name: lambda each=each: each.run(image) for name, each in peers.items()}
    runs |= {"tvm": lambda: ours.run(image), "tuned": lambda: tuned.run(image)}
    times = interleaved(runs, 8 * ROUNDS)
    found = []
    for name, bar in (("tvm", "≤ 1.5"), ("tuned", "")):
        microseconds = statistics.median(times[name]) * 1e6
        work = f"{name}, cifar10-ternary-vgg at width {WIDTH}: {microseconds:.0f} µs"
        for variant in peers:
            peer, peer_time = f"the C runtime, {variant}, µs", statistics.median(times[variant]) * 1e6
            held = bar if variant == counting.variant else ""
            found.append(Row(work, ratio(times, name, variant), "× the time", peer, peer_time, held))
    return found


def microcontroller() -> list[Row]:
    """fashion-ternary-cnn as TVM's C on a simulated nRF52840, beside the hand-written kernels."""
    from trit.targets.tvm_c import profile_tvm_c

    board, graph = board_named("nrf52840"), zoo_network("fashion-ternary-cnn")
    image = np.zeros((1, *graph.tensors[graph.input].shape), np.uint8)
    steps = {"tvm": profile_tvm_c(graph, image).steps, "trit": run_image(graph, board, image).execution.steps}
    counts = {name: sum(instructions("cortex-m", blocks) for blocks in found) for name, found in steps.items()}
    work = f"tvm C, fashion-ternary-cnn on nrf52840: {counts['tvm'] / 1e6:.1f} million"
    peer = "the C runtime, millions"
    return [Row(work, counts["tvm"] / counts["trit"], "× the instructions", peer, counts["trit"] / 1e6)]


PARTS: dict[str, Callable[[], list[Row]]] = {
    "binary": binary,
    "network": network,
    "microcontroller": microcontroller,
}
