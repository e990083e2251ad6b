# SPDX-License-Identifier: Apache-2.0
"""The C library in other programs: as an installed package, as a folder of theirs, as two files."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tomllib
from pathlib import Path

import pytest
from c_tools import (
    DIALECTS,
    INCLUDE,
    ROOT,
    RUNTIME,
    SOAK,
    STRICT,
    WARNINGS,
    Case,
    classify_case,
    color_network,
    compile_files,
    need,
    run,
)

from trit.runtime.amalgamate import renamed

PROGRAM = """\
cmake_minimum_required(VERSION 3.21)
project(program LANGUAGES C CXX)
{trit}
foreach(language c cpp)
  add_executable(in_${{language}} ${{FILES}}/classify.${{language}})
  target_link_libraries(in_${{language}} PRIVATE trit::trit)
endforeach()
"""
WAYS = {
    "find_package": "find_package(trit 0.1 REQUIRED)",
    "add_subdirectory": f"add_subdirectory({RUNTIME} trit)",
    "FetchContent": f"""\
include(FetchContent)
FetchContent_Declare(trit SOURCE_DIR {ROOT} SOURCE_SUBDIR runtime)
FetchContent_MakeAvailable(trit)""",
}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return classify_case(color_network(3), tmp_path_factory.mktemp("case"))


@pytest.fixture(scope="module", params=["static", "shared"])
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation that was moved to another folder."""
    need("cmake", "cc")
    folder = tmp_path_factory.mktemp(request.param)
    options = [f"-DBUILD_SHARED_LIBS={'ON' if request.param == 'shared' else 'OFF'}", "-DTRIT_TESTS=OFF"]
    run("cmake", "-S", RUNTIME, "-B", folder / "build", *options, f"-DCMAKE_INSTALL_PREFIX={folder}/a")
    run("cmake", "--build", folder / "build", "--parallel", "2")
    run("cmake", "--install", folder / "build")
    shutil.move(folder / "a", folder / "b")
    return folder / "b"


def build_program(way: str, folder: Path, *options: str) -> Path:
    """Configures and builds examples/classify.c and .cpp as a CMake project of its own. Returns its build folder."""
    need("cmake", "cc", "c++")
    (folder / "CMakeLists.txt").write_text(PROGRAM.format(trit=WAYS[way]))
    build = folder / "build"
    listed = "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON"
    run("cmake", "-S", folder, "-B", build, f"-DFILES={ROOT / 'examples'}", listed, *options)
    run("cmake", "--build", build, "--parallel", "2")
    return build


def check_programs(build: Path, case: Case) -> None:
    for program in ("in_c", "in_cpp"):
        assert run(build / program, case.plan, case.image) == case.output


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_sources_compile_without_warnings(tmp_path: Path, dialect: str) -> None:
    need(DIALECTS[dialect][0])
    sources = sorted((RUNTIME / "src").glob("*.c"))
    if "++" not in dialect:
        sources += sorted((RUNTIME / "onnxruntime").glob("*.c"))
    # clang's warnings come before its optimizer, some of gcc's are the optimizer's.
    if "clang" in dialect:
        run(*STRICT[dialect], "-fsyntax-only", "-I", INCLUDE, *sources)
    else:
        compile_files(tmp_path, sources, STRICT[dialect])


def test_find_package(tmp_path: Path, installed: Path, case: Case) -> None:
    check_programs(build_program("find_package", tmp_path, f"-DCMAKE_PREFIX_PATH={installed}"), case)


@pytest.mark.parametrize("way", ["add_subdirectory", "FetchContent"])
def test_as_a_folder_of_the_program(tmp_path: Path, way: str, case: Case) -> None:
    build = build_program(way, tmp_path)
    check_programs(build, case)
    # The library keeps its flags, tests and installation to itself.
    commands = json.loads((build / "compile_commands.json").read_text())
    (command,) = (entry["command"] for entry in commands if entry["file"].endswith("classify.c"))
    assert re.findall(r" -[^IDoc]\S*", command) == []
    assert "Total Tests: 0" in run("ctest", "-N", "--test-dir", build)
    run("cmake", "--install", build, "--prefix", tmp_path / "prefix")
    assert not (tmp_path / "prefix").exists()


def test_as_a_folder_shared_and_installed(tmp_path: Path, case: Case) -> None:
    build = build_program("add_subdirectory", tmp_path, "-DBUILD_SHARED_LIBS=ON", "-DTRIT_INSTALL=ON")
    check_programs(build, case)
    assert list((build / "trit").glob("*tritrt.[sd]*"))
    run("cmake", "--install", build, "--prefix", tmp_path / "prefix")
    assert (tmp_path / "prefix/include/trit/trit.h").exists()


