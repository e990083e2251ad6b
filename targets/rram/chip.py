# SPDX-License-Identifier: Apache-2.0
"""What a chip of resistive memories is described by: device, cell, sense amplifier, arrays, logic, operating point.

The device, cell, sense and logic of a description may be tables, or the name of a part in targets/parts/ (a user's own:
the path of its .toml).
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from trit.export.schema import Table
from trit.targets.figure import (
    Amperes,
    Celsius,
    Count,
    Cycles,
    Described,
    ElectronVolts,
    Farads,
    Joules,
    Ohms,
    Origin,
    Ratio,
    Seconds,
    SignedRatio,
    SquareMetres,
    Volts,
    Watts,
)

PARTS = ("device", "cell", "sense", "logic")  # sections that may be the name of a part


class Lognormal(Table):
    """ln R is normal, about ln(median), with standard deviation sigma."""

    kind: Literal["lognormal"]
    median: Ohms
    sigma: Ratio


class Empirical(Table):
    """Measured resistances, a number in Ω a line; draws lie between neighbours of the sorted values."""

    kind: Literal["empirical"]
    file: str
    origin: Origin
    source: str


class Synaptogen(Table):
    """The parameter file of a Synaptogen model (Hennen et al., 2022), which was fitted to measured arrays."""

    kind: Literal["synaptogen"]
    file: str
    origin: Origin
    source: str


Distribution = Annotated[Lognormal | Empirical | Synaptogen, Field(discriminator="kind")]


class Switching(Table):
    """A switching time that falls exponentially with the voltage: t = time_constant · exp(-V / voltage_scale)."""

    time_constant: Seconds
    voltage_scale: Volts


class Pulse(Table):
    """What a device takes to change its state: `count` pulses of one voltage, for a time given or by a law."""

    voltage: Volts
    current: Amperes
    time: Seconds | None = None
    switching: Switching | None = None
    count: Count = 1

    @model_validator(mode="after")
    def _has_one_time(self) -> Pulse:
        if (self.time is None) == (self.switching is None):
            raise ValueError("a pulse has either a time or a switching law")
        return self

    @property
    def duration(self) -> float:
        """Time in s of all its pulses."""
        if self.time is not None:
            return self.count * self.time.value
        assert self.switching is not None
        law = self.switching
        return self.count * law.time_constant.value * math.exp(-self.voltage.value / law.voltage_scale.value)

    @property
    def energy(self) -> float:
        """Energy in J: voltage · current · duration."""
        return self.voltage.value * self.current.value * self.duration


class Condition(Table):
    """How devices are programmed, what resistances that gives, and how often they bear it."""

    set: Pulse
    reset: Pulse
    lrs: Distribution | None = None  # none: the chip's [errors] say all about its reads
    hrs: Distribution | None = None
    endurance: Cycles


class Retention(Table):
    """How the distributions move: with d = log10(1 + t / onset(T)) decades, ln R by `drift`·d, and its standard
    deviation grows to √(sigma² + (spread·d)²); onset(T) = onset · exp(activation / k · (1/T - 1/T_reference))."""

    lrs_drift: SignedRatio
    hrs_drift: SignedRatio
    lrs_spread: Ratio
    hrs_spread: Ratio
    onset: Seconds
    activation: ElectronVolts
    reference: Celsius


class Noise(Table):
    """Random telegraph noise: standard deviation of ln R from one read to the next."""

    lrs: Ratio
    hrs: Ratio


class Device(Table):
    """A memory device with its programming conditions by name."""

    title: str
    conditions: dict[str, Condition] = Field(min_length=1)
    forming: Pulse | None = None
    retention: Retention | None = None
    noise: Noise | None = None


class Cell(Table):
    """How devices store a weight.

    2T2R: +1 and -1 are LRS on the bit line or on its complement, 0 is HRS on both. 1T1R: one device is compared with a
    reference resistance; binary weights only. multilevel: one device with three states. `polarity` is the weight that
    LRS on the bit line stands for.
    """

    kind: Literal["2T2R", "1T1R", "multilevel"]
    polarity: Literal[1, -1] = 1
    reference: Ohms | None = None  # of 1T1R
    area: SquareMetres

    @model_validator(mode="after")
    def _has_its_reference(self) -> Cell:
        if (self.kind == "1T1R") != (self.reference is not None):
            raise ValueError("a 1T1R cell has a reference resistance; the others have none")
        return self

    @property
    def devices(self) -> int:
        """Devices a synapse."""
        return 2 if self.kind == "2T2R" else 1

    @property
    def stores_ternary(self) -> bool:
        """Whether a synapse can hold 0 beside -1 and +1."""
        return self.kind != "1T1R"


class Pcsa(Table):
    """Precharge sense amplifiers; their times, decisions and energy come from the calibrated circuit."""

    kind: Literal["pcsa"]
    technology: str  # a calibration: its name, or the .json of one's own
    mismatch: Volts  # standard deviation of the threshold of either latch transistor
    capacitance: Farads  # of a bit line's end
    cell_capacitance: Farads  # that each row adds to it
    cell_resistance: Ohms  # of the lines, that each row between a cell and the amplifier adds to its devices
    area: SquareMetres  # an amplifier


class Readout(Table):
    """Sense amplifiers with a time and an energy a synapse as given; their errors are the chip's [errors]."""

    kind: Literal["readout"]
    time: Seconds
    energy: Joules  # at the logic's nominal supply
    area: SquareMetres


