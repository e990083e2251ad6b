# SPDX-License-Identifier: Apache-2.0
"""Accuracy at small size: the zoo's small networks on all test images in the C runtime, their size, and a board."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.programs import zoo_network
from benchmarks.report import Row
from trit.export.operators import Conv
from trit.export.plan import to_plan
from trit.runtime.session import Session
from trit.targets.deploy import deploy
from trit.targets.description import load_target
from trit.train.data import load_test

BOARD = "stm32l4r5"  # Cortex-M4
BITS = {"binary": 1, "ternary": 2, "int8": 8}
IMAGES_ON_BOARD = 1


@dataclass(frozen=True)
class Small:
    """A network of the zoo and the bars that it is made for: %, Mbit of weights, M weights, M multiply-accumulates."""

    name: str
    data: str
    accuracy: str
    megabits: str = ""
    weights: str = ""
    macs: str = ""


CIFAR10 = Small("cifar10-ternary-small", "cifar10", accuracy="≥ 85", megabits="≤ 1.6", macs="≤ 100")
FASHION = Small("fashion-ternary-small", "fashion-mnist", accuracy="≥ 93.5", weights="≤ 0.5")


def small(network: Small) -> list[Row]:
    """Accuracy, size, and whether a simulated board gives the reference's bits."""
    graph = zoo_network(network.name)
    session = Session(to_plan(graph))
    images, labels = load_test(network.data)
    right = np.mean(session.run(images).argmax(1) == labels)
    weights = [(node.weights.size, BITS[node.weight_kind]) for node in graph.nodes if isinstance(node, Conv)]
    name = network.name
    with tempfile.TemporaryDirectory(prefix="trit-") as folder:
        done = deploy(graph, load_target(BOARD), Path(folder) / name, images[:IMAGES_ON_BOARD])
    return [
        Row(f"{name}: accuracy, {len(images)} images in C", 100 * float(right), "%", bar=network.accuracy),
        Row(f"{name}: weights", sum(count * bits for count, bits in weights) / 1e6, "Mbit", bar=network.megabits),
        Row(f"{name}: weights", sum(count for count, _ in weights) / 1e6, "M", bar=network.weights),
        Row(f"{name}: an image", sum(step.macs for step in session.steps) / 1e6, "M MAC", bar=network.macs),
        Row(f"{name}: {BOARD}", 100 * done.equal / done.images, "% with equal bits", bar="≥ 100"),
        Row(f"{name}: {BOARD}", 1e3 * done.profile.latency, f"ms ({done.profile.latency_origin})"),
    ]
