# SPDX-License-Identifier: Apache-2.0
"""Runs a network's firmware on a simulated board: under unicorn where it knows the core, else under QEMU."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from trit.export.graph import Graph
from trit.runtime.errors import TritError
from trit.targets.description import Microcontroller, load_target
from trit.targets.microcontroller import simulate_qemu, simulate_unicorn
from trit.targets.microcontroller.cores import CORES
from trit.targets.microcontroller.execution import Execution
from trit.targets.microcontroller.firmware import Firmware, build_firmware, temporary_firmware
from trit.targets.toolchain import Toolchain

Array = npt.NDArray[Any]
Images = npt.NDArray[np.uint8]
Simulator = Literal["unicorn", "qemu"]
DEFAULT_BOARD = "nrf52840"


@dataclass(frozen=True)
class Run:
    """A program on a board, for its images: what it takes there, and what it did."""

    firmware: Firmware
    execution: Execution


def default_simulator(target: Microcontroller) -> Simulator:
    return "unicorn" if CORES[target.core].unicorn else "qemu"


def run_folder(target: Microcontroller, folder: Path, toolchain: Toolchain = "zig") -> Run:
    """Build the firmware that the folder holds, and run it on its own test images, following its blocks.

    Raises TritError if it does not build, does not fit the board, faults, or exits with an error that is not a
    difference of scores.
    """
    firmware, core = build_firmware(target, folder, toolchain), CORES[target.core]
    if default_simulator(target) == "unicorn":
        execution = simulate_unicorn.run(core, firmware.elf, (target.flash, target.ram), None, 0, True)
    else:
        execution = simulate_qemu.run(core, build_firmware(target, folder, toolchain, "simulator").elf)
    return Run(firmware, _ended(target, execution))


def run_image(graph: Graph, target: Microcontroller, image: Images | None = None, toolchain: Toolchain = "zig") -> Run:
    """The graph's firmware for one image (1, C, H, W), or a blank one. Raises as run_folder does."""
    with temporary_firmware(graph, target, image) as folder:
        return run_folder(target, folder, toolchain)


def run_simulated(
    graph: Graph,
    images: Images,
    target: Microcontroller | None = None,
    toolchain: Toolchain = "zig",
    simulator: Simulator | None = None,
) -> Array:
    """Scores (N, C, H, W) of the graph's firmware for images (N, C, H, W), on DEFAULT_BOARD unless said otherwise."""
    chosen = target or load_target(DEFAULT_BOARD)
    assert isinstance(chosen, Microcontroller)
    if (simulator or default_simulator(chosen)) == "unicorn":
        scores = _scores_by_unicorn(graph, images, chosen, toolchain)
    else:
        scores = _scores_by_qemu(graph, images, chosen, toolchain)
    return scores.reshape(len(images), *graph.tensors[graph.output].shape)


def _scores_by_unicorn(graph: Graph, images: Images, target: Microcontroller, toolchain: Toolchain) -> Array:
    """The images are shared out among simulated cores, one a processor of this machine."""
    outputs = int(np.prod(graph.tensors[graph.output].shape))
    core, memories = CORES[target.core], (target.flash, target.ram)
    parts = np.array_split(images, min(os.cpu_count() or 1, max(1, len(images))))
    with temporary_firmware(graph, target) as folder, ThreadPoolExecutor(len(parts)) as pool:
        elf = build_firmware(target, folder, toolchain).elf
        runs = pool.map(lambda part: simulate_unicorn.run(core, elf, memories, part, outputs, False), parts)
        return np.concatenate([_ended(target, execution).scores for execution in runs])


def _scores_by_qemu(graph: Graph, images: Images, target: Microcontroller, toolchain: Toolchain) -> Array:
    """The images go into the program, as many at a time as leave room for it; it prints their scores."""
    core = CORES[target.core]
    batch = max(1, core.qemu.flash.size // 2 // images[0].size)
    scores = []
    for at in range(0, len(images), batch):
        with temporary_firmware(graph, target, images[at : at + batch], with_scores=False) as folder:
            elf = build_firmware(target, folder, toolchain, "simulator").elf
            scores.append(_ended(target, simulate_qemu.run(core, elf)).scores)
    return np.concatenate(scores)


def _ended(target: Microcontroller, execution: Execution) -> Execution:
    if execution.exit_status not in (0, 1):
        text = execution.text.strip()[-200:]
        raise TritError(f"{target.name}: the program stopped with status {execution.exit_status}: {text}")
    return execution
