# SPDX-License-Identifier: Apache-2.0
"""Running a plan from Python: numpy arrays in, scores out, time per step."""

from __future__ import annotations

import ctypes
import mmap
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trit.runtime.errors import TritError, Unavailable, known_task
from trit.runtime.images import as_images
from trit.runtime.library import VARIANTS, StepInfo, library, status_text

CACHE_LINE = 64  # bytes
Shape = tuple[int, int, int]
Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Step:
    """One step of a plan: what it computes and how much work that is."""

    index: int
    name: str
    operator: str  # e.g. Conv+Threshold, Add+Rescale
    input_kind: str
    output_kind: str
    weight_kind: str  # "" without weights
    input_shape: Shape
    output_shape: Shape
    kernel: tuple[int, int]  # (0, 0) without a window
    macs: int  # multiply-accumulates of one image, padding included
    parameter_bytes: int  # weights and other parameters in the file
    weight_bytes: int  # the weights alone
    output_bytes: int  # in the arena; of the last step, whose output is the caller's, in its memory
    output_offset: int  # in the arena
    last_reader: int  # index of the last step that reads the output; its own where none does
    weights_offset: int  # in the file; 0 without weights
    lanes: int  # output channels interleaved in the weights; 0 without weights


@dataclass(frozen=True)
class StepTime:
    """A step with its time for one image."""

    step: Step
    seconds: float  # median of the measured runs

    @property
    def macs_per_second(self) -> float:
        """Multiply-accumulates of one image over the time, in 1/s; 0 where the clock saw no time pass."""
        return self.step.macs / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Class:
    """A class that an image may belong to, and how the network scores it."""

    index: int
    label: str  # "" where the plan has no labels
    score: float


