# SPDX-License-Identifier: Apache-2.0
"""The README.md of a deployment: what its files are, how to build and run them, and how to use the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from trit.export.graph import Graph
from trit.targets.description import Host, Linux, Microcontroller, Target, Tvm
from trit.targets.linux import EMULATOR, GCC
from trit.targets.microcontroller.cores import CORES
from trit.targets.profile import Profile
from trit.targets.quantities import quantity
from trit.targets.rram.chip import Rram
from trit.targets.sources import fill_template, write_template

SOURCES = {
    "model.h, model.c": "the model as an array, and its sizes",
    "include/, src/": "the C runtime: C99, no allocation, no libc beyond memcpy and memset",
    "main.c, test_images.c": "a test: images, and the scores that the model gives them, bit for bit",
    "model.trit": "the model as a file, for programs that read one",
    "Makefile, CMakeLists.txt": "two ways to build all this",
}
SOUND = """
The values are features of a microphone's samples: `trit/keywords.h` goes from samples to words, and calls the model.
"""
TASKS = """
The model has learned several tasks, named in `model.h`, and has thresholds for each: `trit_set_task(&plan, 1)` behind
`trit_open` chooses the second; without it the first one runs.
"""
BOARD_FILES = {
    **SOURCES,
    "config.h": "what of the runtime the model uses; the compiler drops the rest",
    "platform_board.c, memory.c, stack.h, freestanding/": "start-up, and what a C library would bring",
    "firmware.ld, simulator.ld": "the memories of the board, and of the simulated machine",
    "toolchain.cmake": "the cross compiler, for CMake",
    "firmware.elf": "the test as it ran when this folder was made",
}
AVR_FILES = {
    "model.h, model.S": "the model in flash, and its sizes",
    "include/, src/": "the C runtime: C99, no allocation, no libc beyond memcpy and memset",
    "main.c, test_images.c, test_images_data.S": "a test: images, and the scores they get",
    "model.trit": "the model as a file",
    "config.h": "what of the runtime the model uses; the compiler drops the rest",
    "platform_board.c": "the serial port",
    "firmware.ld": "the memories of the board",
    "Makefile": "builds all this",
    "firmware.elf": "the test as it ran when this folder was made",
}
CMAKE = "; or this folder as a whole with CMake's `add_subdirectory`, and link `model`"
TVM_FILES = {
    "model.so": "the network as TVM built it: loads with TVM's runtime",
    "run.py, Makefile": "a test: are the scores of the test images the expected ones, bit for bit?",
    "images.bin, scores.bin": "test images, uint8 (channels, height, width), and their scores as float32",
}
RRAM_FILES = {
    "schedule.csv": "what of which layer stands where, and in which cycles it is read",
    "network.txt": "the same for the program, with thresholds and all between the arrays",
    "arrays/": "the state of every device, a file an array and a line a row: 1 is the low-resistance state",
    "rram_run.c, Makefile": "simulates the chip, cycle by cycle, on the test images",
    "inputs.bin, scores.bin": "test images, and their scores as float32",
}


def write_readme(folder: Path, graph: Graph, target: Target, profile: Profile) -> None:
    """Write it into the deployment, whose run gave this profile."""
    build, files = _build_and_files(target)
    values = {
        "model": graph.metadata.get("name") or "A model",
        "target": target.name,
        "title": target.title,
        "figures": _rows(_figures(target, profile)),
        "notes": "".join(f"- {note}\n" for note in profile.notes),
        "build": build.strip(),
        "use": "" if isinstance(target, Rram | Tvm) else _use(graph, target),
        "files": _rows({f"`{name}`".replace(", ", "`, `"): text for name, text in files.items()}),
    }
    write_template(folder / "README.md", "readme.md", values)


def _rows(cells: Mapping[str, str]) -> str:
    return "\n".join(f"| {name} | {text} |" for name, text in cells.items())


def _figures(target: Target, profile: Profile) -> dict[str, str]:
    figures = {
        "latency": f"{quantity(profile.latency, 's')} ({profile.latency_origin})",
        "energy": f"{quantity(profile.energy, 'J')} ({profile.energy_origin})",
    }
    figures |= profile.memory()
    if isinstance(target, Microcontroller):
        figures["board"] = f"{target.flash.size:,} bytes of flash, {target.ram.size:,} of RAM"
    return figures


def _use(graph: Graph, target: Target) -> str:
    is_board = isinstance(target, Microcontroller)
    is_avr = isinstance(target, Microcontroller) and CORES[target.core].family == "avr"
    shape, classes = graph.tensors[graph.input].shape, graph.tensors[graph.output].shape[0]
    values = {
        "source": "model.S" if is_avr else "model.c",
        "cmake": "" if is_avr else CMAKE,
        "config": " and `config.h`" if is_board else "",
        "definition": "the definition `TRIT_CONFIG='\"config.h\"'` " if is_board else "",
        "input": " × ".join(str(size) for size in shape),
        "output": _classes(graph.labels, classes),
        "more": (SOUND if "front_end" in graph.metadata else "") + (TASKS if graph.tasks else ""),
    }
    return "\n" + fill_template("readme_use.md", values)


def _classes(labels: Sequence[str], count: int) -> str:
    return ", ".join(labels) if labels else f"{count} classes"


def _build_and_files(target: Target) -> tuple[str, dict[str, str]]:
    match target:
        case Host():
            return fill_template("readme_host.md", {}), SOURCES
        case Tvm():
            return fill_template("readme_tvm_llvm.md", {}), TVM_FILES
        case Linux():
            text = fill_template("readme_linux.md", {"gcc": GCC, "emulator": EMULATOR})
            return text, {**SOURCES, "toolchain.cmake": "the cross compiler, for CMake", "model_test": "the built test"}
        case Microcontroller():
            core = CORES[target.core]
            if core.qemu is None:
                return fill_template("readme_avr.md", {"mcu": target.core}), AVR_FILES
            text = fill_template("readme_board.md", {"gcc": core.gcc, "qemu": core.qemu.command})
            return text, BOARD_FILES
        case Rram():
            return fill_template("readme_rram.md", {}), RRAM_FILES
