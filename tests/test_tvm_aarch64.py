# SPDX-License-Identifier: Apache-2.0
"""TVM's code for 64-bit Arm, run under emulation: the reference's bits.

Its functions run as they are, driven by trit's driver in C. The whole library runs, too, where TRIT_TVM_AARCH64 names
a folder with TVM's runtime for 64-bit Arm: what `pip download --no-deps --only-binary=:all: --platform
manylinux_2_28_aarch64 apache-tvm apache-tvm-ffi` gets, unzipped.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from c_tools import ROOT
from tests_support import builder, random_graph, random_input

from trit.export import reference
from trit.export.graph import Graph

tvm = pytest.importorskip("tvm", reason="apache-tvm is not installed")
pytest.importorskip("ziglang", reason="ziglang is not installed: pip install 'trit[mcu]'")

from trit.export.tvm import llvm_target, write_tvm
from trit.export.tvm.c_source import around, calls_of
from trit.targets.toolchain import build_environment

EMULATOR = "qemu-aarch64"
MAIN = """
#include "model.h"
#include <stdio.h>
static uint32_t arena[MODEL_ARENA_WORDS];
static union { float scores[MODEL_OUTPUT_SIZE]; uint8_t bytes[4 * MODEL_OUTPUT_SIZE]; } out;
int main(void) {
    static uint8_t image[MODEL_INPUT_SIZE];
    while (fread(image, 1, sizeof image, stdin) == sizeof image) {
        model_run(arena, image, out.scores);
        fwrite(out.bytes, 1, sizeof out.bytes, stdout);
    }
    return 0;
}
"""


@pytest.fixture(autouse=True)
def emulator() -> None:
    if shutil.which(EMULATOR) is None:
        pytest.skip(f"{EMULATOR} is not installed (Debian: apt-get install qemu-user)")


def zig(*arguments: str | Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ziglang", *map(str, arguments)], capture_output=True, text=True, env=build_environment()
    )
    assert done.returncode == 0, done.stderr


def whole_words() -> Graph:
    build = builder(np.random.default_rng(5), (3, 8, 8), zero_point=3)
    build.conv(64, "ternary")
    build.threshold("ternary")
    build.conv(96, "binary")
    build.threshold("binary")
    build.max_pool()
    build.dense(10, "ternary")
    build.scores()
    return build.graph()


@pytest.mark.parametrize("graph", [random_graph(5), whole_words()], ids=["random", "whole words"])
def test_functions_give_the_reference_bits(graph: Graph, tmp_path: Path) -> None:
    target = llvm_target("cortex-a53", "aarch64-linux-gnu")
    calls = calls_of(graph, target)
    functions = tvm.IRModule({name: raw.function for name, raw in calls.raws.items()})
    tvm.get_global_func("target.build.llvm")(functions, target).write_to_file(str(tmp_path / "layers.o"), "o")
    for name, text in {**around(graph, calls).files, "main.c": MAIN}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    sources = [tmp_path / name for name in ("main.c", "model.c", "src/weights.c", "layers.o")]
    program = tmp_path / "program"
    flags = ["-std=c99", "-O1", "-ffp-contract=off", "-static", f"-I{tmp_path}"]
    zig("cc", "-target", "aarch64-linux-musl", *flags, "-o", program, *sources)
    images = random_input(graph, 4, np.random.default_rng(0))
    command = [EMULATOR, "-cpu", "cortex-a53", str(program)]
    done = subprocess.run(command, input=images.tobytes(), capture_output=True, check=True)
    expected = reference.run(graph, images)
    np.testing.assert_array_equal(np.frombuffer(done.stdout, "<u4"), expected.view(np.uint32).reshape(-1))


def test_a_library_runs_in_tvms_runtime(tmp_path: Path) -> None:
    folder, system = os.environ.get("TRIT_TVM_AARCH64"), Path("/usr/aarch64-linux-gnu")
    if folder is None:
        pytest.skip("TRIT_TVM_AARCH64 names no folder with TVM's runtime for 64-bit Arm")
    if not (system / "lib/libstdc++.so.6").exists():
        pytest.skip("no C++ library for 64-bit Arm (Debian: apt-get install libstdc++6-arm64-cross)")
    graph = whole_words()
    write_tvm(graph, tmp_path / "model.so", llvm_target("cortex-a53", "aarch64-linux-gnu"))
    image = random_input(graph, 3, np.random.default_rng(0))[2:]
    (tmp_path / "image").write_bytes(image.tobytes())
    found = importlib.util.find_spec("tvm_ffi")
    assert found is not None and found.origin is not None
    libraries = [Path(folder) / name / "lib" for name in ("tvm", "tvm_ffi")]
    flags = ["-std=c++17", "-O1", "-isystem", Path(found.origin).parent / "include"]
    link = [*(f"-L{library}" for library in libraries), "-Wl,--no-as-needed", "-ltvm_runtime", "-ltvm_ffi"]
    program = tmp_path / "tvm"
    zig("c++", "-target", "aarch64-linux-gnu.2.36", *flags, "-o", program, ROOT / "examples/tvm.cpp", *link)
    path = ":".join(str(library) for library in (*libraries, system / "lib"))
    command = [EMULATOR, "-L", str(system), "-E", f"LD_LIBRARY_PATH={path}", "-cpu", "cortex-a53", str(program)]
    done = subprocess.run(
        [*command, str(tmp_path / "model.so"), str(tmp_path / "image")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    scores = np.array(done.stdout.split(), np.float32)
    np.testing.assert_array_equal(scores, reference.run(graph, image).reshape(-1))
