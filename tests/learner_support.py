# SPDX-License-Identifier: Apache-2.0
"""Heads, samples and networks for the tests of learning on the device."""

from __future__ import annotations

import numpy as np
from tests_support import builder

from trit.export.graph import Graph
from trit.runtime.bits import pack_signs
from trit.runtime.learner import Head, consolidation


def random_head(shape: tuple[int, int, int], seed: int, size: int = 2000, **changes: int) -> Head:
    rng, (inputs, units, classes) = np.random.default_rng(seed), shape
    values = {"gain": 40, "window": 6 * 256, "rate": 600, "threshold_rate": 900, "bias_rate": 100, "margin": 100}
    return Head(
        weights=rng.integers(-size, size + 1, (units, inputs)).astype(np.int16),
        outputs=rng.integers(-size, size + 1, (classes, units)).astype(np.int16),
        thresholds=rng.integers(-2000, 2000, units).astype(np.int32),
        biases=rng.integers(-500, 500, classes).astype(np.int32),
        factors=consolidation(2.0, 4096),
        **{**values, **changes},
    )


def samples(head: Head, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Classes are told apart by their prototypes, of which a fifth of the values are turned round."""
    rng = np.random.default_rng(seed)
    classes, inputs = len(head.outputs), head.weights.shape[1]
    labels = rng.integers(0, classes, count)
    prototypes = np.where(rng.random((classes, inputs)) < 0.5, -1, 1)
    values = prototypes[labels] * np.where(rng.random((count, inputs)) < 0.2, -1, 1)
    return pack_signs(values), labels


def layers_to_learn(height: int = 1) -> Graph:
    """Layers as a binary network ends in; with a height, the dense layer reads a feature map."""
    build = builder(np.random.default_rng(9), (3, height, height), 128)
    build.conv(64, "binary") if height > 1 else build.dense(64, "binary")
    build.threshold("binary")
    build.dense(32, "binary")
    build.threshold("binary")
    build.dense(10, "binary")
    build.scores()
    return build.graph()
