# SPDX-License-Identifier: Apache-2.0
"""Learning on the device, from Python: the head file, and the C library's learner on many samples.

include/trit/learner.h says what a learner does, `trit.runtime.learner_reference` defines it, docs/learning.md shows it.
"""

from __future__ import annotations

import ctypes
import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from trit.runtime.bits import words
from trit.runtime.errors import TritError
from trit.runtime.images import as_images
from trit.runtime.library import library, status_text
from trit.runtime.session import Session

MAGIC, VERSION, BATCH, FACTORS = b"TRHD", 1, 32, 256
_HEADER = struct.Struct("<4s11I")

Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]
Words = npt.NDArray[np.uint32]
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Head:
    """The last two dense layers of a binary network and how they learn; `runtime/src/head.h` has the fields' units."""

    weights: Int16  # hidden weights (units, inputs), never -32768
    outputs: Int16  # (classes, units)
    thresholds: Int32  # (units,) in 1/256: a unit is +1 where its sum is not below
    biases: Int32  # (classes,)
    factors: npt.NDArray[np.uint16]  # (256,) in 1/32768: of a step towards zero, by |W| // 128
    gain: int
    window: int
    rate: int
    threshold_rate: int
    bias_rate: int
    margin: int

    @classmethod
    def from_bytes(cls, data: bytes) -> Head:
        """The head of a file. Raises TritError as `Learner` does."""
        Learner(data)
        _, _, _, inputs, units, classes, *values = _HEADER.unpack_from(data)
        sizes = np.cumsum([_HEADER.size, 2 * FACTORS, 4 * units, 4 * classes, 2 * units * inputs, 2 * units * classes])
        parts = [data[start:end] for start, end in pairwise(sizes.tolist())]
        factors, thresholds, biases, weights, outputs = map(np.frombuffer, parts, ("<u2", "<i4", "<i4", "<i2", "<i2"))
        return cls(weights.reshape(units, -1), outputs.reshape(classes, -1), thresholds, biases, factors, *values)

    def to_bytes(self) -> bytes:
        """The file that the C library reads in place: a header, then the arrays, filled up to whole words."""
        (units, inputs), classes = self.weights.shape, len(self.outputs)
        data = b"".join(
            array.astype(kind).tobytes()
            for array, kind in (
                (self.factors, "<u2"),
                (self.thresholds, "<i4"),
                (self.biases, "<i4"),
                (self.weights, "<i2"),
                (self.outputs, "<i2"),
            )
        )
        data += bytes(-len(data) % 4)
        values = (self.gain, self.window, self.rate, self.threshold_rate, self.bias_rate, self.margin)
        size = _HEADER.size + len(data)
        return _HEADER.pack(MAGIC, VERSION, size, inputs, units, classes, *values) + data


def consolidation(metaplasticity: float, scale: float) -> npt.NDArray[np.uint16]:
    """32768·(1 - tanh²(m·|W|)) for hidden weights W = w / scale, |w| the middle of each 128 integers."""
    sizes = (np.arange(FACTORS) + 0.5) * 128 / scale
    return np.asarray(np.round(32768 * (1 - np.tanh(metaplasticity * sizes) ** 2)), np.uint16)


