# SPDX-License-Identifier: Apache-2.0
"""Draws docs/rram-sense.svg: python docs/figures_rram.py (needs matplotlib and ngspice)."""

from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from trit.targets.rram.check import LRS, MISMATCH, draw_weights, error_rates
from trit.targets.rram.circuit import generic130, waveforms
from trit.targets.rram.operating_point import OperatingPoint
from trit.targets.rram.sense import Technology, load_technology, mismatch_deviation

matplotlib.rcParams["svg.hashsalt"] = "trit"  # the same figure, the same file
matplotlib.rcParams["font.size"] = 9
matplotlib.rcParams["svg.fonttype"] = "none"  # text stays text, which makes the file small
HRS = 100e3  # Ω
DRAWS = 200_000
ERRORS = (("±1 read as 0", "-"), ("0 read as ±1", "--"), ("±1 read as ∓1", ":"))
FLOOR = 2e-5


def main() -> None:
    technology = load_technology()
    figure, axes = plt.subplots(1, 3, figsize=(10, 3), layout="constrained")
    discharge(axes[0])
    against_read_time(axes[1], technology)
    against_supply(axes[2], technology)
    for axis in axes:
        axis.minorticks_off()
    figure.savefig(Path(__file__).with_name("rram-sense.svg"), metadata={"Date": None})


def discharge(axis: Axes) -> None:
    """Both outputs of one read of +1 and of 0, in ngspice."""
    point = OperatingPoint(1.2, 15e-9)
    for pair, colour, name in (((LRS, HRS), "C0", "+1: 5 kΩ / 100 kΩ"), ((HRS, 1.1 * HRS), "C1", "0: 100 kΩ / 110 kΩ")):
        time, output, complement, _, _ = waveforms(generic130(), point, *pair)
        axis.plot(time * 1e9, output, colour, lw=1.3, label=name)
        axis.plot(time * 1e9, complement, colour, lw=1.3, ls="--")
    axis.axhline(0.6, color="grey", lw=0.6)
    axis.set(
        title="outputs at 1.2 V (dashed: complement)", xlabel="time after SEN in ns", ylabel="V", ylim=(-0.05, 1.85)
    )
    axis.legend(loc="upper right")


def against_read_time(axis: Axes, technology: Technology) -> None:
    for vdd, colour in ((1.2, "C0"), (0.8, "C2"), (0.6, "C3")):
        times = np.geomspace(0.2e-9, 500e-9, 60)
        rates = read_error_rates(technology, OperatingPoint(vdd, 1e-9), times)
        for values, (_, line) in zip(rates[:2], ERRORS, strict=False):
            axis.loglog(times * 1e9, values, colour, ls=line, lw=1.3, label=f"{vdd} V" if line == "-" else None)
    axis.set(
        title="lost ±1 (solid), raised 0 (dashed)", xlabel="read time in ns", ylabel="probability", ylim=(FLOOR, 1.2)
    )
    axis.legend(loc="center right")


def against_supply(axis: Axes, technology: Technology) -> None:
    """Each at the read time in the middle between LRS/HRS and HRS/HRS on a logarithmic scale."""
    supplies = np.linspace(0.6, 1.8, 61)
    rates = []
    for vdd in supplies:
        point = OperatingPoint(float(vdd), 1e-9)
        middle = np.sqrt(np.prod(technology.decide(point, np.array([LRS, HRS]), np.array([HRS, 1.1 * HRS])).times))
        rates.append(read_error_rates(technology, point, np.array([middle]))[:, 0])
    for values, (name, line) in zip(np.transpose(rates), ERRORS, strict=True):
        axis.semilogy(supplies, values, "C0", ls=line, lw=1.3, label=name)
    axis.set(title="errors at the middle read time", xlabel="VDD in V", ylim=(FLOOR, 1.2))
    axis.legend()


def read_error_rates(technology: Technology, point: OperatingPoint, read_times: np.ndarray) -> np.ndarray:
    """(3, times): rates of the three errors, NaN where none of the draws shows one."""
    rng = np.random.default_rng(0)
    pairs = draw_weights(rng, DRAWS, HRS, mismatch_deviation(technology, MISMATCH))
    decided = technology.decide(point, *pairs)
    points = [replace(point, read_time=float(time)) for time in read_times]
    rates = [error_rates(np.where(decided.times <= at.read_time, decided.signs, 0)) for at in points]
    return np.where(np.array(rates).T > 0, np.array(rates).T, np.nan)


if __name__ == "__main__":
    main()
