# SPDX-License-Identifier: Apache-2.0
"""Learning on a simulated microcontroller: what it leaves in memory, and its instructions, RAM and flash."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trit.export.graph import Graph
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.runtime.errors import TritError, Unavailable
from trit.runtime.learner import Int32, Learner, Words
from trit.targets.description import Microcontroller
from trit.targets.microcontroller import simulate_unicorn
from trit.targets.microcontroller.cores import CORES
from trit.targets.microcontroller.cycles import Range, estimate
from trit.targets.microcontroller.execution import Block, Execution, instructions
from trit.targets.microcontroller.firmware import build_firmware, temporary_firmware
from trit.targets.toolchain import Toolchain

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Cost:
    """What a part of the program executed."""

    instructions: int
    cycles: Range


@dataclass(frozen=True)
class LearningRun:
    """A program that learned from images on a board, and its memory in the end."""

    memory: Words  # the learner's: `Learner.memory`
    task: Int32
    stack: int  # bytes
    static_ram: int  # bytes: the learner's memory, the arena, the task and other variables
    flash: int  # bytes: code, plan and head, without images and labels
    features: list[Cost]  # of each image, where they were counted
    learning: list[Cost]  # the same; where it moved the weights, with that


def learn_on(
    graph: Graph,
    head: bytes,
    images: Images,
    labels: npt.ArrayLike,
    board: Microcontroller,
    count: bool = False,
    toolchain: Toolchain | None = None,
) -> LearningRun:
    """Learn a new task from images (N, C, H, W) on the board, by the graph's network and the head of its last layers.

    The images lie in memory of the simulator's own. `count` follows every block of instructions, which takes tens of
    times as long. Raises TritError where the head is none of this network, Unavailable where unicorn does not know the
    core or the program does not fit the board.
    """
    core, learner = CORES[board.core], Learner(head)
    if core.unicorn is None:
        raise Unavailable(f"{board.name}: learning runs under unicorn, which does not know the {board.core}")
    learner.features(Session(to_plan(graph)), images[:1])
    classes = np.asarray(labels, np.uint8)
    with temporary_firmware(graph, board, with_scores=False) as folder:
        _write_program(folder, head, learner, classes)
        firmware = build_firmware(board, folder, toolchain)
        execution = simulate_unicorn.run(core, firmware.elf, (board.flash, board.ram), images, 1, count)
    if execution.exit_status:
        raise TritError(f"{board.name}: the program stopped with status {execution.exit_status}")
    stack = int(_printed(execution, "stack")[0])
    if firmware.static_ram + stack > board.ram.size:
        raise Unavailable(f"{board.name}: learning takes {firmware.static_ram + stack:,} bytes of RAM with its stack")
    costs = [_cost(board, blocks) for blocks in execution.steps]
    return LearningRun(
        _printed(execution, "memory"),
        _printed(execution, "task").view(np.int32),
        stack,
        firmware.static_ram,
        firmware.flash - classes.nbytes,
        costs[0::2],
        costs[1::2],
    )


def _write_program(folder: Path, head: bytes, learner: Learner, labels: Images) -> None:
    """Put firmware/learner.c in the place of the firmware's program, with the head and the labels as arrays."""
    (folder / "main.c").write_text(files("trit.targets").joinpath("firmware", "learner.c").read_text())
    (folder / "test_images.c").write_text("")
    (folder / "learning.h").write_text(
        f"#define HEAD_MEMORY {learner.memory_size}u\n#define HEAD_TASK {learner.task_size}u\n"
        f"static const uint32_t head[] = {{{', '.join(map(hex, np.frombuffer(head, '<u4').tolist()))}}};\n"
        f"static const uint8_t labels[] = {{{', '.join(map(str, labels.tolist()))}}};\n"
    )


def _printed(execution: Execution, name: str) -> Words:
    """The words that the program wrote behind the name."""
    found = re.search(rf"^{name}((?: [0-9a-f]{{8}})+)$", execution.text, re.MULTILINE)
    if found is None:
        raise TritError(f"the program did not print its {name}: {execution.text[-200:].strip()}")
    return np.array([int(word, 16) for word in found[1].split()], np.uint32)


def _cost(board: Microcontroller, blocks: list[Block]) -> Cost:
    return Cost(instructions(CORES[board.core].family, blocks), estimate(board.core, blocks))
