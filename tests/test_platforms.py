# SPDX-License-Identifier: Apache-2.0
"""The C library on other machines, cross-built with zig and run under qemu, and in many threads at once.

zig compiles the C library of each of these machines, which takes a minute: what Arm's 64 bits compute
tests/test_targets_linux.py runs in every `make test`.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from c_tools import INCLUDE, ROOT, SOAK, WARNINGS, Case, classify_case, color_network, need, run

from trit.runtime.amalgamate import amalgamation

TESTS = ROOT / "tests/c"
EMULATORS = {  # 64 and 32 bits, little and big endian
    "aarch64-linux-musl": "qemu-aarch64",
    "arm-linux-musleabihf": "qemu-arm",
    "s390x-linux-musl": "qemu-s390x",
}
LITTLE_ENDIAN = ("aarch64-linux-musl", "arm-linux-musleabihf")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return classify_case(color_network(3), tmp_path_factory.mktemp("case"))


def cross_build(target: str, program: Path, made: Path) -> Path:
    """The program with the library, as the one file of the amalgamation, for another machine, statically linked."""
    if importlib.util.find_spec("ziglang") is None:
        pytest.skip("ziglang is not installed: pip install 'trit[mcu]'")
    zig = (sys.executable, "-m", "ziglang", "cc", "-target", target, "-std=c99", *WARNINGS, "-O2", "-I", INCLUDE)
    run(*zig, "-o", made, program, amalgamated(made.parent))
    return made


def amalgamated(folder: Path) -> Path:
    """The library in one file, which compiles several times faster than its many."""
    for name, text in amalgamation().items():
        (folder / name).write_text(text)
    return folder / "trit.c"


@SOAK
@pytest.mark.parametrize("target", EMULATORS)
def test_the_c_tests_on_another_machine(tmp_path: Path, target: str) -> None:
    """On a big-endian machine: bits.h works, and every plan is refused."""
    need(EMULATORS[target])
    output = run(EMULATORS[target], cross_build(target, TESTS / "test_runtime.c", tmp_path / "test"))
    plans = 3  # that test_runtime.c opens
    assert output.count("default variant: ") == (plans if target in LITTLE_ENDIAN else 0)


@SOAK
@pytest.mark.parametrize("target", LITTLE_ENDIAN)
def test_the_example_on_another_machine(tmp_path: Path, target: str, case: Case) -> None:
    need(EMULATORS[target])
    program = cross_build(target, ROOT / "examples/classify.c", tmp_path / "classify")
    assert run(EMULATORS[target], program, case.plan, case.image) == case.output


@SOAK
def test_the_example_refuses_on_a_big_endian_machine(tmp_path: Path, case: Case) -> None:
    need("qemu-s390x")
    program = cross_build("s390x-linux-musl", ROOT / "examples/classify.c", tmp_path / "classify")
    done = subprocess.run(["qemu-s390x", program, case.plan, case.image], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"classify: {case.plan}: this machine is big-endian; plans are little-endian\n"


@SOAK
@pytest.mark.parametrize("example", ["classify.c", "update.c"])
def test_the_examples_build_for_windows(tmp_path: Path, example: str) -> None:
    made = cross_build("x86_64-windows-gnu", ROOT / "examples" / example, tmp_path / "program.exe")
    assert made.read_bytes().startswith(b"MZ")


def test_many_threads_at_once(tmp_path: Path) -> None:
    """Under the thread sanitizer, which fails the program on any race."""
    need("gcc")
    flags = ("-std=c99", *WARNINGS, "-O1", "-g", "-fsanitize=thread", "-pthread", "-I", INCLUDE)
    (tmp_path / "empty.c").write_text("int main(void) { return 0; }\n")
    empty = [["gcc", *flags, "-o", "empty", "empty.c"], ["./empty"]]
    if any(subprocess.run(command, cwd=tmp_path, capture_output=True).returncode for command in empty):
        pytest.skip("gcc's thread sanitizer does not work on this machine")
    run("gcc", *flags, "-o", tmp_path / "threads", TESTS / "test_threads.c", amalgamated(tmp_path))
    assert "threads at once in scalar" in run(tmp_path / "threads")
