# SPDX-License-Identifier: Apache-2.0
"""The zoo's networks on boards and on 64-bit Arm Linux: which fit, and whether their scores have the reference's bits.

python -m benchmarks.zoo [--only PART] [--json]

A part is a target. Each network is deployed as `trit deploy` does it, with images of Fashion-MNIST as its test.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np

from benchmarks.programs import NETWORKS, zoo_network
from benchmarks.report import Row, run
from trit.runtime.errors import Unavailable
from trit.targets.deploy import deploy
from trit.targets.description import Linux, Microcontroller, available, load_target

IMAGES = 2


def main() -> None:
    work: dict[str, Callable[[], list[Row]]] = {}
    for name in available():
        target = load_target(name)
        if isinstance(target, Linux | Microcontroller):
            work[name] = lambda target=target: deployments(target)
    run("The zoo's networks on boards", work)


def deployments(target: Linux | Microcontroller) -> list[Row]:
    """A row for each network that fits."""
    with (files("trit") / "zoo" / "fashion-mnist-test-256.npz").open("rb") as file:
        images = np.load(file)["images"][:IMAGES]
    rows = []
    for network in NETWORKS:
        with tempfile.TemporaryDirectory(prefix="trit-") as folder:
            try:
                done = deploy(zoo_network(network), target, Path(folder) / network, images)
            except Unavailable as error:
                print(f"{network}: {error}")
                continue
        rows.append(Row(f"{target.name} {network}", 100 * done.equal / done.images, "% with equal bits", bar="≥ 100"))
        rows.append(Row(f"{target.name} {network}", 1e3 * done.profile.latency, f"ms ({done.profile.latency_origin})"))
    return rows


if __name__ == "__main__":
    main()
