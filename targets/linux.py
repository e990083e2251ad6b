# SPDX-License-Identifier: Apache-2.0
"""Programs for 64-bit Arm Linux: cross-compiled, and run under QEMU's user-mode emulation."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trit.export.graph import Graph
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.runtime.errors import TritError, Unavailable
from trit.targets.description import Linux
from trit.targets.microcontroller.execution import Block, Execution
from trit.targets.microcontroller.simulate_qemu import run_plugged
from trit.targets.sources import HOST_FILES, Images, expected_scores, write_sources
from trit.targets.toolchain import Toolchain, cross_compiler, run_make

EMULATOR, GCC = "qemu-aarch64", "aarch64-linux-gnu-"
PROGRAM = "model_test"
FILES = {"Makefile": "linux.mk", "toolchain.cmake": "linux_toolchain.cmake"}
INSTRUCTION = 4  # bytes
IMAGE_BYTES = 1 << 21  # of images in one program, at most


def write_linux(graph: Graph, target: Linux, folder: Path, images: Images, with_scores: bool = True) -> None:
    """The build directory of the graph's program, with the images and their scores as its test."""
    plan = to_plan(graph)
    scores = expected_scores(Session(plan), images) if with_scores else None
    values = {
        "target": target.name,
        "toolchain": " -DCMAKE_TOOLCHAIN_FILE=toolchain.cmake",
        "emulator": EMULATOR,
        "gcc": GCC,
        "gcc_flags": f"-mcpu={target.core}",
        "zig_flags": _zig_flags(target),
    }
    write_sources(folder, plan, images, scores, HOST_FILES | FILES, values)


def _zig_flags(target: Linux) -> str:
    return f"-target aarch64-linux-musl -mcpu={target.core.replace('-', '_')}"


def run_folder(target: Linux, folder: Path, toolchain: Toolchain = "zig") -> Execution:
    """Build the program that the folder holds, and run it on its own test images, following its blocks.

    Raises Unavailable if a tool is missing, TritError if it does not build, or exits with an error that is not a
    difference of scores.
    """
    if shutil.which(EMULATOR) is None:
        raise Unavailable(f"{EMULATOR} is not installed (Debian: apt-get install qemu-user)")
    done = run_make(folder, PROGRAM, *cross_compiler(toolchain, _zig_flags(target), GCC))
    if done.returncode:
        raise TritError(f"{folder}: the program does not build: {done.stderr.strip()[-400:]}")
    execution = run_plugged([EMULATOR], folder / PROGRAM)
    if execution.exit_status not in (0, 1):
        text = execution.text.strip()[-200:]
        raise TritError(f"{target.name}: the program stopped with status {execution.exit_status}: {text}")
    return execution


def run_image(graph: Graph, target: Linux, image: Images) -> Execution:
    """The graph's program for one image (1, C, H, W). Raises as run_folder does."""
    with tempfile.TemporaryDirectory(prefix="trit-") as folder:
        write_linux(graph, target, Path(folder), image)
        return run_folder(target, Path(folder))


def run_emulated(graph: Graph, images: Images, target: Linux, toolchain: Toolchain = "zig") -> npt.NDArray[Any]:
    """Scores (N, C, H, W) of the graph's program for images (N, C, H, W), in its first task.

    Raises as run_folder does.
    """
    graph = graph.of_task(None)
    batch = max(1, IMAGE_BYTES // images[0].size)
    scores = []
    for at in range(0, len(images), batch):
        with tempfile.TemporaryDirectory(prefix="trit-") as folder:
            write_linux(graph, target, Path(folder), images[at : at + batch], with_scores=False)
            scores.append(run_folder(target, Path(folder), toolchain).scores)
    return np.concatenate(scores).reshape(len(images), *graph.tensors[graph.output].shape)


def instructions(blocks: list[Block]) -> int:
    """Instructions executed, which all have the same size."""
    return sum(block.runs * len(block.code) // INSTRUCTION for block in blocks)
