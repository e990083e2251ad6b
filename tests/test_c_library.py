# SPDX-License-Identifier: Apache-2.0
"""The C library alone: its own tests under the sanitizers, and what it promises of memory and rounding."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from c_tools import ROOT, RUNTIME, SOURCES, STRICT, build, classify_case, compile_files, need, run
from tests_support import builder, random_graph

COMPILER = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), "")
COMMANDS = {
    "strict": STRICT["gcc"],
    # Here the compiler may fuse a multiplication and an addition; in the scores it must not.
    "native": (COMPILER, "-std=gnu99", "-O2", "-march=native"),
}
pytestmark = pytest.mark.skipif(not COMPILER, reason="no C compiler")


def test_ctest_with_sanitizers(tmp_path: Path) -> None:
    need("cmake")
    # At -O1 gcc needs half a minute for a file of vectors under the sanitizers.
    flags = ("-DCMAKE_C_FLAGS=-Werror", "-DCMAKE_C_FLAGS_RELEASE=-Og")
    run("cmake", "-S", RUNTIME, "-B", tmp_path, "-DTRIT_SANITIZE=ON", *flags)
    run("cmake", "--build", tmp_path, "--parallel", "2")
    assert "100% tests passed" in run("ctest", "--test-dir", tmp_path, "--output-on-failure")


@pytest.fixture(scope="module", params=sorted(COMMANDS))
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """examples/classify.c with the library."""
    command = COMMANDS[request.param]
    need(command[0])
    program = tmp_path_factory.mktemp(request.param) / "classify"
    build(program, ROOT / "examples/classify.c", command)
    return program


@pytest.mark.parametrize("seed", range(8))
def test_scores(tmp_path: Path, example: Path, seed: int) -> None:
    graph = random_graph(seed, channels=(1, 3)[seed % 2])
    case = classify_case(graph, tmp_path)
    assert run(example, case.plan, case.image) == case.output


def test_scores_round_twice(tmp_path: Path, example: Path) -> None:
    """A product whose low bits a fused multiply-add would keep: the reference's bits all the same."""
    build = builder(np.random.default_rng(0), (1, 1, 700), 0)
    build.dense(1, "binary")
    build.nodes[-1].weights[:] = 1
    build.scores()
    graph = build.graph()
    scores_node = graph.nodes[-1]
    image = np.full((1, 1, 700), 255, np.uint8)
    image[0, 0, 0] = 254
    scale, acc = np.float32(1.0000001), np.float32(700 * 255 - 1)
    scores_node.scale[:] = scale
    scores_node.bias[:] = -(acc * scale)
    assert float(acc) * float(scale) != float(acc * scale)  # fused, the score would not be 0
    case = classify_case(graph, tmp_path, image)
    assert case.output == run(example, case.plan, case.image) == "0 class 0\n"


def test_nothing_of_a_libc_is_needed() -> None:
    """The device library includes only headers that a freestanding compiler has; no function of a libc."""
    allowed = {"stddef.h", "stdint.h", "immintrin.h", "cpuid.h", "arm_neon.h", "arm_mve.h"}
    files = [*SOURCES, *(path for path in RUNTIME.rglob("*.h") if not path.name.startswith("host"))]
    for path in files:
        assert set(re.findall(r"#include <(.*)>", path.read_text())) <= allowed, path.name


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The library's object files, for a fixed address, with what gcc says of their stacks beside them."""
    need("gcc")
    command = ("gcc", "-std=c99", "-O2", "-fno-pic", "-fstack-usage")
    return compile_files(tmp_path_factory.mktemp("objects"), SOURCES, command)


def test_the_library_allocates_nothing_and_has_no_state(objects: list[Path]) -> None:
    need("nm")
    for made in objects:
        for line in run("nm", made).splitlines():
            kind, name = line.split()[-2:]
            assert kind not in "BbCDd" or name.startswith("."), f"{made.stem}: {name} can change"
            known = name.startswith(("trit_", "__stack_chk"))
            assert kind != "U" or known or name in ("memcpy", "memset"), f"{made.stem}: needs {name}"


def test_stack_use_is_bounded_as_stated(objects: list[Path]) -> None:
    """Every frame is bounded; 2 KiB hold the scalar variant's deepest calls, 64 KiB all of them."""
    if "Free Software Foundation" not in run("gcc", "--version"):
        pytest.skip("-fstack-usage is gcc's")
    frames: dict[str, int] = {}
    for made in objects:
        for line in made.with_suffix(".su").read_text().splitlines():
            where, size, kind = line.split("\t")
            assert kind != "dynamic", where  # "dynamic,bounded" is only alignment
            frames[where] = int(size)
    scalar = [size for where, size in frames.items() if not re.search("_amx|avx|tables|count", where)]
    assert max(scalar) <= 1280  # trit_run, trit_conv_run and a kernel that gathers
    assert max(frames.values()) <= 56 * 1024
