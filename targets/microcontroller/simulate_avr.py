# SPDX-License-Identifier: Apache-2.0
"""Runs firmware under simavr, which has the cycles of every instruction of an AVR."""

from __future__ import annotations

import subprocess
import tempfile
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trit.runtime.errors import TritError, Unavailable
from trit.targets.microcontroller.cores import Core
from trit.targets.microcontroller.elf import Elf
from trit.targets.microcontroller.execution import Block, Execution, printed_scores, split

Images = npt.NDArray[np.uint8]
SECONDS = 600  # at most, of one run
LIBRARY = "-lsimavr"
PACKAGES = "simavr libsimavr-dev libelf-dev gcc-avr avr-libc"


def run(core: Core, elf: Path, images: Images | None, count: bool) -> Execution:
    """Run the program from reset to its exit, once, or once for each of the images (N, C, H, W) in place of its own.

    `count` follows its instructions. Raises Unavailable without simavr, TritError if the program does not end.
    """
    assert core.simavr
    program = Elf(elf)
    with tempfile.TemporaryDirectory(prefix="trit-") as name:
        folder = Path(name)
        (folder / "flash").write_bytes(_flash(program))
        mark = program.address("step_begins") if count else 0
        command = [str(_build(folder)), core.simavr, str(folder / "flash"), hex(mark), str(folder / "out")]
        if images is not None:
            (folder / "images").write_bytes(np.ascontiguousarray(images).tobytes())
            command += [str(folder / "images"), hex(program.address("images")), str(images[0].size)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        except subprocess.TimeoutExpired as error:
            raise TritError(f"{elf}: the program does not end within {SECONDS} s under simavr") from error
        steps = _steps((folder / "out").read_text(), program) if (folder / "out").exists() else []
    return Execution(printed_scores(done.stdout), steps, done.returncode, done.stdout)


def _build(folder: Path) -> Path:
    runner = folder / "simavr_run"
    with as_file(files("trit.targets").joinpath("firmware", "simavr_run.c")) as source:
        command = ["cc", "-O2", "-o", str(runner), str(source), LIBRARY]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except OSError as error:
            raise Unavailable("cc is not installed (Debian: apt-get install gcc)") from error
    if done.returncode:
        raise Unavailable(f"simavr's library is not installed (Debian: apt-get install {PACKAGES})")
    return runner


def _flash(program: Elf) -> bytes:
    """The flash's contents from address 0, initial values of variables included."""
    end = max(segment.load + len(segment.data) for segment in program.segments)
    flash = bytearray(b"\xff" * end)
    for segment in program.segments:
        flash[segment.load : segment.load + len(segment.data)] = segment.data
    return bytes(flash)


def _steps(text: str, program: Elf) -> list[list[Block]]:
    """What ran between two marks, an instruction a block."""
    steps = []
    for part in text.split("mark\n")[1:-1]:
        numbers = [[int(word, 16) for word in line.split()] for line in part.splitlines()]
        steps.append([_instruction(program, at, runs, cycles) for at, runs, cycles in numbers])
    return steps


def _instruction(program: Elf, at: int, runs: int, cycles: int) -> Block:
    code = program.code(at, 4)
    size = len(next(split("avr", code)))
    return Block(at, code[:size], runs, 0, cycles)
