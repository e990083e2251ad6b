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
from trit.tables import Column, show, show_json

COMMANDS = {  # each with what it is for, and the Debian packages that bring it
    "cc": ("programs for this machine by trit deploy", "gcc libc6-dev"),
    "make": ("building what trit deploy writes", "make"),
    "cmake": ("building what trit deploy writes, another way", "cmake"),
    "ccache": ("compiling the C library for a board once, not for each deployment", "ccache"),
    "arm-none-eabi-gcc": ("Cortex-M firmware by gcc instead of zig", "gcc-arm-none-eabi"),
    "riscv64-unknown-elf-gcc": ("RISC-V firmware by gcc instead of zig", "gcc-riscv64-unknown-elf"),
    "avr-gcc": ("AVR firmware", "gcc-avr avr-libc"),
    "aarch64-linux-gnu-gcc": ("programs for 64-bit Arm Linux", "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"),
    "qemu-system-arm": ("simulating a Cortex-M55 and an RP2350", "qemu-system-arm"),
    "qemu-system-riscv32": ("simulating RISC-V boards", "qemu-system-misc"),
    "qemu-aarch64": ("running programs for 64-bit Arm Linux here", "qemu-user"),
    "simavr": ("simulating AVR boards, and their cycles", "simavr"),
    "ngspice": ("trit target calibrate: RRAM sense amplifiers", "ngspice"),
}
PACKAGES = {  # distributions, each with what it is for, what it is imported as, and its extra
    "onnx": ("models as ONNX files", "onnx", "cli"),
    "ziglang": ("firmware for every core but AVR", "ziglang", "mcu"),
    "unicorn": ("simulating Cortex-M boards", "unicorn", "mcu"),
    "capstone": ("cycles of microcontrollers", "capstone", "mcu"),
    "pyelftools": ("sizes of firmware", "elftools", "mcu"),
    "onnxruntime": ("running models in onnxruntime, as trit verify does", "onnxruntime", "onnxruntime"),
    "qonnx": ("trit import --check of QONNX files", "qonnx", "qonnx"),
    "apache-tvm": ("trit export --format tvm, and TVM in trit verify", "tvm", "tvm"),
    "torch": ("trit train, and models as model.pt", "torch", "train"),
    "accelerate": ("trit train", "accelerate", "train"),
    "scikit-learn": ("the data set digits", "sklearn", "train"),
    "pooch": ("downloading data sets", "pooch", "train"),
    "joblib": ("trit sweep", "joblib", "train"),
    "scipy": ("trit target calibrate", "scipy", "calibrate"),
    "matplotlib": ("pictures: --plot", "matplotlib", "plot"),
    "altair": ("trit report", "altair", "report"),
    "vl-convert-python": ("trit report", "vl_convert", "report"),
    "jinja2": ("trit report", "jinja2", "report"),
    "distributed": ("--cluster of trit sweep and trit profile", "distributed", "cluster"),
}


def doctor(json: Json = False) -> None:
    """What is installed of compilers, simulators and packages, and a line for each that is not: what it is for, and how
    to get it. Exit status 0 in any case.

    Example: trit doctor
    """
    commands = [_command(name, *known) for name, known in COMMANDS.items()]
    packages = [_package(name, *known) for name, known in PACKAGES.items()]
    rows = [_library(), _data(), *packages, *commands]
    if json:
        show_json(rows=rows)
        return
    missing = [f"{row['name']} is missing, for {row['for']}: {row['get']}" for row in rows if row["found"] is None]
    if missing:
        missing.insert(0, f"{len(missing)} of {len(rows)} are missing; each matters only for what it is for:")
    show("This machine", _COLUMNS, [row for row in rows if row["found"] is not None], notes=missing)


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
    import numpy as np

    from trit.export.graph import Graph, Tensor
    from trit.export.operators import Conv, Scores
    from trit.export.plan import to_plan
    from trit.runtime import Session
    from trit.runtime.library import VARIANTS

    one = (1, 1, 1)
    tensors = {"x": Tensor("x", "uint8", one), "sum": Tensor("sum", "int32", one), "y": Tensor("y", "float32", one)}
    weight, number = np.ones((1, 1, 1, 1), np.int8), np.ones(1, np.float32)
    nodes = [Conv("conv", "x", "sum", weight, "binary"), Scores("scores", "sum", "y", number, number)]
    plan = to_plan(Graph("x", "y", tensors, nodes))
    here = []
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
]
