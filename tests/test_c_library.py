# SPDX-License-Identifier: Apache-2.0
"""The C library alone: its own tests under the sanitizers, warnings, the example, and a build with wilder flags."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tests_support import builder, random_graph, random_input

from trit.export import reference
from trit.export.plan import to_plan

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for path in (ROOT / "runtime/src").glob("*.c") if path.name != "host.c")
COMPILER = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), "")
FLAGS = {
    "strict": ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-O1"),
    # Here the compiler may fuse a multiplication and an addition; in the scores it must not.
    "native": ("-std=gnu99", "-O2", "-march=native"),
}
CMAKE = shutil.which("cmake")

pytestmark = pytest.mark.skipif(not COMPILER, reason="no C compiler")


def run(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{done.args}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.skipif(not CMAKE, reason="no cmake")
def test_ctest_with_sanitizers(tmp_path: Path) -> None:
    flags = ("-DCMAKE_C_FLAGS=-Werror", "-DCMAKE_C_FLAGS_RELEASE=-O1")
    run("cmake", "-S", ROOT / "runtime", "-B", tmp_path, "-DTRIT_SANITIZE=ON", *flags)
    run("cmake", "--build", tmp_path, "--parallel", "2")
    assert "100% tests passed" in run("ctest", "--test-dir", tmp_path, "--output-on-failure")


@pytest.fixture(scope="module", params=sorted(FLAGS))
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """examples/embed.c with the library."""
    program = tmp_path_factory.mktemp(request.param) / "embed"
    flags = FLAGS[request.param]
    run(COMPILER, *flags, "-I", ROOT / "runtime/include", "-o", program, ROOT / "examples/embed.c", *SOURCES)
    return program


def test_example(tmp_path: Path, example: Path) -> None:
    for seed in range(8):
        graph = random_graph(seed)
        images = random_input(graph, 3, np.random.default_rng(seed))
        (tmp_path / "model.trit").write_bytes(to_plan(graph))
        for image, scores in zip(images, reference.run(graph, images), strict=True):
            (tmp_path / "image").write_bytes(image.tobytes())
            label, value = run(example, tmp_path / "model.trit", tmp_path / "image").rsplit(" ", 1)
            assert label == graph.labels[int(scores.argmax())]
            assert np.float32(value) == scores.max()


def test_scores_round_twice(tmp_path: Path, example: Path) -> None:
    """A product whose low bits a fused multiply-add would keep: the reference's bits all the same."""
    build = builder(np.random.default_rng(0), (700, 1, 1), 0)
    build.conv(1, "binary", (1, 1), padding=(0, 0, 0, 0))
    build.nodes[-1].weights[:] = 1
    build.scores()
    graph = build.graph()
    scores_node = graph.nodes[-1]
    image = np.full((1, 700, 1, 1), 255, np.uint8)
    image[0, 0] = 254
    scale, acc = np.float32(1.0000001), np.float32(700 * 255 - 1)
    scores_node.scale[:] = scale
    scores_node.bias[:] = -(acc * scale)
    assert float(acc) * float(scale) != float(acc * scale)  # fused, the score would not be 0
    (tmp_path / "model.trit").write_bytes(to_plan(graph))
    (tmp_path / "image").write_bytes(image.tobytes())
    assert float(run(example, tmp_path / "model.trit", tmp_path / "image").split()[-1]) == 0.0


def test_nothing_of_a_libc_is_needed() -> None:
    """The device library includes only headers that a freestanding compiler has; no function of a libc."""
    allowed = {"stddef.h", "stdint.h", "immintrin.h", "cpuid.h"}
    files = [*SOURCES, *(ROOT / "runtime").rglob("*.h")]
    for path in files:
        assert set(re.findall(r"#include <(.*)>", path.read_text())) <= allowed, path.name


def test_the_library_allocates_nothing_and_has_no_state(tmp_path: Path) -> None:
    if not shutil.which("nm"):
        pytest.skip("no nm")
    for source in SOURCES:
        made = tmp_path / f"{source.stem}.o"
        run(COMPILER, "-std=c99", "-O1", "-fno-pic", "-I", ROOT / "runtime/include", "-c", source, "-o", made)
        for line in run("nm", made).splitlines():
            kind, name = line.split()[-2:]
            assert kind not in "BbCDd" or name.startswith("."), f"{source.name}: {name} can change"
            known = name.startswith(("trit_", "__stack_chk"))
            assert kind != "U" or known or name in ("memcpy", "memset"), f"{source.name}: needs {name}"


def test_stack_use_is_bounded_as_stated(tmp_path: Path) -> None:
    """Every frame is bounded; 2 KiB hold the scalar variant's deepest calls, 16 KiB all of them."""
    version = subprocess.run([COMPILER, "--version"], capture_output=True, text=True).stdout
    if "Free Software Foundation" not in version:
        pytest.skip("-fstack-usage is gcc's")
    frames: dict[str, int] = {}
    for source in SOURCES:
        made = tmp_path / f"{source.stem}.o"
        run(COMPILER, "-std=c99", "-O2", "-fstack-usage", "-I", ROOT / "runtime/include", "-c", source, "-o", made)
        for line in made.with_suffix(".su").read_text().splitlines():
            where, size, kind = line.split("\t")
            assert kind != "dynamic", where  # "dynamic,bounded" is only alignment
            frames[where] = int(size)
    scalar = [size for where, size in frames.items() if "avx" not in where]
    assert max(scalar) <= 1280  # trit_run, trit_conv_run and a kernel that gathers
    assert max(frames.values()) <= 14 * 1024
