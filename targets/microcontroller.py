# SPDX-License-Identifier: Apache-2.0
"""Firmware for a microcontroller: its build directory, the cross compiler, and what the program takes."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trit.export.graph import Graph
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.runtime.errors import MissingExtra, TritError, Unavailable
from trit.targets.description import Microcontroller
from trit.targets.sources import Images, write_sources

FILES = {
    "Makefile": "microcontroller.mk",
    "cortex_m.ld": "cortex_m.ld",
    "freestanding/string.h": "string.h",
    "main.c": "main.c",
    "platform.h": "platform.h",
    "platform_cortex_m.c": "platform_cortex_m.c",
    "platform_host.c": "platform_host.c",
}
ZIG_TARGETS = {"cortex-m4": "-target thumb-freestanding-eabihf -mcpu=cortex_m4+vfp4d16sp"}
LANES = 1  # output channels interleaved in the plan: a microcontroller computes one at a time


@dataclass(frozen=True)
class Firmware:
    """A linked program and what it takes, in bytes."""

    elf: Path
    flash: int  # code, model and initial values; without the test images
    static_ram: int  # arena and variables, without the stack


def write_firmware(graph: Graph, target: Microcontroller, folder: Path, images: Images) -> None:
    """The build directory of the graph's firmware, with the images and their scores as its test."""
    plan = to_plan(graph, lanes=LANES)
    values = {
        "target": target.name,
        "flash_origin": hex(target.flash.origin),
        "flash_size": hex(target.flash.size),
        "ram_origin": hex(target.ram.origin),
        "ram_size": hex(target.ram.size),
    }
    write_sources(folder, plan, images, Session(plan).run(images), FILES, values)


def build_firmware(target: Microcontroller, folder: Path) -> Firmware:
    """Run the build directory's Makefile with zig. Raises TritError if the program is too large, saying by how much."""
    if importlib.util.find_spec("ziglang") is None:
        raise MissingExtra("ziglang", "mcu")
    if shutil.which("make") is None:
        raise Unavailable("make is not installed (Debian: apt-get install make)")
    compiler = f"{sys.executable} -m ziglang cc {ZIG_TARGETS[target.core]}"
    command = ["make", "-s", "-j2", "-C", str(folder), "firmware.elf", f"CROSS_CC={compiler}"]
    done = subprocess.run(command, capture_output=True, text=True, env=_environment())
    if done.returncode:
        _refuse_overflow(target, done.stderr)
        raise TritError(f"{folder}: the firmware does not build: {done.stderr.strip()[-400:]}")
    return _measure(folder / "firmware.elf")


@contextmanager
def temporary_firmware(graph: Graph, target: Microcontroller) -> Iterator[Firmware]:
    """The graph's firmware in a folder that is gone afterwards, with one blank test image."""
    with tempfile.TemporaryDirectory(prefix="trit-") as folder:
        image = np.zeros((1, *graph.tensors[graph.input].shape), np.uint8)
        write_firmware(graph, target, Path(folder), image)
        yield build_firmware(target, Path(folder))


def _environment() -> dict[str, str]:
    """zig compiles its run-time library once and keeps it: in the user's cache, or where there is none, in /tmp."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trit" / "zig"
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError:
        cache = Path(tempfile.gettempdir()) / f"trit-zig-{os.getuid()}"
    return {"ZIG_GLOBAL_CACHE_DIR": str(cache), "ZIG_LOCAL_CACHE_DIR": str(cache), **os.environ}


def _refuse_overflow(target: Microcontroller, messages: str) -> None:
    for region, memory in (("FLASH", target.flash), ("RAM", target.ram)):
        # lld: will not fit in region 'FLASH': overflowed by N bytes; GNU ld: region `FLASH' overflowed by N bytes
        found = [int(count) for count in re.findall(rf"region [`']{region}'.*?overflowed by (\d+) bytes", messages)]
        if found:
            raise Unavailable(
                f"the model is too large for {target.name}: it takes {max(found):,} bytes more than the "
                f"{memory.size:,} bytes of {region.lower()} there are"
            )


def _measure(elf: Path) -> Firmware:
    from elftools.elf.constants import SH_FLAGS
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as file:
        sections = {s.name: s for s in ELFFile(file).iter_sections() if s["sh_flags"] & SH_FLAGS.SHF_ALLOC}
        loaded = {name: s["sh_size"] for name, s in sections.items() if s["sh_type"] != "SHT_NOBITS"}
        writable = [s["sh_size"] for name, s in sections.items() if name in (".data", ".bss")]
    return Firmware(elf, sum(loaded.values()) - loaded.get(".test_images", 0), sum(writable))
