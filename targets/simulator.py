# SPDX-License-Identifier: Apache-2.0
"""Runs firmware for a Cortex-M under unicorn and counts instructions, in all and for each step of the plan.

Counts are exact: every basic block that runs is counted, and decoded once with capstone to know its instructions.
An instruction whose condition fails counts as one, since it is issued and takes a cycle.
"""

from __future__ import annotations

import os
import struct
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trit.export.graph import Graph
from trit.runtime.errors import MissingExtra, TritError
from trit.targets.description import Microcontroller, load_target
from trit.targets.microcontroller import temporary_firmware

Array = npt.NDArray[Any]
Images = npt.NDArray[np.uint8]
IMAGES_AT = 0x60000000  # memory of the simulator's own, for images and scores that are not in the firmware
SYSTEM_AT, SYSTEM_SIZE = 0xE0000000, 0x100000
PAGE = 0x1000
PAINT = 0xA5  # fills RAM before the run: what stays of it the stack has not touched
WRITE0, EXIT_EXTENDED = 0x04, 0x20


@dataclass(frozen=True)
class Simulation:
    """What a program did: its scores (N, C, H, W), and instructions of each step for one image (the last)."""

    scores: Array
    step_instructions: list[int]
    exit_status: int
    text: str
    stack: int  # bytes, the most that were used


def run_simulated(graph: Graph, images: Images, target: Microcontroller | None = None) -> Array:
    """Scores (N, C, H, W) of the graph's firmware for images (N, C, H, W), on `cortex-m4` by default.

    The images are shared out among simulated cores, one a processor of this machine.
    """
    chosen = target or load_target("cortex-m4")
    assert isinstance(chosen, Microcontroller)
    parts = np.array_split(images, min(os.cpu_count() or 1, max(1, len(images))))
    with temporary_firmware(graph, chosen) as firmware, ThreadPoolExecutor(len(parts)) as pool:
        runs = pool.map(lambda part: simulate(firmware.elf, chosen, graph, part, count=False), parts)
        return np.concatenate([run.scores for run in runs])


def simulate(
    elf: Path, target: Microcontroller, graph: Graph, images: Images | None = None, count: bool = True
) -> Simulation:
    """Run the program from reset to its exit. `images` replace its own test images; `count` counts instructions.

    Raises TritError if the program faults or exits with an error that is not a difference of scores.
    """
    machine = _Machine(elf, target)
    shape = graph.tensors[graph.output].shape
    if images is not None:
        machine.give(images, int(np.prod(shape)))
    if count:
        machine.count_instructions()
    machine.run()
    if machine.exit_status not in (0, 1):
        raise TritError(f"{target.name}: the program stopped with status {machine.exit_status}: {machine.text.strip()}")
    scores = machine.scores().reshape(-1, *shape) if images is not None else np.empty((0, *shape), np.float32)
    return Simulation(scores, machine.step_instructions(), machine.exit_status, machine.text, machine.stack())


