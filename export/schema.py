# SPDX-License-Identifier: Apache-2.0
"""TOML files checked by a pydantic schema: recipes and target descriptions; what is wrong in one line."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Iterator
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from trit.runtime.errors import TritError


class Table(BaseModel):
    """A TOML table: unknown keys are errors, numbers are finite, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


_Schema = TypeVar("_Schema", bound=BaseModel)


def parse_toml(text: str, what: str) -> dict[str, Any]:
    """The TOML text as a dictionary; `what` names it in the TritError raised if it is none."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TritError(f"{what}: not TOML: {error}") from error


def shipped(folder: Traversable) -> list[str]:
    """Names of the TOML files in a folder of the package."""
    return sorted(Path(item.name).stem for item in folder.iterdir() if item.name.endswith(".toml"))


def read_toml(name: str, folder: Traversable, what: str) -> tuple[str, str]:
    """Text and name of the shipped TOML file of that name, or of the user's at that path, which ends in .toml.

    `what` says in errors what the file holds. Raises TritError for an unknown name or an unreadable file.
    """
    path = Path(name)
    if path.suffix == ".toml":
        try:
            return path.read_text(), path.stem
        except (OSError, UnicodeDecodeError) as error:
            raise TritError(f"cannot read {what} {name}: {error}") from error
    names = shipped(folder)
    if name not in names:
        hint = did_you_mean(name, names)
        raise TritError(f"no {what} {name!r}: {hint}there are {', '.join(names)}, or give a .toml file")
    return (folder / f"{name}.toml").read_text(), name


def check(schema: type[_Schema], table: dict[str, Any], what: str) -> _Schema:
    """The table as an instance of the schema. Raises TritError with the first wrong key and what is allowed."""
    wrong = violations(schema, table)
    if wrong:
        raise TritError(f"{what}: {wrong[0]}")
    return schema.model_validate(table)


def apply_override(table: dict[str, Any], override: str, what: str) -> tuple[str, str]:
    """Set one KEY=VALUE of the table and return it; the value is TOML, or a bare word. KEY may be a path: a.b.c.

    Raises TritError where that is none, or passes through something that is no table.
    """
    key, separator, value = override.partition("=")
    if len(override.splitlines()) > 1 or override.endswith("\n"):  # a model notes it as one line
        raise TritError(f"--set {override!r}: give KEY=VALUE in one line")
    if not separator or not key:
        raise TritError(f"--set {override}: give KEY=VALUE, e.g. training.epochs=3")
    *tables, last = key.strip().split(".")
    for part in tables:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise TritError(f"--set {override}: {what} has no table {part}")
    try:
        table[last] = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        table[last] = value
    return key, value


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """ "did you mean X? " for the known name nearest to a mistyped one, or nothing."""
    close = difflib.get_close_matches(name, list(known), 1)
    return f"did you mean {close[0]}? " if close else ""


def violations(schema: type[BaseModel], table: dict[str, Any]) -> list[str]:
    """What in the table the schema does not allow, a line each that begins with the key; empty where all is well."""
    try:
        schema.model_validate(table)
    except ValidationError as error:
        # A mistyped key is also a missing one; the mistyping says more.
        found = sorted(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
        return [_explain(schema, item) for item in found]
    return []


def _explain(schema: type[BaseModel], error: ErrorDetails) -> str:
    path, allowed = _follow(schema, error["loc"])
    key = ".".join(path)
    if error["type"] == "extra_forbidden":
        return f"{key}: unknown key; {did_you_mean(path[-1], allowed)}allowed here: {', '.join(allowed)}"
    if error["type"] == "missing":
        return f"{key}: missing"
    if error["type"] == "value_error":  # the validator's words say what was given
        return ": ".join(part for part in (key, error["msg"].removeprefix("Value error, ")) if part)
    return f"{key}: {error['msg']}, not {error['input']!r}"


def _follow(schema: type[BaseModel], location: tuple[int | str, ...]) -> tuple[list[str], list[str]]:
    """The key's path without the tags of unions, and the keys that its table allows."""
    tables, path = [schema], []
    allowed = list(schema.model_fields)
    for part in location:
        tagged = [table for table in tables if part in _tags(table)]
        if tagged:
            tables = tagged
            continue
        path.append(str(part))
        allowed = [key for table in tables for key in table.model_fields]
        if isinstance(part, str):
            fields = [table.model_fields[part].annotation for table in tables if part in table.model_fields]
            tables = [found for annotation in fields for found in tables_in(annotation)]
    return path, allowed


def _tags(table: type[BaseModel]) -> tuple[Any, ...]:
    return get_args(table.model_fields["kind"].annotation) if "kind" in table.model_fields else ()


def tables_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The tables that a field of that type may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from tables_in(argument)
