# SPDX-License-Identifier: Apache-2.0
"""Target descriptions: TOML files in this folder, or a user's own, whose figures carry unit, origin and source."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import field_validator

from trit.export.schema import apply_override, check, parse_toml, read_toml, shipped
from trit.runtime.errors import TritError
from trit.targets.figure import Amperes, Described, Figure, Hertz, Volts, Watts
from trit.targets.microcontroller.cores import CORES, Region
from trit.targets.parts import with_parts
from trit.targets.rram.chip import Rram


class Host(Described):
    """The machine trit runs on; latency is measured on it."""

    kind: Literal["host"]
    power: Watts  # W of one busy core


class Tvm(Described):
    """A processor that TVM's LLVM compiles for; where it is this machine, latency is measured on it."""

    kind: Literal["tvm"]
    mcpu: str = ""  # as LLVM names it; "": this machine's
    triple: str = ""
    power: Watts  # W of one busy core


class Linux(Described):
    """A 64-bit Arm processor with Linux; instructions are counted under emulation."""

    kind: Literal["linux"]
    core: str  # as compilers call it: cortex-a53
    clock: Hertz  # Hz
    fewest_cycles: Figure  # an instruction
    most_cycles: Figure
    power: Watts  # W of one busy core


class Microcontroller(Described):
    """A core with its memories; instructions are counted in a simulator."""

    kind: Literal["microcontroller"]
    core: str
    flash: Region
    ram: Region
    clock: Hertz  # Hz
    wait_states: Figure  # cycles that a fetch from flash takes longer where no cache or prefetch helps
    supply: Volts  # V
    current: Amperes  # A while running
    sleep_current: Amperes  # A between inferences, memory kept, until a timer wakes the core

    @field_validator("core")
    @classmethod
    def _is_known(cls, core: str) -> str:
        if core not in CORES:
            raise ValueError(f"unknown core; it must be one of {', '.join(CORES)}")
        return core


Target = Host | Linux | Microcontroller | Rram | Tvm
_KINDS: dict[str, type[Host] | type[Linux] | type[Microcontroller] | type[Rram] | type[Tvm]] = {
    "host": Host,
    "linux": Linux,
    "microcontroller": Microcontroller,
    "rram": Rram,
    "tvm": Tvm,
}


def available() -> list[str]:
    """Names of the targets that ship with trit."""
    return shipped(files("trit.targets"))


def load_target(name: str, overrides: Iterable[str] = ()) -> Target:
    """The shipped target of that name, or the description at that path (it ends in .toml), with KEY=VALUE overrides.

    Raises TritError for an unknown name, unreadable TOML, an unknown key or a bad value; the message names it.
    """
    schema, table, label = read_target(name, overrides)
    target: Target = check(schema, table, f"target {label}")
    target._name = label
    return target


def read_target(name: str, overrides: Iterable[str] = ()) -> tuple[type[Target], dict[str, Any], str]:
    """The schema that the description's kind asks for, its table with parts and overrides in place, and its name."""
    text, label = read_toml(name, files("trit.targets"), "target")
    what = f"target {label}"
    table = parse_toml(text, what)
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise TritError(f"{what}: kind is {kind!r}; it must be one of {', '.join(_KINDS)}")
    folder = Path(name).parent if name.endswith(".toml") else Path(str(files("trit.targets")))
    table = with_parts(table, folder, what)
    for override in overrides:
        apply_override(table, override, what)
    return _KINDS[kind], table, label
