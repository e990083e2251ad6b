# SPDX-License-Identifier: Apache-2.0
"""The trainings of a sweep: every combination of the values that keys of a recipe are given, with several seeds."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trit.export.schema import Table, did_you_mean, tables_in
from trit.runtime.errors import TritError
from trit.train.recipe import Recipe, read_recipe
from trit.train.recipe_tasks import Classes, Joint, Permuted, Sequence, Stream

LONGEST_LABEL = 100  # characters of a folder's name


@dataclass(frozen=True)
class Run:
    """One training: a point of the grid with a seed."""

    point: dict[str, Any]  # the grid's keys, as the user wrote them
    seed: int
    overrides: list[str]  # KEY=VALUE of the recipe
    folder: Path
    lines: int  # of its history when it is finished: epochs, or tasks

    @property
    def place(self) -> str:
        """The point in words: width=16, epochs=5."""
        return ", ".join(f"{key}={_shown(value)}" for key, value in self.point.items())

    @property
    def name(self) -> str:
        """The point and the seed in words."""
        return f"{self.place}, seed={self.seed}"


def runs_of(recipe: str, grid: list[str], seeds: int, overrides: list[str], folder: Path) -> tuple[Recipe, list[Run]]:
    """The recipe with its overrides, and the runs of the product of `grid`'s KEY=VALUE,VALUE,… with `seeds` seeds.

    The seeds count from the recipe's. A run's folder below `folder` is named by its point and a digest of its whole
    recipe, so that another recipe never goes on where this one left off. Raises TritError for a key that the recipe
    does not have, or has twice, and for values that it does not allow.
    """
    base = read_recipe(recipe, overrides)
    axes = [_axis(option, base) for option in grid]
    names = [axis.key for axis in axes]
    for name in names:
        if names.count(name) > 1:
            raise TritError(f"--grid {name}: is given twice; give all its values at once: {name}=A,B")
        if name == "seed":
            raise TritError("--grid seed: give --seeds, how many seeds each point is trained with")
    runs = []
    for values in itertools.product(*(axis.values for axis in axes)):
        point = {axis.name: value for axis, value in zip(axes, values, strict=True)}
        changes = [f"{name}={json.dumps(value)}" for name, value in zip(names, values, strict=True)]
        for seed in range(base.seed, base.seed + seeds):
            changed = [*overrides, *changes, f"seed={seed}"]
            made = read_recipe(recipe, changed)
            run = Run(point, seed, changed, folder, _lines(made))
            runs.append(replace(run, folder=folder.resolve() / _folder_name(run.name, made.text)))
    return base, runs


@dataclass(frozen=True)
class _Axis:
    """A --grid option: the key as the user wrote it and in full, and its values."""

    name: str
    key: str
    values: list[Any]


def _axis(option: str, recipe: Recipe) -> _Axis:
    name, separator, text = option.partition("=")
    if not separator or not name.strip() or not text.strip():
        raise TritError(f"--grid {option}: give KEY=VALUE,VALUE,…, e.g. training.learning_rate=0.003,0.01")
    values = _values(text)
    if len({json.dumps(value) for value in values}) < len(values):
        raise TritError(f"--grid {option}: a value is given twice")
    return _Axis(name.strip(), _full_key(name.strip(), recipe), values)


def _values(text: str) -> list[Any]:
    """TOML values with commas between them; of bare words, as binary,ternary, each is a string."""
    try:
        values: list[Any] = tomllib.loads(f"values = [{text}]")["values"]
    except tomllib.TOMLDecodeError:
        return [word.strip() for word in text.split(",")]
    return values


def _full_key(name: str, recipe: Recipe) -> str:
    """training.epochs for epochs, where the recipe has but one key that ends so; a name with a dot stays as it is."""
    if "." in name:
        return name
    keys = list(dict.fromkeys(_keys(recipe)))
    found = [key for key in keys if key.rpartition(".")[2] == name]
    if not found:
        hint = did_you_mean(name, [key.rpartition(".")[2] for key in keys])
        raise TritError(f"--grid {name}: recipe {recipe.name} has no such key; {hint}it has {', '.join(keys)}")
    if len(found) > 1:
        raise TritError(f"--grid {name}: recipe {recipe.name} has several: give one of {', '.join(found)}")
    return found[0]


def _keys(table: Table) -> Iterator[str]:
    """The full keys of a table: those of the tables that it holds, and of all that it could hold where it has none."""
    for name, field in type(table).model_fields.items():
        value, tables = getattr(table, name), list(tables_in(field.annotation))
        if isinstance(value, Table):
            yield from (f"{name}.{key}" for key in _keys(value))
        elif tables:
            yield from (f"{name}.{key}" for each in tables for key in each.model_fields)
        else:
            yield name


def _lines(recipe: Recipe) -> int:
    match recipe.tasks:
        case None:
            return recipe.training.epochs
        case _ if isinstance(recipe.protection, Joint):
            return 1
        case Permuted(count=count) | Stream(parts=count):
            return count
        case Sequence(then=then):
            return 1 + len(then)
        case Classes(groups=groups):
            return len(groups)


def _folder_name(name: str, text: str) -> str:
    label = re.sub(r"[^\w.,=+\[\]-]", "", name)[:LONGEST_LABEL]
    return f"{label}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
