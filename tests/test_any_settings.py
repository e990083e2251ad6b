# SPDX-License-Identifier: Apache-2.0
"""Recipes and target files with any keys, types and ranges: they are read, or one line says which key is wrong."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from math import isfinite, isnan
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="torch is not installed: pip install 'trit[train]'")

from trit.runtime.errors import TritError
from trit.targets import description
from trit.train import recipe

TARGETS = Path(str(files("trit.targets")))
NUMBERS = st.integers() | st.integers(-3, 300) | st.floats() | st.sampled_from([2**63, -(2**63), 10**30, 1e308, -0.0])
SCALARS = NUMBERS | st.booleans() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


def toml(value: Any) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{json.dumps(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case float() if not isfinite(value):
            return "nan" if isnan(value) else f"{'-' if value < 0 else ''}inf"
        case str() | bool():
            return json.dumps(value).replace("\x7f", "\\u007f")
    return repr(value)


def paths(table: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in table.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from paths(value, (*above, key))


def changed(table: dict[str, Any], data: st.DataObject) -> dict[str, Any]:
    """One to three keys with another value, without one, or one more."""
    for _ in range(data.draw(st.integers(1, 3))):
        *above, last = data.draw(st.sampled_from(list(paths(table))))
        place = table
        for key in above:
            place = place[key]
        change = data.draw(st.sampled_from(["another", "another", "none", "one more"]))
        if change == "none" and (above or len(table) > 1):
            del place[last]
        else:
            place[data.draw(st.text(max_size=6)) if change == "one more" else last] = data.draw(VALUES)
    return table


def text(table: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(key)} = {toml(value)}\n" for key, value in table.items())


def numbers(value: Any) -> Iterator[float]:
    match value:
        case dict():
            yield from (number for inner in value.values() for number in numbers(inner))
        case list() | tuple():
            yield from (number for inner in value for number in numbers(inner))
        case float():
            yield value


def is_one_line(error: TritError, label: str) -> bool:
    message = str(error)
    return label in message and "\n" not in message and len(message) < 1000


@settings(max_examples=200)
@given(st.sampled_from(recipe.available()), st.data())
def test_a_recipe_is_read_or_says_what_is_wrong(name: str, data: st.DataObject) -> None:
    table = tomllib.loads((files("trit.train") / "recipes" / f"{name}.toml").read_text())
    content = text(changed(table, data))
    try:
        read = recipe.parse_recipe(content, "mine")
    except TritError as error:
        assert is_one_line(error, "recipe mine")
    else:
        assert recipe.recorded_recipe(read.text, "mine") == read
        assert all(map(isfinite, numbers(read.model_dump())))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the shipped parts."""
    folder = tmp_path_factory.mktemp("targets")
    shutil.copytree(TARGETS / "parts", folder / "parts")
    return folder


@settings(max_examples=200)
@given(st.sampled_from(description.available()), st.data())
def test_a_target_is_read_or_says_what_is_wrong(place: Path, name: str, data: st.DataObject) -> None:
    table = tomllib.loads((TARGETS / f"{name}.toml").read_text())
    (place / "mine.toml").write_text(text(changed(table, data)))
    try:
        read = description.load_target(str(place / "mine.toml"))
    except TritError as error:
        assert is_one_line(error, "target mine")
    else:
        assert read.name == "mine" and all(map(isfinite, numbers(read.model_dump())))


@given(st.text(max_size=60) | st.binary(max_size=60))
def test_any_file_is_settings_or_one_line(tmp_path_factory: pytest.TempPathFactory, content: str | bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(content.encode(errors="surrogatepass") if isinstance(content, str) else content)
    for read in (recipe.read_recipe, description.load_target):
        with pytest.raises(TritError) as caught:
            read(str(path))
        assert is_one_line(caught.value, "any")


@given(st.text(max_size=20), VALUES)
def test_any_override_is_taken_or_says_what_is_wrong(key: str, value: Any) -> None:
    for chosen in (f"{key}={toml(value)}", f"training.{key}={toml(value)}", key):
        try:
            recipe.read_recipe("digits-ternary-mlp", [chosen])
        except TritError as error:
            assert is_one_line(error, "")
