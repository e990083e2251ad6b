# SPDX-License-Identifier: Apache-2.0
"""What the tests of C code share: the sources, the compilers with their strictest flags, a network to classify with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tests_support import builder, random_input

from trit.export import reference
from trit.export.graph import Graph
from trit.export.plan import to_plan
from trit.targets.toolchain import build_environment

ROOT = Path(__file__).parents[1]
RUNTIME = ROOT / "runtime"
INCLUDE = RUNTIME / "include"
SOURCES = sorted(path for path in (RUNTIME / "src").glob("*.c") if not path.name.startswith("host"))
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror")
DIALECTS = {
    "gcc": ("gcc", "-std=c99"),
    "clang": ("clang", "-std=c99"),
    "g++": ("g++", "-x", "c++", "-std=c++17", "-Wno-init-self"),  # its own immintrin.h says x = x before version 13
    "clang++": ("clang++", "-x", "c++", "-std=c++17"),
}
STRICT = {dialect: (*command, *WARNINGS, "-O1") for dialect, command in DIALECTS.items()}
SOAK = pytest.mark.skipif(os.environ.get("TRIT_SOAK") != "1", reason="long compiling: make soak, or TRIT_SOAK=1")
# cmake and ninja may be installed in Python's environment alone.
SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", ""), str(Path(sys.executable).parent)))


def need(*tools: str) -> None:
    """Skip the test where a tool is missing."""
    for tool in tools:
        if shutil.which(tool, path=SEARCH_PATH) is None:
            pytest.skip(f"{tool} is not installed")


def run(*command: str | Path, cwd: Path | None = None, **variables: str) -> str:
    """The command's standard output; a failure shows all that it wrote. `variables` are added to the environment."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**build_environment(), "PATH": SEARCH_PATH, **variables},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, f"{done.args}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def compile_files(folder: Path, sources: Iterable[Path], command: Sequence[str] = STRICT["gcc"]) -> list[Path]:
    """The sources' objects in the folder.

    File by file, and most tests with the same command, so that a compiler cache knows the library's files again.
    """
    objects = []
    for source in sources:
        objects.append(folder / f"{source.stem}.o")
        run(*command, "-I", INCLUDE, "-c", source, "-o", objects[-1])
    return objects


def build(program: Path, source: Path, command: Sequence[str] = STRICT["gcc"]) -> None:
    """The program of that source and the library, compiled by the command."""
    objects = program.with_name(f"{program.name}-objects")
    objects.mkdir()
    made = [*compile_files(program.parent, [source], command), *compile_files(objects, SOURCES, command)]
    run(command[0], "-o", program, *made)


@dataclass(frozen=True)
class Case:
    """A plan, an image file, and what examples/classify says about it."""

    plan: Path
    image: Path
    output: str


def color_network(seed: int) -> Graph:
    """A small network that reads color images of 9 x 8 pixels."""
    build = builder(np.random.default_rng(seed), (3, 8, 9), 128)
    build.conv(33, "ternary")
    build.threshold("ternary")
    build.conv(65, "binary", stride=(2, 2))
    build.threshold("binary")
    build.dense(10, "ternary")
    build.scores()
    return build.graph()


def classify_case(graph: Graph, folder: Path, image: np.ndarray | None = None) -> Case:
    """The network and an image of 1 or 3 channels, a random one if none is given, written to `folder`."""
    if image is None:
        image = random_input(graph, 3, np.random.default_rng(5))[2]
    scores = reference.run(graph, image[None]).reshape(-1)
    best = np.argsort(-scores, kind="stable")[:3]
    case = Case(folder / "model.trit", folder / "image.ppm", "".join(f"{scores[i]:.9g} class {i}\n" for i in best))
    case.plan.write_bytes(to_plan(graph))
    case.image.write_bytes(portable_map(image))
    return case


def portable_map(image: np.ndarray) -> bytes:
    """An image (C, H, W) as binary PGM or PPM."""
    kind = {1: "P5", 3: "P6"}[image.shape[0]]
    header = f"{kind}\n# a comment\n{image.shape[2]} {image.shape[1]}\n255\n"
    return header.encode() + image.transpose(1, 2, 0).tobytes()
