# SPDX-License-Identifier: Apache-2.0
"""The processor cores that firmware is built for: compilers, simulators, and how much time instructions take.

A board names its core; a new board of a core that stands here is one TOML file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field

from trit.export.schema import Table

Family = Literal["cortex-m", "riscv", "avr"]
Variant = Literal["carry_save", "cpop", "helium", "avr"]  # kernels (runtime/src/variant_<name>.c)


class Region(Table):
    """Memory that programs are linked into."""

    origin: Annotated[int, Field(ge=0, lt=1 << 32)]
    size: Annotated[int, Field(gt=0)]  # bytes


@dataclass(frozen=True)
class QemuMachine:
    """A machine of QEMU's system emulation that has the core."""

    command: str
    flags: str
    flash: Region
    ram: Region


@dataclass(frozen=True)
class Core:
    """One core. Compilers' flags leave out what all cores share (firmware/microcontroller.mk)."""

    family: Family
    zig: str | None  # None where zig cannot build it
    gcc: str  # the command's prefix
    gcc_flags: str
    gcc_link_flags: str  # choose gcc's libraries
    unicorn: str | None  # its name among unicorn's models; None where unicorn lacks instructions of the core
    qemu: QemuMachine | None
    variant: Variant = "carry_save"
    simavr: str | None = None  # its name among simavr's


KIB, MIB = 1 << 10, 1 << 20


def _at(origin: int, size: int) -> Region:
    return Region(origin=origin, size=size)


_AN385 = (_at(0, 4 * MIB), _at(0x20000000, 4 * MIB))


def _cortex_m(cpu: str, zig: str, floats: str, unicorn: str | None, machine: str, *memories: Region) -> Core:
    """`floats` are gcc's flags for the floating-point unit, none where it has none."""
    abi = "eabihf" if floats else "eabi"
    gcc = f"-mcpu={cpu} -mthumb {floats}".strip()
    qemu = QemuMachine("qemu-system-arm", f"-M {machine}", *memories)
    return Core("cortex-m", f"-target thumb-freestanding-{abi} -mcpu={zig}", "arm-none-eabi-", gcc, gcc, unicorn, qemu)


def _rv32(zig: str, gcc: str, unicorn: str | None, cpu: str, variant: Variant) -> Core:
    # gcc's libraries are chosen by the architecture without the extensions that the compiler may use.
    link, flags = "-march=rv32imac -mabi=ilp32", f"-march={gcc} -mabi=ilp32"
    memories = _at(0x80000000, 4 * MIB), _at(0x80400000, 4 * MIB)
    qemu = QemuMachine("qemu-system-riscv32", f"-M virt -cpu {cpu} -bios none", *memories)
    zig = f"-target riscv32-freestanding-none -mcpu={zig}"
    return Core("riscv", zig, "riscv64-unknown-elf-", flags, link, unicorn, qemu, variant)


def _atmega(name: str) -> Core:
    return Core("avr", None, "avr-", f"-mmcu={name} -mrelax -mcall-prologues", "", None, None, "avr", name)


_SINGLE = "-mfloat-abi=hard -mfpu="
_M55 = (_at(0, 512 * KIB), _at(0x30000000, 512 * KIB))
CORES = {
    # No QEMU machine is a Cortex-M0+: its instructions run on the Cortex-M3.
    "cortex-m0plus": _cortex_m("cortex-m0plus", "cortex_m0plus", "", "ARM_CORTEX_M0", "mps2-an385", *_AN385),
    "cortex-m3": _cortex_m("cortex-m3", "cortex_m3", "", "ARM_CORTEX_M3", "mps2-an385", *_AN385),
    "cortex-m4": _cortex_m(
        "cortex-m4", "cortex_m4+vfp4d16sp", f"{_SINGLE}fpv4-sp-d16", "ARM_CORTEX_M4", "mps2-an386", *_AN385
    ),
    "cortex-m7": _cortex_m(
        "cortex-m7",
        "cortex_m7+fp_armv8d16sp",
        f"{_SINGLE}fpv5-sp-d16",
        "ARM_CORTEX_M7",
        "mps2-an500",
        _at(0, 4 * MIB),
        _at(0x60000000, 4 * MIB),
    ),
    "cortex-m33": _cortex_m(
        "cortex-m33",
        "cortex_m33+fp_armv8d16sp",
        f"{_SINGLE}fpv5-sp-d16",
        "ARM_CORTEX_M33",
        "mps2-an505",
        _at(0x10000000, 4 * MIB),
        _at(0x38000000, 2 * MIB),
    ),
    "cortex-m55": replace(
        _cortex_m("cortex-m55", "cortex_m55+mve", "-mfloat-abi=hard", None, "mps3-an547", *_M55), variant="helium"
    ),
    "rv32imac": _rv32("generic_rv32+m+a+c", "rv32imac_zicsr", "RISCV32_ANY", "rv32,zbb=false", "carry_save"),
    "rv32imac-zbb": _rv32("generic_rv32+m+a+c+zba+zbb+zbs", "rv32imac_zicsr_zba_zbb", None, "rv32", "cpop"),
    "atmega328p": _atmega("atmega328p"),
    "atmega2560": _atmega("atmega2560"),
}
