# SPDX-License-Identifier: Apache-2.0
"""The C runtime on this machine, beside the machine's own ceilings and beside onnxruntime and Larq Compute Engine.

python -m benchmarks.host [--only PART] [--json]

One thread; what is compared is measured in turn, and medians are shown. Larq Compute Engine needs a Python of its own:
python3.11 -m venv lce && lce/bin/pip install tensorflow-cpu==2.15.1 larq==0.13.3 larq-compute-engine==0.16.0 'numpy<2'
and then LCE_PYTHON=lce/bin/python python -m benchmarks.host
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.host_layers import CONVOLUTIONS, DENSE, Run, ort_conv, ort_two_bits, step_time
from benchmarks.host_networks import large_plan, network, ort_network
from benchmarks.layers import Layer
from benchmarks.report import Row, interleaved, ratio, run
from trit.export.graph import Kind, WeightKind
from trit.runtime import Session
from trit.runtime.errors import Unavailable
from trit.runtime.library import library

ROUNDS = 15
FOLDER = Path(__file__).parent
LCE = os.environ.get("LCE_PYTHON")
BARS = {"amx": "≥ 4.0", "avx512": "≥ 4.0", "avx2": "≥ 0.85", "portable": "≥ 0.35"}
# Products of one of the probe's instruction mixes: what a kernel that counts bits or multiplies bytes can reach.
CEILINGS = {
    "amx": ("tdpbssd", 16384),
    "avx512": ("vpopcntd512", 512),
    "avx2": ("pshufb256", 256),
    "portable": ("popcnt64", 64),
}
PRODUCTS = {**dict(CEILINGS.values()), "carrysave512": 512, "vpdpbusd512": 64}


def main() -> None:
    variants = {f"binary {variant}": lambda variant=variant: binary(variant) for variant in BARS}
    work: dict[str, Callable[[], list[Row]]] = {
        "ceilings": ceilings,
        **variants,
        "ternary": ternary,
        "onnxruntime layers": against_onnxruntime,
        "lce": against_lce,
        "bytes": bytes_dense,
        "bandwidth": bandwidth,
        "network": whole_network,
        "batch": batch,
        "open": opening,
    }
    run("The C runtime on this machine, one thread", work)


@cache
def probe() -> dict[str, float]:
    """Rates per second of benchmarks/probe.c."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        sys.exit("no C compiler for benchmarks/probe.c: install gcc or clang")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "probe"
        flags = ["-O2", "-std=gnu11", "-march=native"]
        subprocess.run([compiler, *flags, "-o", program, FOLDER / "probe.c"], check=True)
        lines = subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines()
    return {name: float(value) for name, value in (line.split() for line in lines)}


def ceilings() -> list[Row]:
    rows = []
    for name, rate in probe().items():
        if name.startswith("load"):
            rows.append(Row(f"load bandwidth, {name[4:-3]} KiB", rate / 1e9, "GB/s"))
        elif name == "clock":
            rows.append(Row("clock", rate / 1e9, "GHz"))
        else:
            rows.append(Row(f"ceiling of {name}", 2 * PRODUCTS[name] * rate / 1e12, "TOP/s"))
    return rows


def tera(layer: Layer, seconds: float) -> float:
    return layer.operations / seconds / 1e12


