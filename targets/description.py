# SPDX-License-Identifier: Apache-2.0
"""Target descriptions: TOML files in this folder, or a user's own, whose figures carry unit, origin and source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field, PrivateAttr, field_validator

from trit.export.schema import Table, check, parse_toml, read_toml, shipped
from trit.runtime.errors import TritError
from trit.targets.microcontroller.cores import CORES, Region

Origin = Literal["measured", "simulated", "datasheet", "published", "assumed"]  # strongest first
Positive = Annotated[int, Field(gt=0)]


class Figure(Table):
    """A number with its unit, where it comes from, and the source in words."""

    value: float = Field(ge=0)
    unit: str
    origin: Origin
    source: str


class Described(Table):
    """What every target has. `name` is the file's."""

    _name: str = PrivateAttr("")
    title: str

    @property
    def name(self) -> str:
        return self._name

    def figures(self) -> Iterator[tuple[str, Figure]]:
        """Every figure of the description with its key."""
        yield from _figures_in(self, "")

    def assumed(self) -> dict[str, str]:
        """One line for each figure that is only assumed, by its key, so that nobody takes it for more."""
        return {
            key: f"assumed: {key} = {figure.value:g} {figure.unit} ({figure.source})"
            for key, figure in self.figures()
            if figure.origin == "assumed"
        }


def weakest(origins: Iterable[Origin]) -> Origin:
    """The origin of a figure computed from figures of these origins."""
    return max(origins, key=get_args(Origin).index)


class Host(Described):
    """The machine trit runs on; latency is measured on it."""

    kind: Literal["host"]
    power: Figure  # W of one busy core


class Linux(Described):
    """A 64-bit Arm processor with Linux; instructions are counted under emulation."""

    kind: Literal["linux"]
    core: str  # as compilers call it: cortex-a53
    clock: Figure  # Hz
    fewest_cycles: Figure  # an instruction
    most_cycles: Figure
    power: Figure  # W of one busy core


class Microcontroller(Described):
    """A core with its memories; instructions are counted in a simulator."""

    kind: Literal["microcontroller"]
    core: str
    flash: Region
    ram: Region
    clock: Figure  # Hz
    wait_states: Figure  # cycles that a fetch from flash takes longer where no cache or prefetch helps
    supply: Figure  # V
    current: Figure  # A while running
    sleep_current: Figure  # A between inferences, memory kept, until a timer wakes the core

    @field_validator("core")
    @classmethod
    def _is_known(cls, core: str) -> str:
        if core not in CORES:
            raise ValueError(f"unknown core; it must be one of {', '.join(CORES)}")
        return core


class Cell(Table):
    """How a synapse's two devices store a weight: the weight that LRS on the bit line stands for."""

    polarity: Literal[1, -1]


class Array(Table):
    """One crossbar of synapses with a sense amplifier a column."""

    rows: Positive
    columns: Positive
    available: Positive | None = None  # arrays on the chip; none: as many as the network needs


class Errors(Table):
    """Probability that one read gives another weight than the stored one."""

    sign: Figure  # ternary: +1 ↔ -1
    lost: Figure  # ternary: ±1 → 0
    raised: Figure  # ternary: 0 → ±1
    flip: Figure  # binary: +1 ↔ -1


class RramCost(Table):
    """Energy and time of what the chip does; digital logic stands beside the arrays."""

    read_time: Figure  # s, one row: precharge, discharge, latch
    sense_energy: Figure  # J a synapse read
    accumulate_energy: Figure  # J a product added into a column's accumulator
    threshold_energy: Figure  # J an output compared with its thresholds and stored
    rescale_energy: Figure  # J an output rescaled to 8 bits and stored
    program_energy: Figure  # J a device set or reset
    static_power: Figure  # W


class Rram(Described):
    """An in-memory-compute chip of 2T2R arrays read by precharge sense amplifiers."""

    kind: Literal["rram"]
    cell: Cell
    array: Array
    errors: Errors
    cost: RramCost


Target = Host | Linux | Microcontroller | Rram
_KINDS: dict[str, type[Host] | type[Linux] | type[Microcontroller] | type[Rram]] = {
    "host": Host,
    "linux": Linux,
    "microcontroller": Microcontroller,
    "rram": Rram,
}


def available() -> list[str]:
    """Names of the targets that ship with trit."""
    return shipped(files("trit.targets"))


def load_target(name: str) -> Target:
    """The shipped target of that name, or the description at that path (it ends in .toml).

    Raises TritError for an unknown name, unreadable TOML, an unknown key or a bad value; the message names it.
    """
    text, label = read_toml(name, files("trit.targets"), "target")
    what = f"target {label}"
    table = parse_toml(text, what)
    kind = table.get("kind")
    if kind not in _KINDS:
        raise TritError(f"{what}: kind is {kind!r}; it must be one of {', '.join(_KINDS)}")
    target: Target = check(_KINDS[kind], table, what)
    target._name = label
    return target


def _figures_in(table: BaseModel, prefix: str) -> Iterator[tuple[str, Figure]]:
    for key in type(table).model_fields:
        value: Any = getattr(table, key)
        if isinstance(value, Figure):
            yield prefix + key, value
        elif isinstance(value, BaseModel):
            yield from _figures_in(value, f"{prefix}{key}.")
