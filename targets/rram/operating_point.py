# SPDX-License-Identifier: Apache-2.0
"""How a sense amplifier is used: what both the circuit and its compact model are asked about."""

from __future__ import annotations

from dataclasses import dataclass

from trit.runtime.errors import TritError

CORNERS = ("tt", "ss", "ff", "sf", "fs")  # nMOS, pMOS: typical, slow, fast


@dataclass(frozen=True)
class OperatingPoint:
    """A read's conditions.

    vdd: supply in V; read_time: from SEN to the sampling, in s; bit_line_capacitance: of either bit line, in F;
    temperature in °C; corner: the transistors', one of CORNERS. Raises TritError for what cannot be.
    """

    vdd: float
    read_time: float
    bit_line_capacitance: float = 100e-15
    temperature: float = 27.0
    corner: str = "tt"

    def __post_init__(self) -> None:
        for name in ("vdd", "read_time", "bit_line_capacitance"):
            if not getattr(self, name) > 0:
                raise TritError(f"{name} is {getattr(self, name)}; it must be above 0")
        if self.corner not in CORNERS:
            raise TritError(f"corner {self.corner!r} is none of {', '.join(CORNERS)}")
