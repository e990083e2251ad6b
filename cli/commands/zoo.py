# SPDX-License-Identifier: Apache-2.0
"""trit zoo: the trained networks that ship with trit."""

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer

from trit.options import Json
from trit.runtime.errors import TritError
from trit.runtime.files import write_atomic
from trit.tables import Column, show


def zoo(
    name: Annotated[str | None, typer.Argument(help="The network to copy out; none: list them.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to copy its .onnx file.")] = None,
    json: Json = False,
) -> None:
    """List the networks that ship with trit, or copy one out.

    Example: trit zoo fashion-ternary-cnn -o fashion.onnx
    """
    cards = networks()
    if name is None:
        show("Networks that ship with trit", _COLUMNS, cards, json)
        return
    if name not in [card["name"] for card in cards]:
        raise TritError(f"no network {name!r} in the zoo: it has {', '.join(card['name'] for card in cards)}")
    target = output or Path(f"{name}.onnx")
    if output is None and target.exists():
        raise TritError(f"{target} exists: name another file with -o")
    data = network_bytes(name)
    write_atomic(target, data)
    typer.echo(f"{target}: {len(data):,} bytes")


def networks() -> list[dict[str, Any]]:
    """The cards of zoo.toml, each with its file's size in bytes."""
    cards = tomllib.loads((files("trit") / "zoo" / "zoo.toml").read_text())["network"]
    return [{**card, "bytes": len(network_bytes(card["name"]))} for card in cards]


def network_bytes(name: str) -> bytes:
    return (files("trit") / "zoo" / f"{name}.onnx").read_bytes()


_COLUMNS = [
    Column("name", "network"),
    Column("bytes", "bytes", "{:,}"),
    Column("accuracy", "accuracy", "{:.2%}"),
    Column("test_set", "measured on"),
    Column("minutes", "minutes to train"),
    Column("command", "made by"),
]
