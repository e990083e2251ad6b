# SPDX-License-Identifier: Apache-2.0
"""A network on many simulated RRAM chips, each with its own wrong synapses: a Monte Carlo simulation on packed bits.

The synapses of a layer are its binary or ternary weights as a matrix `[K][O]`: a row for each input of a window in the
order (kernel row, kernel column, channel of the group), a column for each output channel. Layers with int8 weights lie
on no array and have no errors. An array holds `array_rows` rows; each of its columns has a sense amplifier of its own.

Errors that a chip keeps: the amplifiers' mismatch puts every (range of array rows, column) into one of C classes, all
as likely. Each of its synapses reads another value than the stored one with the class's probabilities, independently.

Errors of a read: on top of them, a synapse without such an error reads another value than the stored one. This is drawn
anew for each block of BLOCK images, the images 0 ... BLOCK - 1 and so on, in dense layers and convolutions alike.

Probabilities are arrays `[3][3]` of float64, the row the stored value, the column the one that is read, in the order
-1, 0, +1, with rows that sum up to 1; `[C][3][3]` has them for each class, `[L][C][3][3]` for each layer of synapses.
In binary layers -1 and +1 are read as each other with their probabilities, and else right: row and column 0 do not
count.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trit.runtime.errors import TritError
from trit.runtime.images import as_images
from trit.runtime.session import CACHE_LINE, Float32Array, Session, Step

BLOCK = 64  # images that see the same draw of reads
MOST_CLASSES = 256
SUM_TOLERANCE = 1e-9  # of a row's probabilities
KEPT_BYTES = 1 << 28  # error-free results of the first layer that are kept from chip to chip
GROUP = 8  # chips that a block is prepared for where it is not kept
RATES = 7  # numbers of a class in C

Classes = npt.NDArray[np.uint32]
Float64Array = npt.NDArray[np.float64]
Memory = npt.NDArray[np.uint8]


class _Setup(ctypes.Structure):
    """trit_chips of src/host_chips.h."""

    _fields_ = (
        ("plan", ctypes.c_void_p),
        ("programmed", ctypes.c_void_p),
        ("read", ctypes.c_void_p),
        ("seed", ctypes.c_uint64),
        ("array_rows", ctypes.c_uint32),
        ("classes", ctypes.c_uint32),
    )


@dataclass(frozen=True)
class Errors:
    """Synapses of one layer that read wrong, in the order of columns, then rows."""

    layer: Step
    rows: npt.NDArray[np.uint32]  # of the matrix `[K][O]`
    columns: npt.NDArray[np.uint32]
    stored: npt.NDArray[np.int8]
    read: npt.NDArray[np.int8]


class Chips:
    """Chips that run one plan on the same images.

    `plan` and `variant` are as Session takes them, `images` as Session.run does. A chip is a number: equal (seed, chip)
    draw equal errors, whatever the threads, the images or the other chips. Raises TritError where the plan is none or
    has no layer of synapses, or the images do not fit.
    """

    def __init__(
        self,
        plan: str | os.PathLike[str] | bytes,
        images: npt.ArrayLike,
        array_rows: int,
        variant: str | None = None,
    ) -> None:
        if not 1 <= array_rows < 1 << 32:
            raise TritError(f"array_rows is {array_rows}; an array has at least 1 row")
        self._session = Session(plan, variant)
        self._library = self._session.library
        self.images = as_images(images, self._session.input_shape)
        self.layers = [step for step in self._session.steps if step.weight_kind in ("binary", "ternary")]
        if not self.layers:
            raise TritError("the network has no layer with binary or ternary weights, which are what arrays hold")
        self._setup = _Setup(ctypes.addressof(self._session.handle), array_rows=array_rows, classes=1)
        sizes = (ctypes.c_size_t * 3)()
        assert self._library.trit_host_chips_sizes(ctypes.byref(self._setup), sizes) == BLOCK
        block_size, self._chip_size, self._worker_size = sizes
        self._spare: list[Memory] = []  # of a thread and its chips: new memory costs the system time
        self._group = GROUP
        self._blocks = self._prepared(block_size * -(-len(self.images) // BLOCK))

    def scores(
        self, chip: int, seed: int, programmed: npt.ArrayLike, read: npt.ArrayLike | None = None
    ) -> Float32Array:
        """Scores (N, classes) of one chip, as Session.run gives them."""
        setup, tables = self._with_rates(seed, programmed, read)
        scores = np.empty((1, len(self.images), *self._session.output_shape), np.float32)
        self._run(setup, tables, [_number(chip, "chip")], scores, None)
        return scores[0, :, :, 0, 0] if self._session.output_shape[1:] == (1, 1) else scores[0]

    def run(
        self,
        chips: Iterable[int],
        seed: int,
        programmed: npt.ArrayLike,
        read: npt.ArrayLike | None = None,
        threads: int = 1,
    ) -> Iterator[Classes]:
        """For one chip after the other the classes (N,) with the highest scores, of equal ones the lowest.

        Threads share the chips. Raises TritError where rates are none or the network does not give one score a class.
        """
        if threads < 1:
            raise TritError(f"threads is {threads}; it must be at least 1")
        if self._session.output_shape[1:] != (1, 1):
            raise TritError(f"the network gives scores {self._session.output_shape}, not one for each class")
        setup, tables = self._with_rates(seed, programmed, read)
        numbers = [_number(chip, "chip") for chip in chips]
        groups = [numbers[i : i + self._group] for i in range(0, len(numbers), self._group)]

        def classes(group: list[int]) -> Classes:
            found = np.empty((len(group), len(self.images)), np.uint32)
            self._run(setup, tables, group, None, found)
            return found

        if threads == 1:
            for group in groups:
                yield from classes(group)
            return
        pool = ThreadPoolExecutor(threads)
        try:
            for found in pool.map(classes, groups):
                yield from found
        finally:  # also where the caller wants no more
            pool.shutdown(cancel_futures=True)

    def errors(
        self,
        chip: int,
        seed: int,
        programmed: npt.ArrayLike,
        read: npt.ArrayLike | None = None,
        block: int | None = None,
    ) -> list[Errors]:
        """What the chip's synapses read wrong, layer by layer: always, or only in the reads of a block of images."""
        if block is not None and (read is None or block < 0):
            raise TritError("errors of a block's reads take rates of reads and a block from 0 on")
        setup, tables = self._with_rates(seed, programmed, read)
        if block is not None:
            setup.read = tables[1].ctypes.data  # even where no read errs
        memory = _allocate(self._chip_size)
        self._draw(setup, [_number(chip, "chip")], memory.ctypes.data)
        return [self._errors_of(setup, memory, i, -1 if block is None else block) for i in range(len(self.layers))]

    def _draw(self, setup: _Setup, chips: list[int], address: int) -> None:
        numbers = (ctypes.c_uint64 * len(chips))(*chips)
        self._library.trit_host_chips_draw(ctypes.byref(setup), numbers, len(chips), address)

    def _errors_of(self, setup: _Setup, memory: Memory, layer: int, block: int) -> Errors:
        arguments = ctypes.byref(setup), memory.ctypes.data, layer, block
        count = self._library.trit_host_chips_errors(*arguments, None, None, 0)
        places, values = np.empty((count, 2), np.uint32), np.empty((count, 2), np.int8)
        self._library.trit_host_chips_errors(*arguments, places.ctypes.data, values.ctypes.data, count)
        return Errors(self.layers[layer], *places.T, *values.T)

    def _prepared(self, size: int) -> Memory | None:
        """The first layer's inputs and error-free results of all blocks; None where there are none, or too many."""
        if not 0 < size <= KEPT_BYTES:
            return None
        self._group = 1
        blocks, memory = _allocate(size), _allocate(self._worker_size)
        self._library.trit_host_chips_prepare(
            ctypes.byref(self._setup),
            self.images.ctypes.data,
            len(self.images),
            memory.ctypes.data,
            blocks.ctypes.data,
        )
        return blocks

    def _with_rates(
        self, seed: int, programmed: npt.ArrayLike, read: npt.ArrayLike | None
    ) -> tuple[_Setup, list[Float64Array]]:
        """The setup in C, and the tables of rates that it points to."""
        rates = [_as_rates(name, of, len(self.layers)) for name, of in (("programmed", programmed), ("read", read))]
        classes = max(array.shape[1] for array in rates)
        tables = [self._table(array, classes) for array in rates]
        setup = _Setup.from_buffer_copy(self._setup)
        setup.seed = _number(seed, "seed")
        setup.classes = classes
        if classes == 1:
            setup.array_rows = (1 << 32) - 1  # all amplifiers are alike: whose rows are whose does not matter
        setup.programmed = tables[0].ctypes.data
        setup.read = tables[1].ctypes.data if tables[1][:, :, 0].any() else None
        return setup, tables

    def _table(self, rates: Float64Array, classes: int) -> Float64Array:
        """[L][C][RATES] as in host_chips.h."""
        if rates.shape[1] not in (1, classes):
            raise TritError(
                f"rates of {rates.shape[1]} classes and of {classes}; give both the same classes, or one none"
            )
        rates = np.broadcast_to(rates, (len(self.layers), classes, 3, 3)).copy()
        for layer, step in enumerate(self.layers):
            if step.weight_kind == "binary":
                rates[layer, :, 1, :] = rates[layer, :, :, 1] = 0
        # Of each stored value the probabilities of the lower one of the other values, and of either.
        lower = np.stack([rates[..., 0, 1], rates[..., 1, 0], rates[..., 2, 0]], axis=-1)
        either = lower + np.stack([rates[..., 0, 2], rates[..., 1, 2], rates[..., 2, 1]], axis=-1)
        most = either.max(axis=-1)
        with np.errstate(divide="ignore"):
            hazard = -np.log1p(-np.minimum(most, 1))
        shares = np.stack([lower, either], axis=-1) / np.where(most > 0, most, 1)[..., None, None]
        return np.ascontiguousarray(np.concatenate([hazard[..., None], shares.reshape(*most.shape, 6)], axis=-1))

    def _run(
        self,
        setup: _Setup,
        tables: list[Float64Array],
        chips: list[int],
        scores: Float32Array | None,
        classes: Classes | None,
    ) -> None:
        """Draws the chips and runs them; `tables` are what the setup points to."""
        try:
            memory = self._spare.pop()  # of the threads' list operations each is atomic
        except IndexError:
            memory = _allocate(self._worker_size + self._group * self._chip_size)
        at = memory.ctypes.data + self._worker_size
        self._draw(setup, chips, at)
        self._library.trit_host_chips_run(
            ctypes.byref(setup),
            at,
            len(chips),
            memory.ctypes.data,
            None if self._blocks is None else self._blocks.ctypes.data,
            self.images.ctypes.data,
            len(self.images),
            None if scores is None else scores.ctypes.data,
            None if classes is None else classes.ctypes.data,
        )
        self._spare.append(memory)


