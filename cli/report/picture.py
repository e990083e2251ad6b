# SPDX-License-Identifier: Apache-2.0
"""A picture of the report: a Vega-Lite specification beside its words and its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trit.runtime.errors import MissingExtra

HEIGHT = 260


@dataclass(frozen=True)
class Picture:
    """A picture, and what it shows in words. Its data are in the specification, for a table of the numbers, too."""

    title: str
    description: str
    spec: dict[str, Any]


def picture(title: str, description: str, chart: Any, height: int = HEIGHT) -> Picture:
    """Of an Altair chart, as wide as its place in the page."""
    spec = chart.properties(width="container", height=height, description=f"{title}: {description}").to_dict()
    return Picture(title, description, spec)


def chart(rows: list[dict[str, Any]]) -> Any:
    """An Altair chart of the rows; all of its charts' types are names followed by :Q or :N."""
    return altair().Chart(altair().Data(values=rows))


def choice(name: str, options: Sequence[str]) -> Any:
    """A parameter that a list of its options sets."""
    return altair().param(name=name, value=options[0], bind=altair().binding_select(options=options, name=f"{name} "))


def percent(key: str, zero: bool = False) -> Any:
    """The upward axis of a share, from zero or from where the data begin."""
    return altair().Y(f"{key}:Q", scale=altair().Scale(zero=zero), axis=altair().Axis(format="%"))


def altair() -> Any:
    """Raises MissingExtra where it is not installed."""
    try:
        import altair
    except ImportError:
        raise MissingExtra("altair", "report") from None
    return altair