class Learner:
    """The C library's learner on a head's bytes, which are copied. Raises TritError where they are no head.

    A task is an int32 array that the caller keeps. Features are sign words (N, ⌈inputs/32⌉), as `features` gives them.
    """

    def __init__(self, head: bytes) -> None:
        self.library = library()
        self._head = np.frombuffer(head.ljust(_HEADER.size, b"\0"), np.uint8).copy()
        size = self.library.trit_learner_size(self._head.ctypes.data, len(head))
        self.memory_size = int(size)  # bytes
        self.memory = np.zeros(-(-size // 4) or 1, np.uint32)
        self.handle = (ctypes.c_uint64 * -(-self.library.trit_host_learner_size() // 8))()
        self._check(
            self.library.trit_learner_begin(
                self.handle, self._head.ctypes.data, len(head), self.memory.ctypes.data, self.memory.nbytes
            )
        )
        self.inputs, self.units, self.classes = (int(n) for n in self._head[12:24].view("<u4"))
        self.task_size = int(self.library.trit_learner_task_size(self._head.ctypes.data, len(head)))  # bytes

    @property
    def moves(self) -> int:
        """How often the weights were moved."""
        return int(self.library.trit_host_learner_moves(self.handle))

    @property
    def weights(self) -> tuple[Int16, Int16]:
        """Copies of the hidden weights (units, inputs) and (classes, units)."""
        count = self.units * (self.inputs + self.classes)
        start = self.memory_size // 2 - -(-count // 2) * 2
        flat = self.memory.view(np.int16)[start : start + count].copy()
        split = self.units * self.inputs
        return flat[:split].reshape(self.units, -1), flat[split:].reshape(self.classes, -1)

    @property
    def signs(self) -> Words:
        """A copy of the packed binary weights, row by row."""
        return self.memory[: self.units * words(self.inputs) + self.classes * words(self.units)].copy()

    def own_task(self) -> Int32:
        """The thresholds and biases that the head brings: those of the task that the network was trained on."""
        return self._task("trit_learner_own_task")

    def new_task(self) -> Int32:
        """Thresholds and biases of a task that has seen no sample."""
        return self._task("trit_learner_new_task")

    def features(self, session: Session, images: npt.ArrayLike) -> Words:
        """What the session's network gives its last two layers, of images as `Session.run` takes them.

        Raises TritError where the head is not of these layers.
        """
        pixels = as_images(images, session.input_shape)
        found = np.empty((len(pixels), words(self.inputs)), np.uint32)
        arena = np.empty(session.arena_size // 8 + 1, np.uint64)
        self._check(
            self.library.trit_host_learner_features(
                self.handle,
                session.handle,
                arena.ctypes.data,
                arena.nbytes,
                pixels.ctypes.data,
                found.ctypes.data,
                len(pixels),
            )
        )
        return found

    def learn(self, task: Int32, features: Words, labels: npt.ArrayLike) -> None:
        """Learn from the samples, one after the other; features (N, words), labels (N,) from 0 to classes - 1.

        The task is changed in place. Raises TritError for other shapes or labels.
        """
        bits, classes = self._features(features), np.ascontiguousarray(labels, np.uint32)
        if classes.shape != (len(bits),) or (len(classes) and int(classes.max()) >= self.classes):
            raise TritError(f"labels must be {len(bits)} numbers from 0 to {self.classes - 1}")
        self.library.trit_host_learner_learn(
            self.handle, self._pointer(task), bits.ctypes.data, classes.ctypes.data, len(bits)
        )

    def move(self) -> None:
        """Move the weights by the samples that are waiting."""
        self.library.trit_learner_move(self.handle)

    def scores(self, task: Int32, features: Words) -> Int32:
        """Scores int32 (N, classes) in 1/256 bit, the highest the class's. Raises TritError as `learn` does."""
        bits = self._features(features)
        found = np.empty((len(bits), self.classes), np.int32)
        self.library.trit_host_learner_classify(
            self.handle, self._pointer(task), bits.ctypes.data, found.ctypes.data, len(bits)
        )
        return found

    def accuracy(self, task: Int32, features: Words, labels: Array) -> float:
        """Fraction of the samples whose highest score is their label's."""
        return float((self.scores(task, features).argmax(axis=1) == labels).mean())

    def _features(self, features: Words) -> Words:
        bits = np.ascontiguousarray(features, np.uint32)
        if bits.ndim != 2 or bits.shape[1] != words(self.inputs):
            raise TritError(f"features are {bits.shape}; they must be (N, {words(self.inputs)})")
        return bits

    def _task(self, function: str) -> Int32:
        task = np.zeros(self.task_size // 4, np.int32)
        getattr(self.library, function)(self.handle, task.ctypes.data)
        return task

    def _pointer(self, task: Int32) -> int:
        if task.dtype != np.int32 or task.size * 4 != self.task_size or not task.flags.c_contiguous:
            raise TritError(f"a task is an int32 array of {self.task_size // 4} values, as new_task gives it")
        return int(task.ctypes.data)

    def _check(self, status: int) -> None:
        if status:
            raise TritError(status_text(status))
