# SPDX-License-Identifier: Apache-2.0
"""Pictures of RRAM chips: operating points, the chips of a Monte Carlo simulation, what stands where in the arrays."""

from __future__ import annotations

from typing import Any

from trit.plots import RATES
from trit.report.picture import Picture, altair, chart, percent, picture
from trit.report.sources import Points, Profile
from trit.targets.quantities import quantity

AXES = {"supply": "supply (V)", "error rate": "error rate"}  # that accuracy is drawn over
MOST_ARRAYS = 100  # whose tiles are drawn


def operating_points(name: str, points: Points) -> list[Picture]:
    """The errors of reads against the supply, and accuracy against both."""
    rows: list[dict[str, Any]] = [
        {
            "supply": point.supply,
            "setting": f"{point.corner}, {point.temperature:g} °C, {quantity(point.read_time, 's')}",
            "accuracy": point.accuracy,
            "low": point.accuracy - (point.spread or 0.0),
            "high": point.accuracy + (point.spread or 0.0),
            "error rate": max(getattr(point, key) or 0.0 for key in RATES),
        }
        for point in points.rows
        if point.accuracy is not None
    ]
    charts = _errors_over_supply(name, points)
    if rows:
        charts += [_accuracy_over(name, rows, key, title) for key, title in AXES.items()]
    return charts


def chips(profile: Profile) -> Picture:
    """The accuracies of a Monte Carlo simulation's chips."""
    assert profile.accuracy is not None
    draws = sorted(profile.accuracy.draws)
    rows = [{"accuracy": draw, "chips up to it": (index + 1) / len(draws)} for index, draw in enumerate(draws)]
    alt = altair()
    drawn = (
        chart(rows)
        .mark_line(interpolate="step-after", point=True)
        .encode(
            x=alt.X("accuracy:Q", scale=alt.Scale(zero=False), axis=alt.Axis(format=".1%")),
            y=alt.Y("chips up to it:Q", axis=alt.Axis(format="%"), title="share of the chips up to it"),
            tooltip=[alt.Tooltip("accuracy:Q", format=".2%"), alt.Tooltip("chips up to it:Q", format=".0%")],
        )
    )
    words = f"{len(draws)} chips on {profile.accuracy.images} images: the share of them with at most an accuracy."
    return picture(profile.target, words, drawn)


def tiles(profile: Profile) -> Picture:
    """What stands where in the chip's arrays."""
    chip = profile.chip
    assert chip is not None
    rows: list[dict[str, Any]] = [
        {
            "array": place.array,
            "layer": place.layer,
            "left": place.left,
            "right": place.left + place.columns,
            "top": place.top,
            "bottom": place.top + place.rows,
        }
        for place in chip.placements
        if place.array < MOST_ARRAYS
    ]
    alt = altair()
    order = list(dict.fromkeys(row["layer"] for row in rows))
    last = max(row["array"] for row in rows)
    number = alt.param(name="array", value=0, bind=alt.binding_range(min=0, max=last, step=1))
    drawn = (
        chart(rows)
        .mark_rect(stroke="white")
        .encode(
            x=alt.X("left:Q", title="column", scale=alt.Scale(domain=[0, chip.columns])),
            x2="right:Q",
            y=alt.Y("top:Q", title="row", scale=alt.Scale(domain=[chip.rows, 0])),
            y2="bottom:Q",
            color=alt.Color("layer:N", sort=order),
            tooltip=["array:Q", "layer:N", "top:Q", "bottom:Q", "left:Q", "right:Q"],
        )
        .transform_filter("datum.array == array")
        .add_params(number)
    )
    used = f"{chip.arrays} arrays of {chip.rows} × {chip.columns} synapses, {chip.utilisation:.0%} of them in use"
    return picture(profile.target, f"{used}. One of the arrays 0 to {last} at a time.", drawn)


def array_use(profile: Profile) -> Picture:
    """How much of each array holds weights."""
    chip = profile.chip
    assert chip is not None
    used: dict[tuple[int, str], int] = {}
    for place in chip.placements:
        key = (place.array, place.layer)
        used[key] = used.get(key, 0) + place.rows * place.columns
    size = chip.rows * chip.columns
    rows = [{"array": array, "layer": layer, "share": count / size} for (array, layer), count in used.items()]
    alt = altair()
    order = list(dict.fromkeys(layer for _, layer in used))
    drawn = (
        chart(rows)
        .mark_bar()
        .encode(
            x=alt.X("array:O", title="array", axis=alt.Axis(labelOverlap=True)),
            y=alt.Y("share:Q", axis=alt.Axis(format="%"), title="synapses in use"),
            color=alt.Color("layer:N", sort=order),
            tooltip=["array:O", "layer:N", alt.Tooltip("share:Q", format=".1%")],
        )
    )
    return picture(profile.target, "The share of each array's synapses that hold a weight, by layer.", drawn)


def _accuracy_over(name: str, rows: list[dict[str, Any]], key: str, title: str) -> Picture:
    alt = altair()
    logarithmic = key == "error rate"
    shown = [row for row in rows if row[key] > 0 or not logarithmic]
    scale = alt.Scale(type="log") if logarithmic else alt.Scale(zero=False)
    base = chart(shown).encode(x=alt.X(f"{key}:Q", title=title, scale=scale), color="setting:N")
    line = base.mark_line(point=True).encode(
        y=percent("accuracy"),
        tooltip=["setting:N", f"{key}:Q", alt.Tooltip("accuracy:Q", format=".2%")],
    )
    spread = base.mark_rule().encode(y=alt.Y("low:Q", title="accuracy"), y2="high:Q")
    words = f"Mean accuracy of the simulated chips against the {key}; bars are one standard deviation."
    return picture(f"{name}: accuracy against the {key}", words, spread + line)


def _errors_over_supply(name: str, points: Points) -> list[Picture]:
    rows = [
        {"supply": point.supply, "error": label, "setting": point.corner, "probability": rate}
        for point in points.rows
        for key, label in RATES.items()
        if (rate := getattr(point, key)) is not None and rate > 0
    ]
    if not rows:  # reads that never err
        return []
    alt = altair()
    drawn = (
        chart(rows)
        .mark_line(point=True)
        .encode(
            x=alt.X("supply:Q", title="supply (V)", scale=alt.Scale(zero=False)),
            y=alt.Y("probability:Q", scale=alt.Scale(type="log"), axis=alt.Axis(format="~e")),
            color="error:N",
            strokeDash="setting:N",
            tooltip=["supply:Q", "error:N", "setting:N", alt.Tooltip("probability:Q", format=".2e")],
        )
    )
    words = "Probability that a read errs, by kind of error, against the supply."
    return [picture(f"{name}: errors", words, drawn)]
