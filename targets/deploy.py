# SPDX-License-Identifier: Apache-2.0
"""Writes a target's build directory, builds it, runs it on test images, and compares the scores bit for bit."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trit.export.graph import Graph
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.runtime.errors import TritError
from trit.runtime.files import write_atomic
from trit.targets.description import Host, Linux, Microcontroller, Target, Tvm
from trit.targets.folder import new_contents
from trit.targets.linux import run_folder as run_linux
from trit.targets.linux import write_linux
from trit.targets.microcontroller.firmware import write_firmware
from trit.targets.microcontroller.simulator import run_folder
from trit.targets.profile import (
    Profile,
    host_profile,
    linux_profile,
    microcontroller_profile,
    rram_profile,
    tvm_profile,
)
from trit.targets.readme import write_readme
from trit.targets.rram.chip import Rram
from trit.targets.rram.programming import write_programming
from trit.targets.sources import HOST_FILES, Images, Scores, expected_scores, write_sources
from trit.targets.toolchain import run_make
from trit.targets.tvm import write_tvm_folder


@dataclass(frozen=True)
class Deployment:
    """A build directory that ran on its test images."""

    folder: Path
    images: int
    equal: int  # images whose scores have the expected bits
    ran_on: str
    profile: Profile  # of the first image; from the same run, where the target is simulated


def deploy(
    graph: Graph, target: Target, folder: Path, images: Images, about: Mapping[str, Any] | None = None
) -> Deployment:
    """Make `folder`, which must be new, empty or an earlier deployment; build and run what it holds.

    images (N, C, H, W) and their scores go into the directory as its test, and the profile as profile.json, behind the
    entries of `about`. Raises TritError if the folder holds other things, the network does not fit the target, or a
    tool is missing; the folder is then as it was.
    """
    with new_contents(folder) as made:
        done = _build_and_run(graph, target, made, images)
        write_readme(made, graph, target, done.profile)
        report = {**(about or {}), "profiles": [done.profile.as_json()]}
        write_atomic(made / "profile.json", f"{json.dumps(report, indent=1)}\n".encode())
    return replace(done, folder=folder)


def _build_and_run(graph: Graph, target: Target, folder: Path, images: Images) -> Deployment:
    match target:
        case Host():
            plan = to_plan(graph)
            values = {"target": target.name, "toolchain": ""}
            write_sources(folder, plan, images, expected_scores(Session(plan), images), HOST_FILES, values)
            ran_on, text, costs = "this machine", _make_run(folder), host_profile(graph, target, images)
        case Tvm():
            write_tvm_folder(graph, target, folder, images)
            ran_on, text = "this machine, by TVM", _make_run(folder, f"PYTHON={sys.executable}")
            costs = tvm_profile(graph, target)
        case Linux():
            write_linux(graph, target, folder, images)
            execution = run_linux(target, folder)
            ran_on, text = f"{target.core}, emulated", execution.text
            costs = linux_profile(graph, target, execution)
        case Microcontroller():
            write_firmware(graph, target, folder, images)
            run = run_folder(target, folder)
            ran_on, text = f"{target.core}, simulated", run.execution.text
            costs = microcontroller_profile(graph, target, run)
        case Rram():
            scores: Scores = Session(to_plan(graph)).run(images)
            write_programming(graph, target, folder, images, scores)
            ran_on, text = "the arrays' states, error-free", _make_run(folder)
            costs = rram_profile(graph, target)
    equal, count = _counts(text)
    return Deployment(folder, count, equal, ran_on, costs)


def _make_run(folder: Path, *variables: str) -> str:
    """What `make run` prints. Raises TritError if that is no result."""
    done = run_make(folder, "run", *variables)
    try:
        _counts(done.stdout)
    except TritError as error:
        raise TritError(f"{folder}: make run failed: {(done.stderr or done.stdout).strip()[-400:]}") from error
    return done.stdout


def _counts(text: str) -> tuple[int, int]:
    found = re.search(r"(\d+) of (\d+) test images", text)
    if found is None:
        raise TritError(f"the program ended without a result: {text.strip()[-200:]}")
    return int(found[1]), int(found[2])