class Session:
    """An open plan. Safe to use from several threads; runs release the GIL.

    Of a network that has learned several tasks, `tasks` names them, and `task` is the one that it runs: the first,
    until another is set.

    `plan` is a path (the file is mapped and used in place) or the plan's bytes (copied); `variant` forces a kernel
    variant (one of trit.runtime.library.VARIANTS), None takes the fastest that the machine has. Raises TritError if the
    file cannot be read, is no intact plan, or the variant is missing here.
    """

    def __init__(self, plan: str | os.PathLike[str] | bytes, variant: str | None = None) -> None:
        self.library = library()
        self._where = "plan" if isinstance(plan, bytes) else str(Path(plan))
        # ctypes wants writable memory or a copy; numpy gives the address of either.
        self._data = _aligned(plan) if isinstance(plan, bytes) else np.frombuffer(_map(Path(plan)), np.uint8)
        self.handle = (ctypes.c_uint64 * -(-self.library.trit_host_plan_size() // 8))()
        self._check(self.library.trit_open(self.handle, self._data.ctypes.data, self._data.size))
        if variant is not None:
            self._set_variant(variant)
        self.size = self._data.size  # bytes of the plan
        self.input_shape = self._shape("trit_input_shape")
        self.output_shape = self._shape("trit_output_shape")
        self.labels = [self._text("trit_label", i) for i in range(self.library.trit_label_count(self.handle))]
        self.metadata = {
            self._text("trit_metadata_key", i): self._text("trit_metadata_value", i)
            for i in range(self.library.trit_metadata_count(self.handle))
        }
        self.tasks = [self._text("trit_task_name", i) for i in range(self.library.trit_task_count(self.handle))]
        self._task = self.tasks[0] if self.tasks else None
        self.steps = [self._step(i) for i in range(self.library.trit_step_count(self.handle))]
        self.arena_size = int(self.library.trit_arena_size(self.handle))  # bytes of working memory

    @property
    def variant(self) -> str:
        """Name of the kernel variant in use."""
        return str(self.library.trit_variant_name(self.handle).decode())

    @property
    def task(self) -> str | None:
        """Name of the task that is run; None where the network was not trained for several.

        Setting another raises TritError for one that the plan does not have.
        """
        return self._task

    @task.setter
    def task(self, name: str) -> None:
        """Raises TritError for a task that the plan does not have."""
        self._check(self.library.trit_set_task(self.handle, self.tasks.index(known_task(name, self.tasks))))
        self._task = name

    def run(self, x: npt.ArrayLike, threads: int = 1) -> Float32Array:
        """Scores of one image or of a batch, which `threads` threads share, each with an arena of its own.

        x: integers 0..255, (C, H, W) or (N, C, H, W), also (H, W) or (N, H, W) where C is 1, also (C,) or (N, C)
        where H and W are 1. Returns float32 (N, C), (N, C, H, W) where the output has more than one pixel; a single
        image gives N = 1. The scores do not depend on `threads`. Raises TritError where x does not fit.
        """
        if threads < 1:
            raise TritError(f"threads is {threads}; it must be at least 1")
        images = as_images(x, self.input_shape)
        scores = np.empty((len(images), *self.output_shape), np.float32)
        parts = min(threads, len(images))
        if parts <= 1:
            self._run_into(images, scores)
        else:
            with ThreadPoolExecutor(parts) as pool:
                list(pool.map(self._run_into, np.array_split(images, parts), np.array_split(scores, parts)))
        return scores[:, :, 0, 0] if self.output_shape[1:] == (1, 1) else scores

    def _run_into(self, images: npt.NDArray[np.uint8], scores: Float32Array) -> None:
        arena = self._arena()
        status = self.library.trit_host_run_batch(
            self.handle, arena.ctypes.data, arena.nbytes, images.ctypes.data, scores.ctypes.data, len(images)
        )
        self._check(status)

    def classify(self, x: npt.ArrayLike, k: int = 1) -> list[list[Class]]:
        """The k classes of each image with the highest scores, highest first; of equal scores the lower index first.

        x as `run` takes it. Raises TritError where x does not fit, the output has more than one pixel, or k is not
        in 1..classes.
        """
        scores = self.run(x)
        if scores.ndim != 2:
            raise TritError(f"{self._where}: gives scores {self.output_shape}, not one for each class")
        if not 1 <= k <= scores.shape[1]:
            raise TritError(f"k is {k}; it must be from 1 to {scores.shape[1]}, the number of classes")
        labels = self.labels or [""] * scores.shape[1]
        best = np.empty(k, np.uint32)
        classes = []
        for row in scores:
            self.library.trit_top_k(row.ctypes.data, len(row), k, best.ctypes.data)
            classes.append([Class(index, labels[index], float(row[index])) for index in best.tolist()])
        return classes

    def profile(self, x: npt.ArrayLike | None = None, repeats: int = 20) -> list[StepTime]:
        """Median time of every step over `repeats` runs of one image: the first of x, or a blank one.

        One more run before them, which is not counted, warms the caches. Wall-clock time, one thread. Raises TritError
        where x does not fit or is empty, or `repeats` is below 1.
        """
        if repeats < 1:
            raise TritError(f"repeats is {repeats}; it must be at least 1")
        images = as_images(np.zeros(self.input_shape, np.uint8) if x is None else x, self.input_shape)
        if len(images) == 0:
            raise TritError("cannot profile an empty batch")
        arena, scores = self._arena(), np.empty(self.output_shape, np.float32)
        seconds = np.zeros((repeats + 1, len(self.steps)))
        status = self.library.trit_host_profile(
            self.handle,
            arena.ctypes.data,
            arena.nbytes,
            images.ctypes.data,
            scores.ctypes.data,
            len(seconds),
            seconds.ctypes.data,
        )
        self._check(status)
        medians = np.median(seconds[1:], axis=0)
        return [StepTime(step, float(time)) for step, time in zip(self.steps, medians, strict=True)]

    def _arena(self) -> npt.NDArray[np.uint64]:
        return np.empty(self.arena_size // 8 + 1, np.uint64)

    def _set_variant(self, variant: str) -> None:
        if variant not in VARIANTS:
            raise TritError(f"unknown variant {variant!r}; there are {', '.join(VARIANTS)}")
        if self.library.trit_set_variant(self.handle, VARIANTS.index(variant)):
            raise Unavailable(f"this machine or build lacks the variant {variant!r}")

    def _check(self, status: int) -> None:
        if status:
            raise TritError(f"{self._where}: {status_text(status)}")

    def _shape(self, function: str) -> Shape:
        shape = (ctypes.c_uint32 * 3)()
        getattr(self.library, function)(self.handle, shape)
        return shape[0], shape[1], shape[2]

    def _text(self, function: str, index: int) -> str:
        return self._decode(getattr(self.library, function)(self.handle, index))

    def _decode(self, text: bytes) -> str:
        try:
            return text.decode()
        except UnicodeDecodeError:
            raise TritError(f"{self._where}: a name or label of the plan is not UTF-8") from None

    def _step(self, index: int) -> Step:
        info = StepInfo()
        self._check(self.library.trit_step_describe(self.handle, index, ctypes.byref(info)))
        operator = "+".join(text.decode() for text in (info.operator_name, info.fused_operator) if text)
        return Step(
            index,
            self._decode(info.name),
            operator,
            info.input_kind.decode(),
            info.output_kind.decode(),
            info.weight_kind.decode(),
            tuple(info.input_shape),
            tuple(info.output_shape),
            tuple(info.kernel),
            info.macs,
            info.parameter_bytes,
            info.weight_bytes,
            info.output_bytes,
            info.output_offset,
            info.last_reader,
            info.weights_offset,
            info.lanes,
        )


def _aligned(plan: bytes) -> npt.NDArray[np.uint8]:
    """A copy that begins a cache line, as a mapped file does: wide loads that cross lines cost a third of the speed."""
    buffer = np.empty(len(plan) + CACHE_LINE, np.uint8)
    start = -buffer.ctypes.data % CACHE_LINE
    data = buffer[start : start + len(plan)]
    data[:] = np.frombuffer(plan, np.uint8)
    return data


def _map(path: Path) -> mmap.mmap | bytes:
    try:
        with path.open("rb") as stream:
            # An empty file cannot be mapped.
            if os.fstat(stream.fileno()).st_size == 0:
                return b"\0"
            return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise TritError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
