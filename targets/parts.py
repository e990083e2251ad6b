# SPDX-License-Identifier: Apache-2.0
"""Parts of a description that stand in files of their own: a section's table, by name or path."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from trit.export.schema import parse_toml, read_toml
from trit.runtime.errors import TritError
from trit.targets.rram.chip import PARTS


def with_parts(table: dict[str, Any], folder: Path, what: str) -> dict[str, Any]:
    """The table with its parts in place; what they and it call files are paths from their own folder.

    A section that is a text is the part of that name; one with the key `include` is that part with its other keys
    replaced. A part is a name of targets/parts/, or a path from `folder` that ends in .toml. `what` names the table in
    the TritError raised for one that does not exist or is no TOML.
    """
    whole = _rooted(table, folder)
    for key in PARTS:
        match table.get(key):
            case str(name):
                whole[key] = _part(name, folder, f"{what}: {key}")
            case {"include": str(name)}:
                others = {name: value for name, value in table[key].items() if name != "include"}
                whole[key] = _replaced(_part(name, folder, f"{what}: {key}"), _rooted(others, folder))
    return whole


def _replaced(table: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    """The table with the others' keys, those of tables in it one by one, unless they are of another kind."""
    merged = dict(table)
    for key, value in others.items():
        match table.get(key), value:
            case dict(before), dict() if value.get("kind") in (None, before.get("kind")):
                merged[key] = _replaced(before, value)
            case _:
                merged[key] = value
    return merged


def _part(name: str, folder: Path, what: str) -> dict[str, Any]:
    home = files("trit.targets") / "parts"
    where = folder / name if name.endswith(".toml") else Path(str(home)) / f"{name}.toml"
    try:
        text, label = read_toml(str(where) if name.endswith(".toml") else name, home, "part")
        return _rooted(parse_toml(text, f"part {label}"), where.parent)
    except TritError as error:
        raise TritError(f"{what}: {error}") from error


def _rooted(table: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The table, whose files are named from the folder it was read in."""
    return {key: _rooted_value(key, value, folder) for key, value in table.items()}


def _rooted_value(key: str, value: Any, folder: Path) -> Any:
    if isinstance(value, dict):
        return _rooted(value, folder)
    is_file = key == "file" or (key == "technology" and str(value).endswith(".json"))
    return str(folder / value) if is_file and isinstance(value, str) else value