def _as_rates(name: str, rates: npt.ArrayLike | None, layers: int) -> Float64Array:
    """Rates as [1 or L][C][3][3]; None is no errors."""
    array = np.asarray(np.eye(3) if rates is None else rates, np.float64)
    if array.ndim not in (2, 3, 4) or array.shape[-2:] != (3, 3):
        raise TritError(f"rates {name} have shape {array.shape}; they are [3][3], [C][3][3] or [L][C][3][3]")
    array = array.reshape((1,) * (4 - array.ndim) + array.shape)
    if array.shape[0] not in (1, layers) or not 1 <= array.shape[1] <= MOST_CLASSES:
        found = f"{array.shape[0]} layers and {array.shape[1]} classes"
        raise TritError(
            f"rates {name} are for {found}; there are {layers} layers of synapses and up to {MOST_CLASSES} classes"
        )
    if not (array >= 0).all() or (abs(array.sum(axis=-1) - 1) > SUM_TOLERANCE).any():
        raise TritError(f"rates {name}: a row's probabilities are not at least 0 and in sum 1")
    return array


def _number(value: int, name: str) -> int:
    if not 0 <= value < 1 << 64:
        raise TritError(f"{name} is {value}; it must be from 0 to 2^64 - 1")
    return value


def _allocate(size: int) -> Memory:
    """Memory that begins a cache line."""
    buffer = np.empty(size + CACHE_LINE, np.uint8)
    start = -buffer.ctypes.data % CACHE_LINE
    return buffer[start : start + size]
