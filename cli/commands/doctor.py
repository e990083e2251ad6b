# SPDX-License-Identifier: Apache-2.0
"""trit doctor: which compilers, simulators and packages are here, and how to get the others."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
from typing import Any

from trit.options import Json
from trit.runtime.errors import TritError
from trit.tables import Column, show

COMMANDS = {  # each with what it is for, and the Debian packages that bring it
    "cc": ("the host's programs", "gcc libc6-dev"),
    "make": ("trit deploy", "make"),
    "cmake": ("deployments, another way", "cmake"),
    "arm-none-eabi-gcc": ("Cortex-M firmware", "gcc-arm-none-eabi"),
    "riscv64-unknown-elf-gcc": ("RISC-V firmware", "gcc-riscv64-unknown-elf"),
    "avr-gcc": ("AVR firmware", "gcc-avr avr-libc"),
    "aarch64-linux-gnu-gcc": ("64-bit Arm Linux", "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"),
    "qemu-system-arm": ("simulated Cortex-M", "qemu-system-arm"),
    "qemu-system-riscv32": ("simulated RISC-V", "qemu-system-misc"),
    "qemu-aarch64": ("emulated 64-bit Arm", "qemu-user"),
    "simavr": ("simulated AVR", "simavr"),
    "ngspice": ("RRAM sense amplifiers", "ngspice"),
}
PACKAGES = {  # distributions, each with what it is for, what it is imported as, and its extra
    "ziglang": ("firmware, for every core", "ziglang", "mcu"),
    "unicorn": ("simulated boards", "unicorn", "mcu"),
    "capstone": ("cycles", "capstone", "mcu"),
    "pyelftools": ("firmware's sizes", "elftools", "mcu"),
    "onnxruntime": ("trit verify", "onnxruntime", "onnxruntime"),
    "qonnx": ("trit import --check", "qonnx", "qonnx"),
    "apache-tvm": ("trit verify, export", "tvm", "tvm"),
    "torch": ("trit train", "torch", "train"),
    "scikit-learn": ("the digits", "sklearn", "train"),
    "pooch": ("data sets' downloads", "pooch", "train"),
    "scipy": ("trit target calibrate", "scipy", "calibrate"),
    "matplotlib": ("trit target sweep --plot", "matplotlib", "plot"),
    "altair": ("trit report", "altair", "report"),
    "vl-convert-python": ("trit report", "vl_convert", "report"),
    "distributed": ("trit profile --cluster", "distributed", "cluster"),
}


def doctor(json: Json = False) -> None:
    """What is installed of compilers, simulators and packages, and how to get the others. Exit status 0 in any case.

    Example: trit doctor
    """
    commands = [_command(name, *known) for name, known in COMMANDS.items()]
    packages = [_package(name, *known) for name, known in PACKAGES.items()]
    rows = [_library(), _data(), *packages, *commands]
    missing = sum(row["found"] is None for row in rows)
    notes = [f"{missing} of {len(rows)} are missing; each matters only for what it is for"] if missing else []
    shown = rows if json else [row if row["found"] is None else {**row, "get": None} for row in rows]
    show("This machine", _COLUMNS, shown, json, notes)


def summary() -> str:
    """One line: the Python, the kernels of this processor, and the packages that are installed."""
    rows = [_package(name, *known) for name, known in PACKAGES.items()]
    found = [f"{row['name']} {row['found']}" for row in rows if row["found"]]
    kernels = _library()["found"] or "no C library"
    return f"Python {platform.python_version()}, {platform.machine()}; kernels {kernels}; {', '.join(found)}"


def _command(name: str, purpose: str, debian: str) -> dict[str, Any]:
    return {"name": name, "for": purpose, "found": shutil.which(name), "get": f"apt-get install {debian}"}


def _package(name: str, purpose: str, module: str, extra: str) -> dict[str, Any]:
    here = importlib.util.find_spec(module) is not None
    found = importlib.metadata.version(name) if here else None
    return {"name": name, "for": purpose, "found": found, "get": f"pip install 'trit[{extra}]'"}


def _library() -> dict[str, Any]:
    row = {"name": "C library", "for": f"kernels on {platform.machine()}", "get": "pip install --force-reinstall trit"}
    try:
        return {**row, "found": ", ".join(reversed(_variants()))}
    except TritError:
        return {**row, "found": None}


def _variants() -> list[str]:
    """The kernel variants that this processor runs, the slowest first."""
    from trit.commands.zoo import network_bytes
    from trit.export.onnx_reader import parse_onnx
    from trit.export.plan import to_plan
    from trit.runtime import Session
    from trit.runtime.library import VARIANTS

    plan, here = to_plan(parse_onnx(network_bytes("fashion-binary-cnn"), "fashion-binary-cnn")), []
    for variant in VARIANTS:
        try:
            here.append(Session(plan, variant).variant)
        except TritError:
            continue
    if not here:
        Session(plan)  # says what is wrong
    return here


def _data() -> dict[str, Any]:
    from trit.train.data import data_folders

    folders = data_folders(None)
    found = next((str(folder) for folder in folders if folder.is_dir()), None)
    return {"name": "data sets", "for": "trit train", "found": found, "get": f"trit train fills {folders[-1]}"}


_COLUMNS = [
    Column("name", "what"),
    Column("for", "for"),
    Column("found", "found"),
    Column("get", "how to get it"),
]
