# SPDX-License-Identifier: Apache-2.0
"""The C that TVM generates: the reference's bits on this machine and on a simulated Cortex-M4, without warnings."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests_support import random_graph, random_input, residual_graph

from trit.export import reference
from trit.export.graph import Graph
from trit.export.onnx_writer import onnx_bytes
from trit.runtime.errors import TritError, Unavailable
from trit.targets.description import Microcontroller, load_target
from trit.targets.microcontroller.execution import instructions

pytest.importorskip("tvm", reason="apache-tvm is not installed")

from trit.export.tvm.c_source import to_c
from trit.targets.tvm_c import profile_tvm_c, run_tvm_c, write_tvm_c

WARNINGS = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror", "-O2"]
Run = Callable[..., tuple[int, str, str]]  # the fixture of conftest.py


def board(name: str, *changes: str) -> Microcontroller:
    target = load_target(name, changes)
    assert isinstance(target, Microcontroller)
    return target


@pytest.mark.parametrize(
    ("graph", "name"),
    [(random_graph(1), "nrf52840"), (random_graph(5), "esp32-c3"), (residual_graph(2), "nrf52840")],
    ids=["1", "5 on RISC-V", "residual"],
)
def test_the_simulated_core_gives_the_reference_bits(graph: Graph, name: str) -> None:
    pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'trit[mcu]'")
    pytest.importorskip("ziglang", reason="ziglang is not installed: pip install 'trit[mcu]'")
    images = random_input(graph, 3, np.random.default_rng(0))
    scores = run_tvm_c(graph, images, board(name))
    np.testing.assert_array_equal(scores.view(np.uint32), reference.run(graph, images).view(np.uint32))


def test_each_layer_is_counted() -> None:
    pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'trit[mcu]'")
    pytest.importorskip("ziglang", reason="ziglang is not installed: pip install 'trit[mcu]'")
    graph = random_graph(1)
    execution = profile_tvm_c(graph, random_input(graph, 1, np.random.default_rng(0)))
    counts = [instructions("cortex-m", blocks) for blocks in execution.steps]
    assert len(counts) == to_c(graph).files["model.c"].count("hook(user, ") - 1
    assert min(counts) > 0
    assert execution.stack > 0


def test_a_board_that_is_too_small_is_one_line() -> None:
    pytest.importorskip("ziglang", reason="ziglang is not installed: pip install 'trit[mcu]'")
    graph = random_graph(1)
    with pytest.raises(Unavailable, match=r"too large for nrf52840: [\d,]+ bytes too many"):
        run_tvm_c(graph, random_input(graph, 1, np.random.default_rng(0)), board("nrf52840", "flash.size=4096"))


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_compilers_have_nothing_to_say(compiler: str, tmp_path: Path) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler}")
    for seed in (2, 3, 8, 9):
        sources = to_c(random_graph(seed))
        for name, text in sources.files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        for name in ("model.c", "src/layers.c", "src/weights.c"):
            command = [compiler, *WARNINGS, f"-I{tmp_path}", "-c", str(tmp_path / name), "-o", "/dev/null"]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr


def test_the_folder_runs_on_this_machine(tmp_path: Path) -> None:
    if shutil.which("cc") is None or shutil.which("make") is None:
        pytest.skip("no C compiler or make")
    graph = random_graph(7)
    write_tvm_c(graph, tmp_path / "out", random_input(graph, 4, np.random.default_rng(7)))
    command = ["make", "-s", "-C", str(tmp_path / "out"), "run", "CFLAGS=-O1 -fsanitize=address,undefined"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == "4 of 4 test images give the expected scores\n", done.stderr
    assert done.stderr == ""


def test_the_folder_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    graph = random_graph(1)
    with pytest.raises(TritError, match="holds other files"):
        write_tvm_c(graph, tmp_path, random_input(graph, 1, np.random.default_rng(0)))


def test_the_command_writes_both_of_tvms_forms(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("ziglang", reason="ziglang is not installed: pip install 'trit[mcu]'")
    (tmp_path / "model.onnx").write_bytes(onnx_bytes(random_graph(1)))
    status, out, _ = run("export", "model.onnx", "--format", "tvm-c", "-o", "out")
    assert (status, out) == (0, "out: tvm-c library, see README.md\n")
    assert {path.name for path in (tmp_path / "out" / "src").iterdir()} == {"layers.c", "layers.h", "weights.c"}
    arm = ["--triple", "aarch64-linux-gnu", "--mcpu", "cortex-a53"]
    assert run("export", "model.onnx", "--format", "tvm", *arm, "-o", "arm.so")[0] == 0
    assert (tmp_path / "arm.so").read_bytes()[18] == 183  # ELF's number of AArch64
    status, _, err = run("export", "model.onnx", "--format", "tvm", *arm, "--tune", "1", "-o", "x.so")
    assert (status, err.count("\n")) == (2, 1)
    assert "tuning measures on this machine" in err
    status, _, err = run("export", "model.onnx", "--format", "tvm", "--mcpu", "haswel", "-o", "x.so")
    assert (status, err) == (2, err.splitlines()[-1] + "\n")
    assert "LLVM knows no processor haswel" in err
