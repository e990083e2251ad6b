# SPDX-License-Identifier: Apache-2.0
"""What Laborieux et al. (TCAS-I 2021) found, from the networks in benchmarks/vgg/ on CIFAR-10's test images.

`python -m benchmarks.rram_findings FOLDER` trains those networks anew; docs/rram.md has the figures drawn from them.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.report import Row
from trit.export.graph import Graph
from trit.export.onnx_reader import read_onnx
from trit.export.operators import Conv
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.runtime.errors import TritError
from trit.targets.accuracy import accuracy
from trit.targets.description import load_target
from trit.targets.rram.errors import ReadErrors, given_errors, published_errors
from trit.targets.rram.executor import default_chip
from trit.targets.rram.monte_carlo import Images, Labels, monte_carlo
from trit.targets.rram.search import Point, at, evaluate, tune, with_best_read_time

FOLDER = Path(__file__).with_name("vgg")
WIDTHS = (16, 32, 64)
KINDS = ("ternary", "binary")
BIT_ERROR_RATES = (1e-4, 1e-3, 3e-3, 0.01, 0.02, 0.05, 0.1, 0.2)
TRAINED_FOR = 0.05  # bit error rate of the networks that were trained with errors
FEW_IMAGES = 2000
FEW_CHIPS = 5
LOSS = 0.005  # of accuracy that errors may cost where a supply is searched for
SUPPLIES = (0.6, 0.65, 0.7, 0.75, 0.8, 0.9, 1.0, 1.2)  # V


def network(width: int, kind: str, seed: int = 0, with_faults: bool = False) -> Graph:
    """Raises TritError where there is none."""
    return read_onnx(FOLDER / f"vgg{width}-{kind}-{'faults' if with_faults else seed}.onnx")


def seeds(width: int, kind: str) -> list[int]:
    return [seed for seed in range(9) if (FOLDER / f"vgg{width}-{kind}-{seed}.onnx").is_file()]


@cache
def test_set() -> tuple[Images, Labels] | None:
    """CIFAR-10's test images, if they are here."""
    from trit.train.data import load_test

    try:
        return load_test("cifar10", None, download=False)
    except TritError as error:
        print(f"left out: {error}", file=sys.stderr)
        return None


def accuracies(width: int, kind: str) -> list[float]:
    """In percent, of each seed's network on the whole test set."""
    found = test_set()
    assert found is not None
    images, labels = found
    return [
        100 * float((Session(to_plan(network(width, kind, seed))).run(images).argmax(1) == labels).mean())
        for seed in seeds(width, kind)
    ]


def widths() -> list[Row]:
    """Ternary and binary weights in the same VGG, whose synapses take the same arrays."""
    if test_set() is None:
        return []
    rows = []
    for width in WIDTHS:
        ternary, binary = (accuracies(width, kind) for kind in KINDS)
        if not ternary or not binary:
            print(f"left out: {FOLDER} lacks networks of width {width}", file=sys.stderr)
            continue
        work = f"VGG {width}: ternary, mean of {len(ternary)}; binary of {len(binary)}"
        gain = statistics.mean(ternary) - statistics.mean(binary)
        rows.append(Row(work, statistics.mean(ternary), "%", "binary", statistics.mean(binary)))
        rows.append(Row("the same: ternary gains", gain, "points", bar="≥ 0"))
    return rows


def with_errors(graph: Graph, type_: str, rate: float) -> list[ReadErrors]:
    """Errors of one type at this rate, for each layer: "sign", or as the published training code."""
    layers = [node for node in graph.nodes if isinstance(node, Conv)]
    if type_ == "sign":
        return [given_errors(sign=rate) for _ in layers]
    return [published_errors(rate, float((node.weights == 0).mean())) for node in layers]


def curve(graph: Graph, type_: str, rates: Sequence[float] = BIT_ERROR_RATES) -> list[float]:
    """Mean accuracy in percent of a few chips at each bit error rate."""
    found, chip = test_set(), default_chip()
    assert found is not None
    images, labels = found[0][:FEW_IMAGES], found[1][:FEW_IMAGES]
    return [
        100 * float(np.mean(monte_carlo(graph, chip, images, labels, FEW_CHIPS, with_errors(graph, type_, rate))))
        for rate in rates
    ]


CURVES = {  # kind of the network, whether it was trained with errors, and the type of the errors
    "ternary, 0 ↔ ±1": ("ternary", False, "zero"),
    "ternary, 0 ↔ ±1, trained with errors": ("ternary", True, "zero"),
    "ternary, +1 ↔ -1": ("ternary", False, "sign"),
    "binary, +1 ↔ -1": ("binary", False, "flip"),
    "binary, +1 ↔ -1, trained with errors": ("binary", True, "flip"),
}


