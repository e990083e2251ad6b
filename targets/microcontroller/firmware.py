# SPDX-License-Identifier: Apache-2.0
"""Firmware for a microcontroller: its build directory, the cross compiler, and what the program takes."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from trit.export.graph import Graph
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.runtime.errors import TritError, Unavailable
from trit.runtime.files import write_atomic
from trit.targets.description import Microcontroller
from trit.targets.microcontroller.config import LANES, config_header
from trit.targets.microcontroller.cores import CORES, Core, Family, Region
from trit.targets.sizes import heaviest
from trit.targets.sources import Images, expected_scores, write_sources, write_template
from trit.targets.toolchain import Toolchain, cross_compiler, run_make

Program = Literal["firmware", "simulator"]  # linked for the board's memories, or for those of QEMU's machine
FILES = {"main.c": "main.c", "platform.h": "platform.h", "platform_host.c": "platform_host.c"}
FREESTANDING_FILES = {
    "Makefile": "microcontroller.mk",
    "CMakeLists.txt": "microcontroller.cmake",
    "toolchain.cmake": "microcontroller_toolchain.cmake",
    "freestanding/string.h": "string.h",
    "memory.c": "memory.c",
    "stack.h": "stack.h",
}
FAMILY_FILES: dict[Family, dict[str, str]] = {
    "cortex-m": FREESTANDING_FILES | {"platform_board.c": "platform_cortex_m.c"},
    "riscv": FREESTANDING_FILES | {"platform_board.c": "platform_riscv.c"},
    "avr": {"platform_board.c": "platform_avr.c", "Makefile": "avr.mk"},
}
AVR_STACK = 512  # bytes that the linker leaves free for it; how many it takes, a run shows


@dataclass(frozen=True)
class Firmware:
    """A linked program and what it takes, in bytes."""

    elf: Path
    flash: int  # code, model and initial values; without the test images
    static_ram: int  # arena and variables, without the stack
    runtime_code: int  # of flash: the C library's functions and tables
    initial_values: int  # of flash: what variables start from

    def flash_parts(self, session: Session) -> dict[str, int]:
        """Bytes of flash by what they hold; `session` has the plan in it."""
        weights = sum(step.weight_bytes for step in session.steps)
        parameters = sum(step.parameter_bytes for step in session.steps)
        parts = {
            "weights": weights,
            "thresholds": parameters - weights,  # and what else layers have beside weights
            "tables and texts": session.size - parameters,  # of the plan
            "runtime": self.runtime_code,
            "initial values": self.initial_values,
        }
        return {**parts, "other code": self.flash - sum(parts.values())}

    def ram_parts(self, session: Session, stack: int) -> dict[str, int]:
        """Bytes of RAM by what they hold, of a run that used so much stack."""
        arena = session.arena_size
        return {"arena": arena, "variables": self.static_ram - arena, "stack": stack}


def write_firmware(
    graph: Graph, target: Microcontroller, folder: Path, images: Images, with_scores: bool = True
) -> None:
    """The build directory of the graph's firmware, with the images and their scores as its test."""
    core, plan = CORES[target.core], to_plan(graph, lanes=LANES)
    values = {
        **build_values(target.name, core),
        "qemu": core.qemu.command if core.qemu else "",
        "qemu_flags": core.qemu.flags if core.qemu else "",
        "mcu": core.simavr or "",
        "clock": f"{target.clock.value:.0f}",
    }
    session = Session(plan)
    scores = expected_scores(session, images) if with_scores else None
    write_sources(folder, plan, images, scores, FILES | FAMILY_FILES[core.family], values, core.family == "avr")
    write_atomic(folder / "config.h", config_header(graph, session, core.variant).encode())
    script = "avr.ld" if core.family == "avr" else "microcontroller.ld"
    write_template(folder / "firmware.ld", script, memories(target.name, target.flash, target.ram))
    if core.qemu:
        write_template(folder / "simulator.ld", script, memories(target.name, core.qemu.flash, core.qemu.ram))


