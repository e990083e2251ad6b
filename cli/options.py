# SPDX-License-Identifier: Apache-2.0
"""Arguments and options that several commands take."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from trit.runtime.errors import TritError

Model = Annotated[Path, typer.Argument(help="An exported model.onnx, or a model.pt.")]
Data = Annotated[Path | None, typer.Option(help="Folder of the data sets; default $TRIT_DATA, then the cache.")]
Inputs = Annotated[Path | None, typer.Option(help="Your own images: .npy, or .npz with images and labels.")]
Task = Annotated[str | None, typer.Option(help="Of a network with several tasks, the one to run; default: the first.")]
OneTask = Annotated[str | None, typer.Option("--task", help="Of a network with several tasks, take this one alone.")]
TIMES = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}  # s
CHARGES = {"mAh": 1e-3, "Ah": 1.0}  # Ah
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the description's TOML.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def read_quantity(text: str | None, units: Mapping[str, float], option: str, example: str) -> float | None:
    """The number in front of one of the units, times the unit's size. Raises TritError for anything else, and 0."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*(\S+)", text.strip())
    if found is None or found[2] not in units or float(found[1]) == 0:
        raise TritError(f"{option} {text}: give a number above 0 with its unit, one of {', '.join(units)}: {example}")
    return float(found[1]) * units[found[2]]
