# SPDX-License-Identifier: Apache-2.0
"""What a deployment's directory holds: CMake builds it, its README is true, and other programs take it."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from c_tools import color_network, need, run
from tests_support import random_input

from trit.runtime.errors import Unavailable
from trit.targets.deploy import deploy
from trit.targets.description import load_target

COMPILERS = {
    "host": "cc",
    "nrf52840": "arm-none-eabi-gcc",
    "rp2350": "riscv64-unknown-elf-gcc",
    "cortex-a53": "aarch64-linux-gnu-gcc",
}
Deployed = Callable[[str], Path]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """The deployment of one network with three images for the named target."""

    @cache
    def deploy_for(name: str) -> Path:
        graph, folder = color_network(3), tmp_path_factory.mktemp(name) / "deployment"
        try:
            deploy(graph, load_target(name), folder, random_input(graph, 3, np.random.default_rng(0)))
        except Unavailable as error:
            pytest.skip(str(error))
        return folder

    return deploy_for


def build_and_test(folder: Path, *options: str) -> str:
    """With CMake; what the tests print."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    run("cmake", "-S", folder, "-B", folder / "out", *options)
    run("cmake", "--build", folder / "out", "--parallel", "2")
    return run("ctest", "--test-dir", folder / "out", "--verbose")


@pytest.mark.parametrize("name", COMPILERS)
def test_cmake_builds_what_gives_the_same_bits(deployed: Deployed, name: str) -> None:
    need("cmake", COMPILERS[name])
    folder = deployed(name)
    toolchain = [] if name == "host" else [f"-DCMAKE_TOOLCHAIN_FILE={folder}/toolchain.cmake"]
    assert "3 of 3 test images give the expected scores" in build_and_test(folder, *toolchain)


def test_cmake_builds_with_zig(deployed: Deployed) -> None:
    need("cmake", "qemu-system-riscv32")
    folder = deployed("rp2350")
    options = [f"-DZIG={sys.executable};-m;ziglang", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON"]
    text = build_and_test(folder, f"-DCMAKE_TOOLCHAIN_FILE={folder}/toolchain.cmake", *options)
    assert "3 of 3 test images give the expected scores" in text
    assert "ziglang cc --target=riscv32-freestanding-none" in (folder / "out/compile_commands.json").read_text()


@pytest.mark.parametrize("name", [*COMPILERS, "atmega2560", "rram-2t2r-130nm"])
def test_the_readme_names_what_is_there(deployed: Deployed, name: str) -> None:
    folder = deployed(name)
    text = (folder / "README.md").read_text()
    listed = re.findall(r"`([^`]+)`", "".join(re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)))
    assert len(listed) >= 6
    for file in listed:
        assert (folder / file).exists(), file
    assert f"for {name}" in text and "$" not in text


PROGRAM = """
int main(void) {
    static const uint8_t image[MODEL_INPUT_SIZE];
    float scores[MODEL_OUTPUT_SIZE];
    uint32_t best;
    return infer(image, scores) != TRIT_OK || trit_top_k(scores, MODEL_OUTPUT_SIZE, 1, &best) != 1;
}
"""
PROJECT = """\
cmake_minimum_required(VERSION 3.21)
project(program LANGUAGES C)
add_subdirectory({folder} model)
add_executable(program program.c)
target_link_libraries(program PRIVATE model)
"""


def test_the_readmes_program_runs(deployed: Deployed, tmp_path: Path) -> None:
    need("cmake", "cc")
    folder = deployed("host")
    (code,) = re.findall(r"^```c\n(.*?)^```$", (folder / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    (tmp_path / "program.c").write_text(code + PROGRAM)
    (tmp_path / "CMakeLists.txt").write_text(PROJECT.format(folder=folder))
    run("cmake", "-S", tmp_path, "-B", tmp_path / "out")
    run("cmake", "--build", tmp_path / "out", "--parallel", "2")
    run(tmp_path / "out/program")  # fails the test unless it exits with 0
