# SPDX-License-Identifier: Apache-2.0
"""Draws docs/rram-findings.svg from the networks in benchmarks/vgg/: PYTHONPATH=. python docs/figures_findings.py.."""

import statistics
from pathlib import Path

import matplotlib
from benchmarks.rram_findings import BIT_ERROR_RATES, KINDS, WIDTHS, accuracies, curves, operating_points
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

matplotlib.rcParams["svg.hashsalt"] = "trit"  # the same figure, the same file
matplotlib.rcParams["svg.fonttype"] = "none"  # text stays text, which makes the file small


def main() -> None:
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    by_width(left)
    by_error_rate(middle)
    by_supply(right)
    for axis in (left, middle):
        axis.set_ylabel("CIFAR-10 accuracy (%)")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    figure.savefig(Path(__file__).with_name("rram-findings.svg"), metadata={"Date": None})


def by_width(axis: Axes) -> None:
    for kind in KINDS:
        found = {width: each for width in WIDTHS if (each := accuracies(width, kind))}
        axis.plot(list(found), [statistics.mean(each) for each in found.values()], "o-", label=f"{kind} weights")
        for width, each in found.items():
            axis.plot([width] * len(each), each, ".", color="gray", markersize=4)
    axis.set(xscale="log", xlabel="filters of the VGG's first layer", title="Ternary and binary on the same arrays")
    axis.set_xticks(WIDTHS, [str(width) for width in WIDTHS])
    axis.minorticks_off()


def by_error_rate(axis: Axes) -> None:
    for name, values in curves().items():
        axis.plot(BIT_ERROR_RATES, values[1:], "o-", markersize=3, label=name)
    axis.set(xscale="log", xlabel="bit error rate", title=f"Errors of its weights, VGG {WIDTHS[0]}")


def by_supply(axis: Axes) -> None:
    points = operating_points()
    supply = [point.operation.supply for point in points]
    axis.plot(supply, [100 * point.accuracy.mean for point in points if point.accuracy], "o-", color="tab:green")
    axis.set(xlabel="supply (V)", ylabel="CIFAR-10 accuracy (%)", title=f"Operating points, VGG {WIDTHS[0]} ternary")
    energy = axis.twinx()
    energy.plot(supply, [1e6 * (point.energy or 0) for point in points], "s--", color="tab:red")
    energy.set_ylabel("energy of an inference (µJ), dashed")
    axis.grid(alpha=0.3)


if __name__ == "__main__":
    main()
