# SPDX-License-Identifier: Apache-2.0
"""trit zoo: the trained networks that ship with trit."""

import json as json_format
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer

from trit import completion
from trit.commands import confusion
from trit.options import Json
from trit.runtime.errors import TritError
from trit.runtime.files import write_atomic
from trit.tables import Column, show, show_json


def zoo(
    name: Annotated[
        str | None,
        typer.Argument(
            help="The network to copy out, or to show with --card; none: list them.", autocompletion=completion.networks
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to copy its .onnx file.")] = None,
    card: Annotated[bool, typer.Option("--card", help="Show what was measured of it instead of copying it.")] = False,
    json: Json = False,
) -> None:
    """List the networks that ship with trit, copy one out, or show its card.

    Example: trit zoo fashion-ternary-cnn -o fashion.onnx

    Example: trit zoo kws-ternary-dscnn --card
    """
    listed = networks()
    if name is None:
        if card:
            raise TritError("--card needs the name of a network: trit zoo lists them")
        rows = [{**_sized(network), "accuracy": accuracy(card_of(network["name"]))} for network in listed]
        show("Networks that ship with trit", _COLUMNS, rows, json)
        return
    found = next((network for network in listed if network["name"] == name), None)
    if found is None:
        raise TritError(f"no network {name!r} in the zoo: it has {', '.join(network['name'] for network in listed)}")
    if card and output:
        raise TritError("--card shows the network, --output copies it: give one of them")
    if card:
        _show_card(_sized(found), card_of(name), json)
    else:
        _copy(name, output)


def networks() -> list[dict[str, Any]]:
    """The entries of zoo.toml."""
    entries: list[dict[str, Any]] = tomllib.loads((files("trit") / "zoo" / "zoo.toml").read_text())["network"]
    return entries


def network_bytes(name: str) -> bytes:
    return (files("trit") / "zoo" / f"{name}.onnx").read_bytes()


def card_of(name: str) -> dict[str, Any]:
    """What `python -m benchmarks.cards` measured of the network."""
    found: dict[str, Any] = json_format.loads((files("trit") / "zoo" / f"{name}.json").read_text())
    return found


def accuracy(card: dict[str, Any]) -> float:
    return float(card["right"] / card["images"])


def _sized(network: dict[str, Any]) -> dict[str, Any]:
    """The entry with its file's size in bytes."""
    return {**network, "bytes": len(network_bytes(network["name"]))}


def _copy(name: str, output: Path | None) -> None:
    target = output or Path(f"{name}.onnx")
    if output is None and target.exists():
        raise TritError(f"{target} exists: name another file with -o")
    data = network_bytes(name)
    write_atomic(target, data)
    typer.echo(f"{target}: {len(data):,} bytes")


def _show_card(network: dict[str, Any], card: dict[str, Any], json: bool) -> None:
    if json:
        show_json(**network, accuracy=accuracy(card), card=card)
        return
    chip = card["chip"]
    energy = chip.get("refused") or f"{chip['energy']:.3g} J an image ({chip['energy_origin']})"
    facts = {
        "data": network["data"],
        "accuracy": f"{accuracy(card):.2%} of {card['images']:,} test images, in the C runtime (measured)",
        "weights": f"{card['weight_bits']:,} bits",
        "work": f"{card['macs']:,} multiply-accumulates an image",
        "file": f"{network['bytes']:,} bytes",
        chip["target"]: energy,
        "made by": network["command"],
        "measured": f"{card['date']}, version {card['version']}",
    }
    rows = [{"fact": fact, "value": value} for fact, value in facts.items()]
    show(network["name"], [Column("fact", ""), Column("value", "")], rows)
    boards = [{**board, "fewest": board["cycles"][0], "most": board["cycles"][1]} for board in card["boards"]]
    show("On boards, whose instructions are simulated", _BOARDS, boards)
    labels = card["labels"]
    show("What it takes its test images for", confusion.columns(labels), confusion.rows_of(labels, card["counts"]))


_COLUMNS = [
    Column("name", "network"),
    Column("bytes", "bytes", "{:,}"),
    Column("accuracy", "accuracy", "{:.2%}"),
    Column("data", "data"),
    Column("minutes", "minutes to train"),
    Column("command", "made by"),
]
_BOARDS = [
    Column("target", "board"),
    Column("instructions", "instructions", "{:,}"),
    Column("fewest", "fewest cycles", "{:,}"),
    Column("most", "most cycles", "{:,}"),
    Column("origin", "cycles' origin"),
    Column("flash", "flash, bytes", "{:,}"),
    Column("ram", "RAM, bytes", "{:,}"),
]
