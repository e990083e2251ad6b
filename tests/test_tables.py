# SPDX-License-Identifier: Apache-2.0
"""Tables: what is in the rows is what is shown, as text and as JSON."""

from __future__ import annotations

import json

import pytest

from trit.tables import Column, show
from trit.targets.quantities import duration, quantity

COLUMNS = [Column("name", "name"), Column("size", "size", "{:,}"), Column("note", "note")]
ROWS = [
    {"name": "one", "size": 12345, "note": "pip install 'trit[tvm]' brings it"},
    {"name": "two", "size": None, "note": None},
]


def test_text_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    show("of [all]", COLUMNS, ROWS, notes=["a note on [x]"])
    out = capsys.readouterr().out
    for text in ("of [all]", "12,345", "'trit[tvm]' brings it", "a note on [x]"):
        assert text in out


def test_json_has_the_rows_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    show("title", COLUMNS, ROWS, json=True, model="m")
    assert json.loads(capsys.readouterr().out) == {"schema": 1, "model": "m", "rows": ROWS}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0 s"),
        (None, ""),
        (3.1e-6, "3.1 µs"),
        (1.0, "1 s"),
        (-2e3, "-2 ks"),
        (5e-13, "0.5 ps"),
        (9.99e8, "999 Ms"),
        (999.7e-6, "1 ms"),
    ],
)
def test_quantities_have_engineering_prefixes(value: float | None, text: str) -> None:
    assert quantity(value, "s") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0125, "12.5 ms"),
        (119, "119 s"),
        (120, "2 minutes"),
        (7200, "2 hours"),
        (200_000, "2.31 days"),
        (7e7, "2.22 years"),
    ],
)
def test_a_duration_has_the_unit_that_people_use(value: float, text: str) -> None:
    assert duration(value) == text
