# SPDX-License-Identifier: Apache-2.0
"""Writes a target's build directory, builds it, runs it on test images, and compares the scores bit for bit."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from trit.export.graph import Graph
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.runtime.errors import TritError
from trit.targets.description import Host, Linux, Microcontroller, Rram, Target
from trit.targets.linux import run_folder as run_linux
from trit.targets.linux import write_linux
from trit.targets.microcontroller.firmware import write_firmware
from trit.targets.microcontroller.simulator import run_folder
from trit.targets.rram_programming import write_programming
from trit.targets.sources import HOST_FILES, Images, Scores, write_sources
from trit.targets.toolchain import run_make


@dataclass(frozen=True)
class Deployment:
    """A build directory that ran on its test images."""

    folder: Path
    images: int
    equal: int  # images whose scores have the expected bits
    ran_on: str
    flash: int | None = None  # bytes
    ram: int | None = None  # bytes


def deploy(graph: Graph, target: Target, folder: Path, images: Images) -> Deployment:
    """Make `folder`, which must be new, empty or an earlier deployment; build and run what it holds.

    images (N, C, H, W) and their scores go into the directory as its test. Raises TritError if the folder holds
    other things, the network does not fit the target, or a tool is missing; the folder is then as it was.
    """
    _refuse_foreign(folder)
    whole = folder.resolve()
    try:
        whole.parent.mkdir(parents=True, exist_ok=True)
        with _beside(whole) as made, _beside(whole) as old:
            (Path(made) / MARK).touch()
            done = _build_and_run(graph, target, Path(made), images)
            folder.mkdir(exist_ok=True)
            _move_contents(folder, Path(old))
            _move_contents(Path(made), folder)
    except OSError as error:
        raise TritError(f"cannot write into {folder}: {error.strerror or error}") from error
    return replace(done, folder=folder)


MARK = ".trit-deployment"  # says that what a folder holds is ours to replace


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise TritError(f"{folder}: is a file; name a folder to write into")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise TritError(f"{folder}: holds other files; name a new or empty folder")


def _beside(folder: Path) -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent)


def _move_contents(source: Path, to: Path) -> None:
    for item in list(source.iterdir()):
        item.rename(to / item.name)


def _build_and_run(graph: Graph, target: Target, folder: Path, images: Images) -> Deployment:
    match target:
        case Host():
            plan = to_plan(graph)
            write_sources(folder, plan, images, Session(plan).run(images), HOST_FILES, {"target": target.name})
            return _run_make(folder, "this machine")
        case Linux():
            write_linux(graph, target, folder, images)
            equal, count = _counts(run_linux(target, folder).text)
            return Deployment(folder, count, equal, f"{target.core}, emulated")
        case Microcontroller():
            write_firmware(graph, target, folder, images)
            run = run_folder(target, folder)
            equal, count = _counts(run.execution.text)
            ram = run.firmware.static_ram + run.execution.stack
            return Deployment(folder, count, equal, f"{target.core}, simulated", run.firmware.flash, ram)
        case Rram():
            scores: Scores = Session(to_plan(graph)).run(images)
            write_programming(graph, target, folder, images, scores)
            return _run_make(folder, "the arrays' states, error-free")


def _run_make(folder: Path, ran_on: str) -> Deployment:
    done = run_make(folder, "run")
    try:
        equal, count = _counts(done.stdout)
    except TritError as error:
        raise TritError(f"{folder}: make run failed: {(done.stderr or done.stdout).strip()[-400:]}") from error
    return Deployment(folder, count, equal, ran_on)


def _counts(text: str) -> tuple[int, int]:
    found = re.search(r"(\d+) of (\d+) test images", text)
    if found is None:
        raise TritError(f"the program ended without a result: {text.strip()[-200:]}")
    return int(found[1]), int(found[2])
