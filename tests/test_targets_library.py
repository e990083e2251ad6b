# SPDX-License-Identifier: Apache-2.0
"""Models as libraries of Arduino, Zephyr and ESP-IDF: layout, and what stand-ins for them build."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from c_tools import color_network, need, run
from tests_support import random_input

from trit.export.graph import Graph
from trit.runtime.errors import TritError
from trit.targets.library import FORMATS, write_library

FILES = {
    "arduino": {
        "library.properties",
        "src/trit_color_net_2.h",
        "src/trit.h",
        "src/model.h",
        "examples/TestImages/TestImages.ino",
        "examples/TestImages/test_images.c",
    },
    "zephyr": {"zephyr/module.yml", "Kconfig", "CMakeLists.txt", "include/trit.h", "include/model.h"},
    "esp-idf": {"CMakeLists.txt", "idf_component.yml", "include/trit.h", "include/model.h"},
}
COMMON = {"README.md", ".trit-deployment", "src/trit.c", "src/trit_config.h", "src/model.c"}
# What Arduino's library specification (1.5, revision 2.2) asks for, and the rules of its checker.
PROPERTIES = {
    "name": r"trit[\w .-]{1,58}",
    "version": r"\d+\.\d+\.\d+",
    "author": r".+",
    "maintainer": r".+ <.+@.+>",
    "sentence": r"[^\n]+\.",
    "paragraph": r"[^\n]+",
    "category": r"Data Processing",
    "url": r"https://\S+",
    "architectures": r"\*",
    "includes": r"trit_color_net_2\.h",
}


@pytest.fixture(scope="module")
def graph() -> Graph:
    graph = color_network(3)
    graph.metadata["name"] = 'color "net" #2'
    return graph


@pytest.fixture(scope="module", params=FORMATS)
def library(request: pytest.FixtureRequest, graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("libraries") / request.param
    write_library(graph, request.param, folder, random_input(graph, 3, np.random.default_rng(0)))
    return folder


def test_it_has_the_files_that_its_system_wants(library: Path) -> None:
    found = {str(path.relative_to(library)) for path in library.rglob("*") if path.is_file()}
    assert found == FILES[library.name] | COMMON
    for path in found - {"CMakeLists.txt"}:
        assert "$" not in (library / path).read_text(), path


def test_what_describes_it(library: Path) -> None:
    match library.name:
        case "arduino":
            lines = (library / "library.properties").read_text().splitlines()
            keys = dict(line.split("=", 1) for line in lines)
            assert keys.keys() == PROPERTIES.keys() and len(lines) == len(keys)
            for key, form in PROPERTIES.items():
                assert re.fullmatch(form, keys[key]), keys[key]
        case "zephyr":
            module = (library / "zephyr/module.yml").read_text()
            assert module == "name: trit_color_net_2\nbuild:\n  cmake: .\n  kconfig: Kconfig\n"
            assert (library / "Kconfig").read_text().startswith('config TRIT_COLOR_NET_2\n\tbool "color net 2, ')
        case "esp-idf":
            manifest = (library / "idf_component.yml").read_text()
            assert re.fullmatch(
                r'version: "1.0.0"\ndescription: "color net 2,[^"]+"\nlicense: "Apache-2.0"\n', manifest
            )


ARDUINO = r"""
#include <cstdint>
#include <cstdio>
#include <cstring>
struct Port {
  void begin(long) {}
  explicit operator bool() const { return true; }
  void print(unsigned long value) { std::printf("%lu", value); }
  void print(const char *text) { std::fputs(text, stdout); }
  void println(const char *text) { std::puts(text); }
};
static Port Serial;
static unsigned long micros() { return 0; }
"""


def test_the_arduino_example_gives_the_same_bits(graph: Graph, tmp_path: Path) -> None:
    """The sources flat, with src/ the only include path, and the sketch as C++ behind Arduino.h, as Arduino does."""
    need("gcc", "g++")
    folder, example = tmp_path / "lib", tmp_path / "lib/examples/TestImages"
    write_library(graph, "arduino", folder, random_input(graph, 3, np.random.default_rng(0)))
    (tmp_path / "Arduino.h").write_text(ARDUINO)
    sketch = (example / "TestImages.ino").read_text()
    (tmp_path / "sketch.cpp").write_text(f"#include <Arduino.h>\n{sketch}\nint main() {{ setup(); loop(); }}\n")
    sources = [*sorted((folder / "src").glob("*.c")), example / "test_images.c"]
    objects = [tmp_path / f"{source.stem}.o" for source in sources]
    for source, made in zip(sources, objects, strict=True):
        run("gcc", "-std=gnu11", "-O2", "-Wall", "-Werror", "-I", folder / "src", "-c", source, "-o", made)
    flags = ("-std=gnu++11", "-Wall", "-Werror", "-I", tmp_path, "-I", folder / "src")
    run("g++", *flags, "-o", tmp_path / "sketch", tmp_path / "sketch.cpp", *objects)
    assert "3 of 3 test images give the expected scores" in run(tmp_path / "sketch")


STAND_INS = {
    "zephyr": """
