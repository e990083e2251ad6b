# SPDX-License-Identifier: Apache-2.0
"""Draws docs/quantizers.svg from the quantizers themselves: python docs/figures.py (needs matplotlib)."""

from pathlib import Path

import matplotlib
import torch
from matplotlib import pyplot as plt
from torch import nn

from trit.train.quantizers import BinaryActivation, TernaryActivation

matplotlib.rcParams["svg.hashsalt"] = "trit"  # the same figure, the same file
QUANTIZERS: dict[str, nn.Module] = {
    "BinaryActivation()": BinaryActivation(),
    "TernaryActivation(0.05, 1.0)": TernaryActivation(0.05, 1.0),
    "TernaryActivation(0.5, 1.5)": TernaryActivation(0.5, 1.5),
}


def main() -> None:
    figure, axes = plt.subplots(1, len(QUANTIZERS), figsize=(9, 2.6), sharey=True, layout="constrained")
    for axis, (name, quantizer) in zip(axes, QUANTIZERS.items(), strict=True):
        x = torch.linspace(-2, 2, 801, requires_grad=True)
        y = quantizer(x)
        y.sum().backward()
        axis.plot(x.detach(), y.detach(), label="forward y(x)")
        axis.plot(x.detach(), x.grad, "--", label="pseudo-gradient dy/dx")
        axis.set_title(name, fontsize=10)
        axis.set_xlabel("x")
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8, loc="lower right")
    figure.savefig(Path(__file__).with_name("quantizers.svg"), metadata={"Date": None})


if __name__ == "__main__":
    main()
