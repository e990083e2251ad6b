# SPDX-License-Identifier: Apache-2.0
"""Programs for 64-bit Arm Linux under emulation: bits, kernels, instruction counts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from c_tools import color_network, need
from tests_support import random_graph, random_input

from trit import shipped_images
from trit.commands.zoo import network_bytes
from trit.export import reference
from trit.export.graph import Graph
from trit.export.onnx_reader import read_onnx
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.runtime.errors import TritError, Unavailable
from trit.targets.description import Linux, load_target
from trit.targets.linux import PROGRAM, instructions, run_emulated, run_folder, write_linux
from trit.targets.microcontroller.elf import Elf
from trit.targets.toolchain import Toolchain

for package in ("ziglang", "elftools"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install 'trit[mcu]'")
ZOO = ("fashion-ternary-cnn", "fashion-binary-cnn", "mnist-binary-mlp")


@pytest.fixture(autouse=True)
def needs_the_emulator() -> None:
    need("qemu-aarch64")


@pytest.fixture(scope="module")
def a53() -> Linux:
    target = load_target("cortex-a53")
    assert isinstance(target, Linux)
    return target


def assert_reference_bits(graph: Graph, images: np.ndarray, target: Linux, toolchain: Toolchain = "zig") -> None:
    try:
        scores = run_emulated(graph, images, target, toolchain)
    except Unavailable as error:
        pytest.skip(str(error))
    np.testing.assert_array_equal(scores.view(np.uint32), reference.run(graph, images).view(np.uint32))


@pytest.mark.parametrize("name", ZOO)
def test_the_zoos_networks_give_the_reference_bits(a53: Linux, name: str, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(network_bytes(name))
    assert_reference_bits(read_onnx(tmp_path / "model.onnx"), shipped_images("fashion-mnist")[0][:16], a53)


@pytest.mark.parametrize(("seed", "toolchain"), [(0, "zig"), (2, "gcc")])
def test_random_networks_give_the_reference_bits(a53: Linux, seed: int, toolchain: Toolchain) -> None:
    graph = random_graph(seed)
    assert_reference_bits(graph, random_input(graph, 3, np.random.default_rng(seed)), a53, toolchain)


def test_the_neon_kernel_runs_and_its_instructions_are_counted(a53: Linux, tmp_path: Path) -> None:
    graph = color_network(1)
    write_linux(graph, a53, tmp_path, random_input(graph, 2, np.random.default_rng(0)))
    first, second = run_folder(a53, tmp_path), run_folder(a53, tmp_path)
    assert first.exit_status == 0
    assert [sorted(blocks) for blocks in first.steps] == [sorted(blocks) for blocks in second.steps]
    steps = len(Session(to_plan(graph)).steps)
    assert len(first.steps) == 2 * steps + 1  # two images, and what is between them
    assert min(instructions(blocks) for blocks in first.steps[:steps]) > 0
    kernel = Elf(tmp_path / PROGRAM).address("trit_conv_bits_neon")
    assert any(block.address == kernel for blocks in first.steps for block in blocks)


def test_make_builds_and_runs_it_with_gcc(a53: Linux, tmp_path: Path) -> None:
    need("aarch64-linux-gnu-gcc", "make")
    graph = random_graph(3)
    write_linux(graph, a53, tmp_path, random_input(graph, 3, np.random.default_rng(0)))
    done = subprocess.run(["make", "-j2", "-C", tmp_path, "run"], capture_output=True, text=True)
    assert "3 of 3 test images give the expected scores" in done.stdout, done.stderr


def test_a_program_that_does_not_build_or_run_says_so(a53: Linux, tmp_path: Path) -> None:
    graph = random_graph(1)
    write_linux(graph, a53, tmp_path, random_input(graph, 1, np.random.default_rng(0)))
    program = tmp_path / "main.c"
    source = program.read_text()
    program.write_text(source.replace("int main(void) {", "int main(void) { return 7;"))
    with pytest.raises(TritError, match="cortex-a53: the program stopped with status 7"):
        run_folder(a53, tmp_path)
    program.write_text(source.replace("int main(void) {", "int main(void) { no_type x;"))
    with pytest.raises(TritError, match=r"does not build: (.|\n)*'no_type'"):
        run_folder(a53, tmp_path)