set(CONFIG_TRIT_COLOR_NET_2 y)
macro(zephyr_library)
  add_library(module STATIC)
endmacro()
function(zephyr_include_directories)
  foreach(folder ${ARGV})
    include_directories(${CMAKE_CURRENT_SOURCE_DIR}/${folder})
    set_property(GLOBAL APPEND PROPERTY FOLDERS ${CMAKE_CURRENT_SOURCE_DIR}/${folder})
  endforeach()
endfunction()
macro(zephyr_library_include_directories)
  target_include_directories(module PRIVATE ${ARGV})
endmacro()
macro(zephyr_library_sources)
  target_sources(module PRIVATE ${ARGV})
endmacro()
macro(zephyr_library_compile_options)
  target_compile_options(module PRIVATE ${ARGV})
endmacro()
""",
    "esp-idf": """
macro(idf_component_register)
  cmake_parse_arguments(ARG "" "" "SRCS;INCLUDE_DIRS;PRIV_INCLUDE_DIRS" ${ARGN})
  add_library(module STATIC ${ARG_SRCS})
  target_include_directories(module PUBLIC ${ARG_INCLUDE_DIRS} PRIVATE ${ARG_PRIV_INCLUDE_DIRS})
  set(COMPONENT_LIB module)
endmacro()
""",
}
PROJECT = """
cmake_minimum_required(VERSION 3.21)
project(program LANGUAGES C)
{stand_ins}
add_subdirectory({library} library)
get_property(folders GLOBAL PROPERTY FOLDERS)
add_executable(program program.c)
target_include_directories(program PRIVATE ${{folders}})
target_link_libraries(program PRIVATE module)
"""
MAIN = """
int main(void) {
    static const uint8_t image[MODEL_INPUT_SIZE];
    float scores[MODEL_OUTPUT_SIZE];
    return infer(image, scores);
}
"""


def test_the_readmes_program_builds_with_its_system(library: Path, tmp_path: Path) -> None:
    (code,) = re.findall(r"^```c\n(.*?)^```$", (library / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    (tmp_path / "program.c").write_text(code + MAIN)
    if library.name == "arduino":
        need("gcc")
        sources = sorted((library / "src").glob("*.c"))
        run("gcc", "-I", library / "src", "-o", tmp_path / "program", tmp_path / "program.c", *sources)
    else:
        need("cmake", "cc")
        project = PROJECT.format(stand_ins=STAND_INS[library.name], library=library)
        (tmp_path / "CMakeLists.txt").write_text(project)
        run("cmake", "-S", tmp_path, "-B", tmp_path)
        run("cmake", "--build", tmp_path)
    run(tmp_path / "program")


def test_it_replaces_its_own_and_nothing_else(graph: Graph, tmp_path: Path) -> None:
    images = random_input(graph, 1, np.random.default_rng(0))
    write_library(graph, "arduino", tmp_path / "out", images)
    write_library(graph, "zephyr", tmp_path / "out", images)
    assert not (tmp_path / "out/library.properties").exists()
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(TritError, match="holds other files"):
        write_library(graph, "zephyr", tmp_path, images)
