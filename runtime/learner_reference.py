# SPDX-License-Identifier: Apache-2.0
"""The definition of learning on the device, in numpy; runtime/src/learner.c gives the same bits.

All numbers are integers and all shifts round down. b(w) is a hidden weight's sign, -1 where w < 0 and +1 elsewhere,
x = ±1 the features, u a unit, c a class, y the label:

1.  a[u] = Σ_k b(W[u,k])·x[k]
2.  mean[u] += (256·a[u] - mean[u]) >> min(7, bits of the number of samples so far), while learning
3.  z[u] = 256·a[u] - mean[u] - offset[u];  h[u] = -1 where z[u] < 0, else +1
4.  s[c] = gain·Σ_u b(V[c,u])·h[u] + bias[c], in 1/256 bit
5.  p[c] = 2^15·2^(-⌊(max s - s[c]) / 8⌋ / 32), by a table, 0 below 1;  e[c] = ⌊4096·p[c] / Σp⌋ - 4096·[c = y], 0 where
    |e[c]| < margin. A sample without an error ends here.
6.  g[u] = Σ_c b(V[c,u])·e[c] where |z[u]| ≤ window, else 0
7.  offset[u] += (g[u]·threshold_rate) >> 12;  bias[c] -= (e[c]·bias_rate) >> 12;  both within ±2^24

With the 32nd such sample, or sooner where `move` is called, and G = Σ g[u]·x[k] over these samples, Σ e[c]·h[u] for V:

8.  d = |G|·rate;  where the step leads towards zero, G·b(w) > 0:  d = (d·factor[|w| >> 7]) >> 15
9.  w -= sign(G)·((d + r) >> 16), within ±32767;  r = 16 bits of noise, a hash of the update's and the weight's number

factor is 2^15·(1 - tanh²(m·|W|)), Laborieux et al., Nature Communications 12:2549 (2021), and r rounds at random.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from trit.runtime.bits import Words, unpack_bits
from trit.runtime.learner import BATCH, Head

Int64 = npt.NDArray[np.int64]
Array = npt.NDArray[Any]
FARTHEST = 1 << 24
POWERS = np.floor(2.0 ** (15 - np.arange(32) / 32) + 0.5).astype(np.int64)


class ReferenceLearner:
    """A head that learns. A task is (count, mean, offset, bias), flat, as the C library has it."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.weights, self.outputs = head.weights.astype(np.int64), head.outputs.astype(np.int64)
        self.units, self.inputs = self.weights.shape
        self.moves = 0
        self.waiting: list[tuple[Int64, Int64, Int64, Int64]] = []  # x, h, g, e of each sample

    def own_task(self) -> Int64:
        """The thresholds and biases that the head brings."""
        zeros = np.zeros(self.units, np.int64)
        return np.concatenate([[0], self.head.thresholds, zeros, self.head.biases]).astype(np.int64)

    def new_task(self) -> Int64:
        """Those of a task that has seen no sample: zeros."""
        return np.zeros_like(self.own_task())

    def learn(self, task: Int64, features: Words, label: int) -> None:
        """Rules 1 to 9 for one sample; features are its sign words (⌈inputs/32⌉,)."""
        head, (mean, offset, bias) = self.head, self._parts(task)
        x = self._values(features)
        a = _signs(self.weights) @ x
        mean += (256 * a - mean) >> min(7, int(task[0]).bit_length())
        z, h, s = self._forward(task, a)
        task[0] += 1
        e = self._errors(s, label)
        if not e.any():
            return
        g = np.where(abs(z) <= head.window, e @ _signs(self.outputs), 0)
        offset[:] = np.clip(offset + (g * head.threshold_rate >> 12), -FARTHEST, FARTHEST)
        bias[:] = np.clip(bias - (e * head.bias_rate >> 12), -FARTHEST, FARTHEST)
        self.waiting.append((x, h, g, e))
        if len(self.waiting) == BATCH:
            self.move()

    def scores(self, task: Int64, features: Words) -> Int64:
        """(classes,) of one sample."""
        return self._forward(task, _signs(self.weights) @ self._values(features))[2]

    def move(self) -> None:
        """Move the weights by the samples that are waiting."""
        if not self.waiting:
            return
        x, h, g, e = (np.stack(values) for values in zip(*self.waiting, strict=True))
        count = self.weights.size + self.outputs.size
        numbers = self.moves * count + np.arange(count, dtype=np.uint64)
        split = self.weights.size
        self.weights = self._moved(self.weights, g.T @ x, numbers[:split].reshape(self.weights.shape))
        self.outputs = self._moved(self.outputs, e.T @ h, numbers[split:].reshape(self.outputs.shape))
        self.waiting, self.moves = [], self.moves + 1

    def _moved(self, w: Int64, slope: Int64, numbers: Array) -> Int64:
        step = abs(slope) * self.head.rate
        assert int(step.max(initial=0)) < 1 << 31
        held = step * self.head.factors.astype(np.int64)[abs(w) >> 7] >> 15
        step = np.where(slope * _signs(w) > 0, held, step)
        return np.asarray(np.clip(w - np.sign(slope) * ((step + noise(numbers)) >> 16), -32767, 32767), np.int64)

    def _forward(self, task: Int64, a: Int64) -> tuple[Int64, Int64, Int64]:
        mean, offset, bias = self._parts(task)
        z = 256 * a - mean - offset
        h = _signs(z)
        return z, h, self.head.gain * (_signs(self.outputs) @ h) + bias

    def _errors(self, s: Int64, label: int) -> Int64:
        below = s.max() - s
        p = np.where(below >> 8 > 15, 0, POWERS[below >> 3 & 31] >> np.minimum(below >> 8, 15))
        e = 4096 * p // p.sum() - 4096 * (np.arange(len(s)) == label)
        return np.where(abs(e) < self.head.margin, 0, e)

    def _parts(self, task: Int64) -> tuple[Int64, Int64, Int64]:
        """Views of the task's means, offsets and biases."""
        mean, offset, bias = np.split(task[1:], [self.units, 2 * self.units])
        return mean, offset, bias

    def _values(self, features: Words) -> Int64:
        return 1 - 2 * unpack_bits(features, self.inputs).astype(np.int64)


def noise(numbers: Array) -> Int64:
    """16 bits for each number: the high ones of a multiplicative hash modulo 2^32."""
    mixed = numbers.astype(np.uint64) * 0x9E3779B9 & 0xFFFFFFFF
    return np.asarray(((mixed ^ mixed >> 15) * 0x2C1B3C6D & 0xFFFFFFFF) >> 16, np.int64)


def _signs(values: Int64) -> Int64:
    return np.where(values < 0, -1, 1)
