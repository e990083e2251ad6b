# SPDX-License-Identifier: Apache-2.0
"""Runs firmware under unicorn, QEMU's processors as a library: no installation as root, no machine but its memories."""

from __future__ import annotations

import struct
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trit.runtime.errors import MissingExtra, TritError
from trit.targets.microcontroller.cores import Core, Region
from trit.targets.microcontroller.elf import Elf
from trit.targets.microcontroller.execution import Block, Execution

Images = npt.NDArray[np.uint8]
IMAGES_AT = 0x60000000  # memory of the simulator's own, for images and scores that are not in the firmware
SYSTEM_AT, SYSTEM_SIZE = 0xE0000000, 0x100000
PAGE = 0x1000
WRITE0, EXIT_EXTENDED = 0x04, 0x20
EBREAK = bytes.fromhex("73001000")  # RISC-V


def run(
    core: Core, elf: Path, memories: tuple[Region, Region], images: Images | None, outputs: int, count: bool
) -> Execution:
    """Run the program, linked for these memories (flash, RAM), from reset to its exit.

    `images` (N, C, H, W) replace its own test images and have `outputs` scores each; `count` follows its blocks. Raises
    TritError if it faults.
    """
    machine = _Machine(core, Elf(elf), memories)
    if images is not None:
        machine.give(images, outputs)
    if count:
        machine.follow_blocks()
    machine.run()
    return Execution(machine.scores(), machine.steps(), machine.exit_status, machine.text)


class _Machine:
    """A core with its memories and the program in them."""

    def __init__(self, core: Core, program: Elf, memories: tuple[Region, Region]) -> None:
        try:
            import unicorn as uc
        except ImportError as error:
            raise MissingExtra("unicorn", "mcu") from error
        self._uc, self._program, self._flash = uc, program, memories[0]
        self._is_arm = core.family == "cortex-m"
        registers = import_module("unicorn.arm_const" if self._is_arm else "unicorn.riscv_const")
        kind, names = ("ARM", ("PC", "SP", "R0", "R1")) if self._is_arm else ("RISCV", ("PC", "SP", "A0", "A1"))
        self._pc, self._sp, self._first, self._second = (getattr(registers, f"UC_{kind}_REG_{name}") for name in names)
        mode = uc.UC_MODE_THUMB | uc.UC_MODE_MCLASS if self._is_arm else uc.UC_MODE_RISCV32
        self._core = uc.Uc(uc.UC_ARCH_ARM if self._is_arm else uc.UC_ARCH_RISCV, mode)
        self._core.ctl_set_cpu_model(getattr(registers, f"UC_CPU_{core.unicorn}"))
        for memory in (*memories, Region(origin=SYSTEM_AT, size=SYSTEM_SIZE)):
            self._core.mem_map(memory.origin, _pages(memory.size))
        for segment in program.segments:
            self._core.mem_write(segment.load, segment.data)
        self._core.hook_add(uc.UC_HOOK_INTR, self._on_interrupt)
        self.text, self.exit_status = "", -1
        self._images, self._outputs = 0, 0
        self._marks: list[dict[tuple[int, int], list[int]]] = []

    def give(self, images: Images, outputs: int) -> None:
        """Point the program's `test` at these images, in memory of the simulator's own."""
        self._images, self._outputs = len(images), outputs
        self._scores_at = IMAGES_AT + _pages(images.size)
        self._core.mem_map(IMAGES_AT, _pages(images.size) + _pages(4 * len(images) * outputs))
        self._core.mem_write(IMAGES_AT, np.ascontiguousarray(images).tobytes())
        job = struct.pack("<4I", IMAGES_AT, 0, self._scores_at, len(images))
        self._core.mem_write(self._program.load_address(self._program.address("test")), job)

    def follow_blocks(self) -> None:
        """Count, from mark to mark, how often each block runs and how often it is left by a jump."""
        begins = self._program.address("step_begins") & ~1
        blocks: dict[tuple[int, int], list[int]] = {}
        last, end = [0, 0], 0

        def on_block(_core: Any, address: int, size: int, _user: Any) -> None:
            nonlocal blocks, last, end
            if address != end:
                last[1] += 1
            if address == begins:
                blocks = {}
                self._marks.append(blocks)
            last = blocks.setdefault((address, size), [0, 0])
            last[0] += 1
            end = address + size

        self._core.hook_add(self._uc.UC_HOOK_BLOCK, on_block)

    def run(self) -> None:
        start: int | None = self._program.address("reset")
        if self._is_arm:
            stack, start = struct.unpack("<2I", self._core.mem_read(self._flash.origin, 8))
            self._core.reg_write(self._sp, stack)
        while start is not None:
            start = self._run_from(start)

    def _run_from(self, start: int) -> int | None:
        """Where to go on after a call of the debugger that unicorn takes for a fault; None at the end."""
        try:
            self._core.emu_start(start | self._is_arm, 0)
        except self._uc.UcError as error:
            at = self._core.reg_read(self._pc)
            if bytes(self._core.mem_read(at, 4)) != EBREAK:
                raise TritError(f"the program faults at {at:#x}: {error}") from error
            self._on_interrupt(self._core, 0, None)
            return at + 4 if self.exit_status < 0 else None
        return None

    def scores(self) -> npt.NDArray[Any]:
        if not self._images:
            return np.empty(0, np.float32)
        return np.frombuffer(bytes(self._core.mem_read(self._scores_at, 4 * self._images * self._outputs)), "<f4")

    def steps(self) -> list[list[Block]]:
        """What ran between two marks; what followed the last belongs to no step."""
        return [
            [Block(at, bytes(self._core.mem_read(at, size)), *counts) for (at, size), counts in blocks.items()]
            for blocks in self._marks[:-1]
        ]

    def _on_interrupt(self, core: Any, number: int, _user: Any) -> None:
        operation, argument = core.reg_read(self._first), core.reg_read(self._second)
        if operation == WRITE0:
            self.text += self._string(argument)
            if self._is_arm:
                core.reg_write(self._pc, (core.reg_read(self._pc) + 2) | 1)
            return
        if operation == EXIT_EXTENDED:
            _, self.exit_status = struct.unpack("<2I", core.mem_read(argument, 8))
        core.emu_stop()

    def _string(self, address: int) -> str:
        data = bytearray()
        while (byte := self._core.mem_read(address + len(data), 1)[0]) != 0:
            data.append(byte)
        return data.decode()


def _pages(size: int) -> int:
    return -(-size // PAGE) * PAGE