class Adc(Table):
    """Analog-to-digital converters: `rows` rows conduct at once, and a column's current becomes one of 2^bits codes."""

    kind: Literal["adc"]
    bits: Annotated[int, Field(ge=1, le=16)]
    rows: Count
    time: Seconds  # a conversion
    energy: Joules  # a conversion
    cell_energy: Joules  # a synapse that conducts meanwhile
    area: SquareMetres


class Array(Table):
    """One crossbar of synapses. `available` arrays are on the chip; none: as many as the network needs."""

    rows: Count
    columns: Count
    columns_per_amplifier: Count = 1  # read one after the other
    available: Count | None = None
    shared: bool = False  # whether tiles of several layers may stand in one array
    replicated: bool = False  # whether spare arrays hold copies of the slowest layers

    @model_validator(mode="after")
    def _divides(self) -> Array:
        if self.columns % self.columns_per_amplifier:
            raise ValueError(
                f"columns_per_amplifier is {self.columns_per_amplifier}, which does not divide {self.columns} columns"
            )
        return self


class Logic(Table):
    """Energy, leakage and area of the digital logic beside the arrays.

    Energies are for the `nominal` supply and go with its square, the leakage with the supply.
    """

    nominal: Volts
    xnor: Joules  # a weight multiplied with its activation; 0 where the amplifier does it
    count: Joules  # a product counted in its column's counter or adder tree
    add: Joules  # two partial sums of arrays added
    threshold: Joules  # a sum compared with its thresholds
    rescale: Joules  # a sum rescaled to 8 bits
    buffer: Joules  # a bit of an activation written and read
    transfer: Joules  # a bit of a sum or an activation moved between arrays
    control: Joules  # a cycle of one amplifier's column: clock and registers
    chip_control: Joules  # a cycle of the chip's controller
    gated: bool = True  # whether arrays that do not work get no clock, and do not read
    array_leakage: Watts  # an array with its periphery
    chip_leakage: Watts  # the rest
    column_area: SquareMetres  # counter, comparator and registers of a column
    array_area: SquareMetres  # decoders and control of an array
    chip_area: SquareMetres  # the rest


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Operation(Table):
    """The operating point, which one chooses: figures without an origin. Temperature and age make the devices drift."""

    supply: Positive  # V
    clock: Positive  # Hz; a cycle reads one row of every array at work
    read_time: Positive  # s from the start of the discharge to the sampling of the amplifiers
    temperature: float = Field(25.0, gt=-273.15, allow_inf_nan=False)  # °C
    corner: Literal["tt", "ss", "ff", "sf", "fs"] = "tt"  # nMOS, pMOS: typical, slow, fast
    condition: str  # of programming, one of the device's
    age: float = Field(0.0, ge=0, allow_inf_nan=False)  # s since programming


class Errors(Table):
    """Measured probabilities that a read gives another weight than the stored one, instead of device and amplifier."""

    sign: Ratio  # ternary: +1 ↔ -1
    lost: Ratio  # ternary: ±1 → 0
    raised: Ratio  # ternary: 0 → ±1, either sign as often
    flip: Ratio  # binary: +1 ↔ -1


class Rram(Described):
    """An in-memory-compute chip whose arrays hold binary or ternary weights."""

    kind: Literal["rram"]
    device: Device
    cell: Cell
    sense: Annotated[Pcsa | Readout | Adc, Field(discriminator="kind")]
    array: Array
    logic: Logic
    operation: Operation
    errors: Errors | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Rram:
        conditions = self.device.conditions
        if self.operation.condition not in conditions:
            known = ", ".join(conditions)
            raise ValueError(f"operation.condition: {self.operation.condition!r} is none of the device's: {known}")
        if self.errors is None and isinstance(self.sense, Readout):
            raise ValueError("errors: missing; a readout without a circuit model needs measured rates")
        if self.errors is None:
            missing = [state for state in ("lrs", "hrs") if getattr(self.condition, state) is None]
            if missing:
                where = f"device.conditions.{self.operation.condition}.{missing[0]}"
                raise ValueError(f"{where}: missing, and there are no [errors] instead")
        return self

    @property
    def condition(self) -> Condition:
        """How the devices are programmed."""
        return self.device.conditions[self.operation.condition]