def curves(width: int = WIDTHS[0]) -> dict[str, list[float]]:
    """Accuracy against BIT_ERROR_RATES, the error-free one first."""
    found = {}
    for name, (kind, with_faults, type_) in CURVES.items():
        graph = network(width, kind, with_faults=with_faults)
        found[name] = curve(graph, type_, (0.0, *BIT_ERROR_RATES))
    return found


def immunity() -> list[Row]:
    """Points of accuracy that errors cost; those between 0 and ±1 cost least, and training for them saves some."""
    if test_set() is None:
        return []
    found, rows = curves(), []
    for name, values in found.items():
        for rate, value in zip(BIT_ERROR_RATES, values[1:], strict=True):
            rows.append(Row(f"VGG {WIDTHS[0]}, {name}, bit error rate {rate:g}", value, "%", "error-free", values[0]))
    at = 1 + BIT_ERROR_RATES.index(TRAINED_FOR)
    loss = {name: values[0] - values[at] for name, values in found.items()}
    mildest, flips = loss["ternary, 0 ↔ ±1"], loss["ternary, +1 ↔ -1"]
    rows.append(
        Row(f"at {TRAINED_FOR:g}: loss by sign flips", flips, "points", "by 0 ↔ ±1", mildest, f"≥ {mildest:.2f}")
    )
    for kind, name in (("ternary", "ternary, 0 ↔ ±1"), ("binary", "binary, +1 ↔ -1")):
        without, trained = loss[name], loss[f"{name}, trained with errors"]
        rows.append(Row(f"at {TRAINED_FOR:g}: {kind}, trained", trained, "points", "not", without, f"≤ {without:.2f}"))
    return rows


def operating_points() -> list[Point]:
    """A ternary network on the chip at each supply with its best read time."""
    found, chip = test_set(), default_chip()
    assert found is not None
    tests, graph = (found[0][:FEW_IMAGES], found[1][:FEW_IMAGES]), network(WIDTHS[0], "ternary")
    return [evaluate(with_best_read_time(at(chip, supply=supply)), graph, tests, FEW_CHIPS) for supply in SUPPLIES]


def supplies() -> list[Row]:
    """Energy of an inference and accuracy against the supply."""
    found = test_set()
    if found is None:
        return []
    images, labels = found[0][:FEW_IMAGES], found[1][:FEW_IMAGES]
    clean = accuracy(network(WIDTHS[0], "ternary"), load_target("host"), images, labels).mean
    rows = []
    for point in operating_points():
        assert point.energy is not None and point.accuracy is not None
        operation = point.operation
        work = f"VGG {WIDTHS[0]} ternary, {operation.supply:g} V, {operation.read_time * 1e9:.3g} ns"
        rows.append(Row(f"{work}: energy", point.energy * 1e6, "µJ"))
        rows.append(Row(f"{work}: accuracy", 100 * point.accuracy.mean, "%", "error-free", 100 * clean))
    best = tune(default_chip(), network(WIDTHS[0], "ternary"), (images, labels), FEW_CHIPS, clean - LOSS)
    assert best is not None and best.energy is not None
    nominal = next(row.value for row in rows if ", 1.2 V" in row.work)
    work = f"found by search: {best.operation.supply:g} V, {best.operation.read_time * 1e9:.3g} ns"
    return [*rows, Row(work, 1e6 * best.energy, "µJ", "at 1.2 V", nominal, f"≤ {nominal:.4g}")]


def train(out: Path) -> None:
    """Train every network of the findings and export it into FOLDER, those that are there already left out."""
    jobs = [(width, kind, seed) for width in WIDTHS for seed in range(2) for kind in KINDS]
    for width, kind, seed in jobs:
        _train(
            out, f"vgg{width}-{kind}-{seed}", [f"network.width={width}", f"quantization.weights={kind}", f"seed={seed}"]
        )
    for kind in KINDS:
        faults = [f"network.width={WIDTHS[0]}", f"quantization.weights={kind}", f"faults.ber={TRAINED_FOR}"]
        _train(out, f"vgg{WIDTHS[0]}-{kind}-faults", faults)


def _train(out: Path, name: str, overrides: list[str]) -> None:
    import subprocess

    if (FOLDER / f"{name}.onnx").exists():
        return
    settings = [*overrides, "quantization.activations=binary", "training.epochs=20"]
    sets = [word for setting in settings for word in ("--set", setting)]
    subprocess.run(["trit", "train", "cifar10-ternary-vgg", "--out", str(out / name), *sets], check=True)
    subprocess.run(["trit", "export", str(out / name / "model.pt"), "-o", str(FOLDER / f"{name}.onnx")], check=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m benchmarks.rram_findings FOLDER")
    train(Path(sys.argv[1]))