def build_values(name: str, core: Core) -> dict[str, str]:
    """How a board's Makefile builds for its core."""
    return {
        "target": name,
        "gcc": core.gcc,
        "gcc_flags": core.gcc_flags,
        "gcc_link_flags": core.gcc_link_flags,
        "zig_flags": core.zig or "",
    }


def memories(name: str, flash: Region, ram: Region) -> dict[str, str]:
    """The values of the linker scripts."""
    return {
        "target": name,
        "stack_size": str(AVR_STACK),
        "flash_origin": hex(flash.origin),
        "flash_size": hex(flash.size),
        "ram_origin": hex(ram.origin),
        "ram_size": hex(ram.size),
    }


def build_firmware(
    target: Microcontroller, folder: Path, toolchain: Toolchain | None = None, program: Program = "firmware"
) -> Firmware:
    """Run the build directory's Makefile, with zig unless said otherwise, or gcc where zig does not know the core.

    Raises TritError if the program is too large, saying by how much.
    """
    core = CORES[target.core]
    done = run_make(folder, f"{program}.elf", *cross_compiler(toolchain, core.zig, core.gcc))
    if done.returncode:
        _refuse_overflow(target, done.stderr, Session(folder / "model.trit"))
        raise TritError(f"{folder}: the firmware does not build: {done.stderr.strip()[-400:]}")
    return _measure(folder / f"{program}.elf", folder / "build/src")


@contextmanager
def temporary_firmware(
    graph: Graph, target: Microcontroller, images: Images | None = None, with_scores: bool = True
) -> Iterator[Path]:
    """The folder of the graph's firmware, gone afterwards, with these test images or a blank one.

    Without expected scores the program prints those that it computes.
    """
    with tempfile.TemporaryDirectory(prefix="trit-") as folder:
        blank = np.zeros((1, *graph.tensors[graph.input].shape), np.uint8)
        write_firmware(graph, target, Path(folder), blank if images is None else images, with_scores)
        yield Path(folder)


def _refuse_overflow(target: Microcontroller, messages: str, session: Session) -> None:
    regions: list[tuple[Literal["FLASH", "RAM"], Region]] = [("FLASH", target.flash), ("RAM", target.ram)]
    for region, memory in regions:
        # lld: will not fit in region 'FLASH': overflowed by N bytes; GNU ld: region `FLASH' overflowed by N bytes
        found = [int(count) for count in re.findall(rf"region [`']{region}'.*?overflowed by (\d+) bytes", messages)]
        if found:
            raise Unavailable(
                f"the model is too large for {target.name}: it takes {max(found):,} bytes more than the "
                f"{memory.size:,} bytes of {region.lower()} there are; {heaviest(session.steps, region)}"
            )


def _measure(elf: Path, runtime: Path) -> Firmware:
    """`runtime` is the folder of the C library's objects."""
    from elftools.elf.constants import SH_FLAGS
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as file:
        sections = {s.name: s for s in ELFFile(file).iter_sections() if s["sh_flags"] & SH_FLAGS.SHF_ALLOC}
        loaded = {name: s["sh_size"] for name, s in sections.items() if s["sh_type"] != "SHT_NOBITS"}
        writable = [s["sh_size"] for name, s in sections.items() if name in (".data", ".bss")]
    names = {name for path in runtime.glob("*.o") for name, _ in _defined(path)}
    runtime_code = sum(size for name, size in _defined(elf) if name in names)
    flash = sum(loaded.values()) - loaded.get(".test_images", 0)
    return Firmware(elf, flash, sum(writable), runtime_code, loaded.get(".data", 0))


def _defined(path: Path) -> list[tuple[str, int]]:
    """Names and sizes of the functions and tables that an ELF file holds."""
    from elftools.elf.elffile import ELFFile

    with path.open("rb") as file:
        symbols = ELFFile(file).get_section_by_name(".symtab").iter_symbols()
        return [
            (symbol.name, symbol["st_size"])
            for symbol in symbols
            if symbol["st_info"]["type"] in ("STT_FUNC", "STT_OBJECT") and symbol["st_shndx"] != "SHN_UNDEF"
        ]
