# SPDX-License-Identifier: Apache-2.0
"""Runs a network's firmware on a simulated board: under unicorn where it knows the core, else under QEMU or simavr."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from trit.export.graph import Graph
from trit.runtime.errors import TritError, Unavailable
from trit.targets.description import Microcontroller, load_target
from trit.targets.microcontroller import simulate_avr, simulate_qemu, simulate_unicorn
from trit.targets.microcontroller.cores import CORES
from trit.targets.microcontroller.execution import Execution
from trit.targets.microcontroller.firmware import Firmware, build_firmware, temporary_firmware
from trit.targets.toolchain import Toolchain

Array = npt.NDArray[Any]
Images = npt.NDArray[np.uint8]
Simulator = Literal["unicorn", "qemu", "simavr"]
DEFAULT_BOARD = "nrf52840"


@dataclass(frozen=True)
class Run:
    """A program on a board, for its images: what it takes there, and what it did."""

    firmware: Firmware
    execution: Execution


def default_simulator(target: Microcontroller) -> Simulator:
    core = CORES[target.core]
    return "simavr" if core.simavr else "unicorn" if core.unicorn else "qemu"


def run_folder(target: Microcontroller, folder: Path, toolchain: Toolchain | None = None) -> Run:
    """Build the firmware that the folder holds, and run it on its own test images, following its blocks.

    Raises TritError if it does not build, does not fit the board, faults, or exits with an error that is not a
    difference of scores.
    """
    firmware, core = build_firmware(target, folder, toolchain), CORES[target.core]
    match default_simulator(target):
        case "unicorn":
            execution = simulate_unicorn.run(core, firmware.elf, (target.flash, target.ram), None, 0, True)
        case "simavr":
            execution = simulate_avr.run(core, firmware.elf, None, True)
        case "qemu":
            execution = simulate_qemu.run(core, build_firmware(target, folder, toolchain, "simulator").elf)
    _refuse_deep_stack(target, firmware, execution)
    return Run(firmware, _ended(target, execution))


def run_image(
    graph: Graph, target: Microcontroller, image: Images | None = None, toolchain: Toolchain | None = None
) -> Run:
    """The graph's firmware for one image (1, C, H, W), or a blank one. Raises as run_folder does."""
    with temporary_firmware(graph, target, image) as folder:
        return run_folder(target, folder, toolchain)


def run_simulated(
    graph: Graph,
    images: Images,
    target: Microcontroller | None = None,
    toolchain: Toolchain | None = None,
    simulator: Simulator | None = None,
) -> Array:
    """Scores (N, C, H, W) of the graph's firmware for images (N, C, H, W), on DEFAULT_BOARD unless said otherwise.

    Of a network with tasks, those of the first.
    """
    graph = graph.of_task(None)
    chosen = target or load_target(DEFAULT_BOARD)
    assert isinstance(chosen, Microcontroller)
    match simulator or default_simulator(chosen):
        case "qemu":
            scores = _scores_by_qemu(graph, images, chosen, toolchain)
        case direct:
            scores = _scores_of_parts(graph, images, chosen, toolchain, direct)
    return scores.reshape(len(images), *graph.tensors[graph.output].shape)


def _scores_of_parts(
    graph: Graph, images: Images, target: Microcontroller, toolchain: Toolchain | None, simulator: Simulator
) -> Array:
    """The images are shared out among simulated cores, one a processor of this machine."""
    outputs = int(np.prod(graph.tensors[graph.output].shape))
    core, memories = CORES[target.core], (target.flash, target.ram)
    parts = np.array_split(images, min(os.cpu_count() or 1, max(1, len(images))))

    def run(part: Images) -> Execution:
        if simulator == "simavr":
            return simulate_avr.run(core, elf, part, False)
        return simulate_unicorn.run(core, elf, memories, part, outputs, False)

    with temporary_firmware(graph, target, with_scores=False) as folder, ThreadPoolExecutor(len(parts)) as pool:
        elf = build_firmware(target, folder, toolchain).elf
        return np.concatenate([_ended(target, execution).scores for execution in pool.map(run, parts)])


def _scores_by_qemu(graph: Graph, images: Images, target: Microcontroller, toolchain: Toolchain | None) -> Array:
    """The images go into the program, as many at a time as leave room for it; it prints their scores."""
    core = CORES[target.core]
    if core.qemu is None:
        raise Unavailable(f"QEMU has no machine with an {target.core}")
    batch = max(1, core.qemu.flash.size // 2 // images[0].size)
    scores = []
    for at in range(0, len(images), batch):
        with temporary_firmware(graph, target, images[at : at + batch], with_scores=False) as folder:
            elf = build_firmware(target, folder, toolchain, "simulator").elf
            scores.append(_ended(target, simulate_qemu.run(core, elf)).scores)
    return np.concatenate(scores)


def _refuse_deep_stack(target: Microcontroller, firmware: Firmware, execution: Execution) -> None:
    over = firmware.static_ram + execution.stack - target.ram.size
    if over > 0:
        raise Unavailable(
            f"the model is too large for {target.name}: with its stack it takes {over:,} bytes more than the "
            f"{target.ram.size:,} bytes of ram there are"
        )


def _ended(target: Microcontroller, execution: Execution) -> Execution:
    if execution.exit_status not in (0, 1):
        text = execution.text.strip()[-200:]
        raise TritError(f"{target.name}: the program stopped with status {execution.exit_status}: {text}")
    return execution
