# SPDX-License-Identifier: Apache-2.0
"""Figures of target descriptions: a number with its unit, where it comes from, and the source in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, Field, PrivateAttr

from trit.export.schema import Table

Origin = Literal["measured", "simulated", "datasheet", "published", "assumed"]  # strongest first
Count = Annotated[int, Field(gt=0)]


class Figure(Table):
    """A number with its unit, where it comes from, and the source in words."""

    value: float
    unit: str
    origin: Origin
    source: str


def _in(unit: str, low: float = 0.0) -> AfterValidator:
    def check(figure: Figure) -> Figure:
        if figure.unit != unit:
            raise ValueError(f"unit is {figure.unit!r}; it must be {unit!r}")
        if not low <= figure.value < float("inf"):
            raise ValueError(f"value is {figure.value:g} {unit}; it must be at least {low:g}")
        return figure

    return AfterValidator(check)


Seconds = Annotated[Figure, _in("s")]
Hertz = Annotated[Figure, _in("Hz", 1.0)]
Volts = Annotated[Figure, _in("V")]
Amperes = Annotated[Figure, _in("A")]
Ohms = Annotated[Figure, _in("Ω")]
Farads = Annotated[Figure, _in("F")]
Watts = Annotated[Figure, _in("W")]
Joules = Annotated[Figure, _in("J")]
ElectronVolts = Annotated[Figure, _in("eV")]
SquareMetres = Annotated[Figure, _in("m²")]
Celsius = Annotated[Figure, _in("°C", -273.15)]
Cycles = Annotated[Figure, _in("cycles")]
Ratio = Annotated[Figure, _in("1")]
SignedRatio = Annotated[Figure, _in("1", float("-inf"))]


class Described(Table):
    """What every target has. `name` is the file's."""

    _name: str = PrivateAttr("")
    title: str

    @property
    def name(self) -> str:
        return self._name

    def figures(self) -> Iterator[tuple[str, Figure]]:
        """Every figure of the description with its key."""
        yield from figures_in(self)

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


def figures_in(table: Any, prefix: str = "") -> Iterator[tuple[str, Figure]]:
    """Every figure in a table and its tables, with its key."""
    if isinstance(table, Figure):
        yield prefix.removesuffix("."), table
    elif isinstance(table, BaseModel):
        for key in type(table).model_fields:
            yield from figures_in(getattr(table, key), f"{prefix}{key}.")
    elif isinstance(table, dict):
        for key, value in table.items():
            yield from figures_in(value, f"{prefix}{key}.")
