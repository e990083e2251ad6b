# SPDX-License-Identifier: Apache-2.0
"""Runs firmware under QEMU's system emulation, for cores whose instructions unicorn lacks."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from importlib.resources import as_file, files
from pathlib import Path

from trit.runtime.errors import TritError, Unavailable
from trit.targets.microcontroller.cores import Core
from trit.targets.microcontroller.elf import Elf
from trit.targets.microcontroller.execution import Block, Execution, printed_scores

SECONDS = 600  # at most, of one run
PLUGIN_INTERFACES = (1, 2)  # QEMU 4.2 to 8.1; later ones


def why_not(core: Core) -> str | None:
    """What is missing to run the core here; None if nothing is."""
    if core.qemu is None:
        return "QEMU has no machine with this core"
    for command, package in ((core.qemu.command, PACKAGES[core.qemu.command]), ("cc", "gcc")):
        if shutil.which(command) is None:
            return f"{command} is not installed (Debian: apt-get install {package})"
    return None


PACKAGES = {"qemu-system-arm": "qemu-system-arm", "qemu-system-riscv32": "qemu-system-misc"}


def run(core: Core, elf: Path) -> Execution:
    """Run the program, which is linked for the machine's memories, from reset to its exit.

    Raises Unavailable if a tool is missing, TritError if the program does not end by itself.
    """
    missing = why_not(core)
    if missing or core.qemu is None:
        raise Unavailable(missing or "")
    command = [core.qemu.command, *core.qemu.flags.split(), "-nographic", "-monitor", "none", "-serial", "none"]
    return run_plugged([*command, "-semihosting-config", "enable=on,target=native", "-kernel"], elf)


def run_plugged(command: list[str], elf: Path) -> Execution:
    """Run `command` with the program behind it, a command of QEMU's, which follows its blocks. Raises as `run` does."""
    program = Elf(elf)
    mark = program.address("step_begins") & ~1
    with tempfile.TemporaryDirectory(prefix="trit-") as folder:
        for interface in PLUGIN_INTERFACES:
            plugin, out = _build_plugin(Path(folder), interface), Path(folder, "blocks")
            options = [command[0], "-plugin", f"{plugin},mark={mark:#x},out={out}", *command[1:], str(elf)]
            try:
                done = subprocess.run(options, capture_output=True, text=True, timeout=SECONDS)
            except subprocess.TimeoutExpired as error:
                raise TritError(f"{elf}: the program does not end within {SECONDS} s under QEMU") from error
            if "plugin" not in done.stderr:
                break
        else:
            raise Unavailable(f"{command[0]} does not load plugins: {done.stderr.strip()[-200:]}")
        steps = _steps(out.read_text(), program) if out.exists() else []
    text = done.stdout + done.stderr  # semihosting writes to the latter
    return Execution(printed_scores(text), steps, done.returncode, text)


def _build_plugin(folder: Path, interface: int) -> Path:
    plugin = folder / f"plugin{interface}.so"
    with as_file(files("trit.targets").joinpath("firmware", "qemu_plugin.c")) as source:
        command = ["cc", "-O2", "-shared", "-fPIC", "-fvisibility=hidden", f"-DPLUGIN_VERSION={interface}"]
        done = subprocess.run([*command, "-o", str(plugin), str(source)], capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"cc cannot build QEMU's plugin: {done.stderr.strip()[-200:]}")
    return plugin


def _steps(text: str, program: Elf) -> list[list[Block]]:
    """What ran between two marks. What ran before the first, and after the last, belongs to no step."""
    steps = []
    for part in text.split("mark\n")[1:-1]:
        numbers = [[int(word, 16) for word in line.split()] for line in part.splitlines()]
        steps.append([Block(at, program.code(at, size), count, taken) for at, size, count, taken in numbers])
    return steps