def test_pkg_config(tmp_path: Path, installed: Path, case: Case) -> None:
    need("pkg-config")
    (package,) = installed.rglob("trit.pc")
    flags = run("pkg-config", "--cflags", "--libs", "trit", PKG_CONFIG_PATH=str(package.parent)).split()
    run("cc", "-o", tmp_path / "in_c", ROOT / "examples/classify.c", *flags)
    library = str(package.parents[1])
    output = run(tmp_path / "in_c", case.plan, case.image, LD_LIBRARY_PATH=library, DYLD_LIBRARY_PATH=library)
    assert output == case.output
    assert run("pkg-config", "--modversion", "trit", PKG_CONFIG_PATH=str(package.parent)).strip() == version()


@pytest.fixture(scope="module")
def two_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """trit.c and trit.h, and the examples as programs that include trit.h."""
    need("cmake", "cc")
    folder = tmp_path_factory.mktemp("two_files")
    run("cmake", "-S", RUNTIME, "-B", folder, "-DTRIT_TESTS=OFF")
    run("cmake", "--build", folder, "--target", "amalgamation")
    for name in ("classify.c", "classify.cpp"):
        text = (ROOT / "examples" / name).read_text()
        (folder / "amalgamation" / name).write_text(text.replace('"trit/inspect.h"', '"trit.h"'))
    return folder / "amalgamation"


@pytest.mark.parametrize(
    "dialect", ["gcc", "clang++", *(pytest.param(other, marks=SOAK) for other in ("clang", "g++"))]
)
def test_the_amalgamation(two_files: Path, tmp_path: Path, dialect: str, case: Case) -> None:
    need(DIALECTS[dialect][0])
    program = "classify.cpp" if "++" in dialect else "classify.c"
    run(*DIALECTS[dialect], *WARNINGS, "-O2", "-o", tmp_path / "program", "trit.c", program, cwd=two_files)
    assert run(tmp_path / "program", case.plan, case.image) == case.output


@pytest.mark.parametrize(
    "compiler",
    [
        "arm-none-eabi-gcc -mcpu=cortex-m0plus -mthumb",
        "arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb",
        "arm-none-eabi-gcc -mcpu=cortex-m55 -mthumb",
        "riscv64-unknown-elf-gcc -march=rv32imac -mabi=ilp32",
        "avr-gcc -mmcu=atmega2560 -DTRIT_TRUSTS_PLAN=0",
    ],
)
def test_the_amalgamation_compiles_for_microcontrollers(tmp_path: Path, compiler: str) -> None:
    command = compiler.split()
    need(command[0])
    run(sys.executable, RUNTIME / "amalgamate.py", tmp_path)
    run(*command, "-std=gnu99", "-Os", "-ffreestanding", "-Wall", "-Wextra", "-Werror", "-c", "trit.c", cwd=tmp_path)


SHARED = "typedef struct trit_sum { int last; } trit_sum;\n"
# Every kind of definition that a file keeps to itself.
OWN = """\
#define MOST 4
#define BOTH(name, value)                 \\
    static int name##_plus(void) {        \\
        return value + MOST;              \\
    }
typedef struct shape { int most; } shape;
typedef int (*choose)(void);
static const int table[MOST] __attribute__((aligned(16))) = {1, 2, 3, 4};
static int last = 0;
BOTH(one, 1)
BOTH(two, 2)
static int add(shape s) {
    const choose chosen = s.most ? one_plus : two_plus; /* MOST of a shape */
    const trit_sum sum = {table[s.most]};
    last = chosen() + sum.last;
    return last;
}
"""


def test_equal_names_in_two_files_do_not_clash(tmp_path: Path) -> None:
    need("cc")
    main = "int main(void) { a_shape a = {1}; b_shape b = {0}; return 10 * a_add(a) + b_add(b) != 77; }\n"
    both = SHARED + renamed(OWN, "a_") + renamed(OWN, "b_") + main
    assert "/* MOST of a shape */" in both
    (tmp_path / "both.c").write_text(both)
    run("cc", "-std=c99", *WARNINGS, "-o", tmp_path / "both", tmp_path / "both.c")
    run(tmp_path / "both")
    (tmp_path / "clash.c").write_text(SHARED + OWN + OWN)
    with pytest.raises(AssertionError, match="redefinition"):
        run("cc", "-std=c99", "-c", "-o", tmp_path / "clash.o", tmp_path / "clash.c")


def version() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def test_the_library_has_the_packages_version(two_files: Path) -> None:
    assert f"VERSION {version()} " in (RUNTIME / "CMakeLists.txt").read_text()
    for name in ("trit.h", "trit.c"):
        assert (two_files / name).read_text().startswith(f"/* trit {version()}: ")