def measured(functions: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Seconds that each function measured itself, in each round."""
    found: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(ROUNDS):
        for name, function in functions.items():
            found[name].append(function())
    return found


def timed(function: Run, repeats: int = 3) -> Callable[[], float]:
    """The function as one that measures itself: the median of a few runs."""

    def measure() -> float:
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            function()
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    return measure


def binary(variant: str) -> list[Row]:
    """Binary weights and activations, packed in and packed out."""
    try:
        times = measured({layer.name: step_time(layer, "binary", "binary", variant) for layer in CONVOLUTIONS})
    except Unavailable:
        return []
    mix, products = CEILINGS[variant]
    ceiling = 2 * products * probe()[mix] / 1e12
    rows = []
    for layer in CONVOLUTIONS:
        value = tera(layer, statistics.median(times[layer.name]))
        rows.append(Row(f"binary {layer.name}, {variant}", value, "TOP/s", f"ceiling of {mix}", ceiling, BARS[variant]))
        if variant == "avx512":
            own = 2 * products * probe()["carrysave512"] / 1e12
            share = 100 * value / own
            rows.append(Row(f"binary {layer.name}, {variant}", share, "% of carrysave512", "TOP/s", own, "≥ 75"))
    return rows


def ternary() -> list[Row]:
    """Ternary weights beside binary ones, on the machine's best variant."""
    rows = []
    for layer in CONVOLUTIONS:
        times = measured(
            {
                "binary": best_time(layer, "binary", "binary"),
                "weights": best_time(layer, "binary", "ternary"),
                "both": best_time(layer, "ternary", "ternary"),
            }
        )
        rates = {name: tera(layer, statistics.median(seconds)) for name, seconds in times.items()}
        share = ratio(times, "binary", "weights")
        work = f"{layer.name}, {best_variant()}"
        rows.append(Row(f"ternary×binary {work}", share, "of binary's rate", "TOP/s", rates["weights"], "≥ 0.8"))
        rows.append(Row(f"ternary×ternary {work}", rates["both"], "TOP/s", "binary", rates["binary"], "≥ 2.0"))
    return rows


def against_onnxruntime() -> list[Row]:
    rows = []
    for layer in CONVOLUTIONS:
        peers = {"int8 (u8×s8)": ort_conv(layer, True), "float32": ort_conv(layer, False)}
        times = measured(
            {"trit": best_time(layer, "binary", "binary"), **{name: timed(peer) for name, peer in peers.items()}}
        )
        mine = statistics.median(times["trit"]) * 1e6
        for peer, bar in (("int8 (u8×s8)", "≥ 4"), ("float32", "≥ 15")):
            value = ratio(times, peer, "trit")
            work = f"binary {layer.name}: {mine:.0f} µs, onnxruntime {statistics.median(times[peer]) * 1e6:.0f} µs"
            rows.append(Row(work, value, "× faster", f"onnxruntime {peer}", 1.0, bar))
    return rows


def against_lce() -> list[Row]:
    if LCE is None:
        return []
    rows = []
    command = [LCE, str(FOLDER / "lce.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as peer:
        assert peer.stdin is not None and peer.stdout is not None
        for layer in CONVOLUTIONS:

            def ask(mode: str, layer: Layer = layer) -> float:
                assert peer.stdin is not None and peer.stdout is not None
                peer.stdin.write(f"{mode} {layer.channels} {layer.size}\n")
                peer.stdin.flush()
                return float(peer.stdout.readline())

            modes = {mode: (lambda mode=mode: ask(mode)) for mode in ("default", "indirect")}
            times = measured({"trit": best_time(layer, "binary", "binary"), **modes})
            for mode in modes:
                work = f"binary {layer.name}: {statistics.median(times[mode]) * 1e6:.0f} µs"
                rows.append(Row(work, ratio(times, mode, "trit"), "× faster", f"Larq Compute Engine, {mode}", 1.0))
        peer.stdin.close()
    return rows


def best_variant() -> str:
    """The first whose instructions the probe finds."""
    return next(variant for variant, (mix, _) in CEILINGS.items() if mix in probe())


def best_time(layer: Layer, activations: Kind, weights: WeightKind) -> Callable[[], float]:
    return step_time(layer, activations, weights, best_variant())


def bytes_dense() -> list[Row]:
    """Ternary weights × 8-bit activations, one vector."""
    times = measured({"trit": best_time(DENSE, "uint8", "ternary"), "peer": timed(ort_two_bits(DENSE))})
    value, mine, theirs = (ratio(times, "peer", "trit"), *(statistics.median(times[n]) * 1e6 for n in ("trit", "peer")))
    work = f"ternary×uint8 {DENSE.name}: {mine:.0f} µs, onnxruntime {theirs:.0f} µs"
    return [Row(work, value, "× faster", "onnxruntime MatMulNBits, 2 bits", 1.0, "≥ 2")]


def bandwidth() -> list[Row]:
    """Binary weights and activations, one vector: every weight is read once, from the cache that holds them all."""
    seconds = statistics.median(measured({"trit": best_time(DENSE, "binary", "binary")})["trit"])
    rate, ceiling = DENSE.channels**2 / 8 / seconds, probe()["load2048KiB"]
    work = f"binary×binary {DENSE.name}: {seconds * 1e6:.0f} µs, {rate / 1e9:.0f} GB/s of weights"
    return [Row(work, 100 * rate / ceiling, "% of load bandwidth", "2 MiB, GB/s", ceiling / 1e9, "≥ 85")]


def whole_network() -> list[Row]:
    """cifar10-ternary-vgg at width 64, one image, Python's call included on both sides."""
    session = Session(network())
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (16, *session.input_shape), dtype=np.uint8)
    times = interleaved(
        {
            "trit": lambda: session.run(images[0]),
            "onnxruntime": ort_network(images[0]),
            "sixteen": lambda: session.run(images),
        },
        4 * ROUNDS,
    )
    inside = statistics.median(times["sixteen"]) / len(images)
    steps = sum(step.seconds for step in session.profile(images[0], repeats=4 * ROUNDS))
    one = statistics.median(times["trit"])
    work = (
        f"cifar10-ternary-vgg: {one * 1e6:.0f} µs, onnxruntime {statistics.median(times['onnxruntime']) * 1e6:.0f} µs"
    )
    outside = 100 * (1 - steps / inside)
    return [
        Row(work, ratio(times, "onnxruntime", "trit"), "× faster", "onnxruntime int8 (u8×s8)", 1.0, "≥ 3"),
        Row("cifar10-ternary-vgg: outside of the kernels", outside, "% of trit_run", "µs", inside * 1e6, "≤ 5"),
        Row("cifar10-ternary-vgg: Python's call", (one - inside) * 1e6, "µs"),
    ]


def batch() -> list[Row]:
    session = Session(network())
    images = np.random.default_rng(0).integers(0, 256, (64, *session.input_shape), dtype=np.uint8)
    runs = {"one": lambda: session.run(images), "two": lambda: session.run(images, threads=2)}
    value = ratio(interleaved(runs, 2 * ROUNDS), "one", "two")
    return [Row("64 images, two threads", value, "× faster", "one thread", 1.0, "≥ 1.8")]


def opening() -> list[Row]:
    plan = np.frombuffer(large_plan(), np.uint8)
    handle = np.zeros(library().trit_host_plan_size(), np.uint8)
    arguments = (handle.ctypes.data, plan.ctypes.data, plan.size)
    assert library().trit_open(*arguments) == 0
    times = interleaved({"open": lambda: library().trit_open(*arguments)}, 4 * ROUNDS)
    work = f"opening a plan of {plan.size / 1e6:.2f} MB, in place"
    return [Row(work, statistics.median(times["open"]) * 1e3, "ms", bar="≤ 1")]


if __name__ == "__main__":
    main()