class _Machine:
    """A core with its memories and the program in them."""

    def __init__(self, elf: Path, target: Microcontroller) -> None:
        try:
            import unicorn as uc
            from capstone import CS_ARCH_ARM, CS_MODE_MCLASS, CS_MODE_THUMB, Cs
            from elftools.elf.elffile import ELFFile
        except ImportError as error:
            raise MissingExtra(error.name or "unicorn", "mcu") from error
        self._uc = uc
        self._decoder = Cs(CS_ARCH_ARM, CS_MODE_THUMB | CS_MODE_MCLASS)
        self._target = target
        self._core = uc.Uc(uc.UC_ARCH_ARM, uc.UC_MODE_THUMB | uc.UC_MODE_MCLASS)
        self._core.ctl_set_cpu_model(uc.arm_const.UC_CPU_ARM_CORTEX_M4)
        self._core.mem_map(target.flash.origin, _pages(target.flash.size))
        self._core.mem_map(target.ram.origin, _pages(target.ram.size))
        self._core.mem_map(SYSTEM_AT, SYSTEM_SIZE)
        self._core.mem_write(target.ram.origin, bytes([PAINT]) * target.ram.size)
        with elf.open("rb") as file:
            program = ELFFile(file)
            self._segments = [s for s in program.iter_segments() if s["p_type"] == "PT_LOAD"]
            for segment in self._segments:
                self._core.mem_write(segment["p_paddr"], segment.data())
            symbols = program.get_section_by_name(".symtab").iter_symbols()
            self._symbols = {symbol.name: symbol["st_value"] for symbol in symbols}
        self._core.hook_add(uc.UC_HOOK_INTR, self._on_interrupt)
        self.text, self.exit_status = "", -1
        self._images, self._output_size = 0, 0
        self._blocks: Counter[tuple[int, int]] = Counter()
        self._lengths: dict[tuple[int, int], int] = {}
        self._marks: list[int] = []

    def give(self, images: Images, output_size: int) -> None:
        """Point the program's `test` at these images, in memory of the simulator's own."""
        self._images, self._output_size = len(images), output_size
        self._scores_at = IMAGES_AT + _pages(images.size)
        self._core.mem_map(IMAGES_AT, _pages(images.size) + _pages(4 * len(images) * output_size))
        self._core.mem_write(IMAGES_AT, np.ascontiguousarray(images).tobytes())
        job = struct.pack("<4I", IMAGES_AT, 0, self._scores_at, len(images))
        self._core.mem_write(self._load_address(self._symbols["test"]), job)

    def count_instructions(self) -> None:
        uc, begins = self._uc, self._symbols["step_begins"] & ~1

        def on_block(_core: Any, address: int, size: int, _user: Any) -> None:
            if address == begins:
                self._mark()
            self._blocks[address, size] += 1

        self._core.hook_add(uc.UC_HOOK_BLOCK, on_block)

    def run(self) -> None:
        stack, reset = struct.unpack("<2I", self._core.mem_read(self._target.flash.origin, 8))
        self._core.reg_write(self._uc.arm_const.UC_ARM_REG_SP, stack)
        try:
            self._core.emu_start(reset | 1, 0)
        except self._uc.UcError as error:
            at = self._core.reg_read(self._uc.arm_const.UC_ARM_REG_PC)
            raise TritError(f"{self._target.name}: the program faults at {at:#x}: {error}") from error

    def scores(self) -> Array:
        data = self._core.mem_read(self._scores_at, 4 * self._images * self._output_size)
        return np.frombuffer(bytes(data), "<f4").reshape(self._images, self._output_size)

    def step_instructions(self) -> list[int]:
        """Differences of the marks of the last image; a mark is set before each step and after the last."""
        return [after - before for before, after in zip(self._marks, self._marks[1:], strict=False)]

    def stack(self) -> int:
        """Bytes between RAM's end and the lowest address above the variables that has changed."""
        ram = self._target.ram
        first = self._symbols["bss_end"]
        memory = np.frombuffer(bytes(self._core.mem_read(first, ram.origin + ram.size - first)), np.uint8)
        touched = np.flatnonzero(memory != PAINT)
        return len(memory) - int(touched[0]) if len(touched) else 0

    def _mark(self) -> None:
        total = sum(self._length(*block) * times for block, times in self._blocks.items())
        step = self._core.reg_read(self._uc.arm_const.UC_ARM_REG_R1)
        self._marks = [*self._marks[:step], total]

    def _length(self, address: int, size: int) -> int:
        key = (address, size)
        if key not in self._lengths:
            code = bytes(self._core.mem_read(address, size))
            self._lengths[key] = sum(1 for _ in self._decoder.disasm_lite(code, address))
        return self._lengths[key]

    def _on_interrupt(self, core: Any, number: int, _user: Any) -> None:
        arm = self._uc.arm_const
        operation, argument = core.reg_read(arm.UC_ARM_REG_R0), core.reg_read(arm.UC_ARM_REG_R1)
        if operation == WRITE0:
            self.text += self._string(argument)
            core.reg_write(arm.UC_ARM_REG_PC, (core.reg_read(arm.UC_ARM_REG_PC) + 2) | 1)
            return
        if operation == EXIT_EXTENDED:
            _, self.exit_status = struct.unpack("<2I", core.mem_read(argument, 8))
        core.emu_stop()

    def _string(self, address: int) -> str:
        data = bytearray()
        while (byte := self._core.mem_read(address + len(data), 1)[0]) != 0:
            data.append(byte)
        return data.decode()

    def _load_address(self, address: int) -> int:
        """Where flash holds the initial value of the variable at `address`."""
        for segment in self._segments:
            if segment["p_vaddr"] <= address < segment["p_vaddr"] + segment["p_filesz"]:
                return int(address - segment["p_vaddr"] + segment["p_paddr"])
        raise TritError(f"{self._target.name}: the program has no initial value at {address:#x}")


def _pages(size: int) -> int:
    return -(-size // PAGE) * PAGE
