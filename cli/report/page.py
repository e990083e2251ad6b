# SPDX-License-Identifier: Apache-2.0
"""The report as one HTML page that needs nothing else: text, tables, pictures, and the library that draws them."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from trit import __version__
from trit.report import charts, charts_rram
from trit.report.picture import Picture, altair
from trit.report.sources import Content, Plan, Profile, Profiles, Verification
from trit.runtime.errors import MissingExtra
from trit.targets.quantities import quantity


@dataclass(frozen=True)
class Cell:
    """Of a table: its text, what it is sorted by, and where the figure comes from."""

    text: str
    key: float | str | None = None
    origin: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells below headings; the first cell of a row is its name."""

    title: str
    headings: list[str]
    rows: list[list[Cell]]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Section:
    """A part of the page. `networks` are drawn as a row of boxes."""

    title: str
    tables: list[Table] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    networks: list[Plan] = field(default_factory=list)


def page(content: Content, title: str) -> str:
    """The page's HTML. Raises MissingExtra where what draws it is not installed."""
    try:
        import jinja2
        import vl_convert
    except ImportError as error:
        raise MissingExtra(str(error.name), "report") from None
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("trit.report", "."), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["quantity"] = quantity
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    folder = files("trit.report")
    version = altair().SCHEMA_VERSION.removeprefix("v").rpartition(".")[0]
    return environment.get_template("page.html.j2").render(
        title=title,
        version=__version__,
        sections=[section for section in _sections(content) if section.tables or section.pictures or section.networks],
        style=(folder / "page.css").read_text(),
        script=(folder / "page.js").read_text(),
        library=vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", version).replace(
            "</script", "<\\/script"
        ),
    )


def _sections(content: Content) -> list[Section]:
    profiles = [profile for each in content.profiles for profile in each.profiles]
    on_chips = [profile for profile in profiles if profile.chip]
    drawn = [profile for profile in profiles if profile.accuracy and len(profile.accuracy.draws) > 1]
    curves = charts.training_curves([run for run in content.trainings if run.epochs])
    tasks = [charts.task_curves(run) for run in content.trainings if run.tasks]
    operating = [each for name, points in content.points for each in charts_rram.operating_points(name, points)]
    bars = [charts.layer_bars(each.profiles, Path(each.model).name) for each in content.profiles]
    arrays = [draw(each) for each in on_chips for draw in (charts_rram.array_use, charts_rram.tiles)]
    return [
        Section("Network", networks=content.plans),
        Section("Targets", tables=[_targets(each) for each in content.profiles]),
        Section("Layers", pictures=bars),
        Section("Memory", pictures=[charts.arena_map(plan) for plan in content.plans if len(plan.rows) > 1]),
        Section("Training", pictures=[*curves, *tasks]),
        Section("Classes", pictures=[charts.confusion_matrix(each) for each in content.confusions]),
        Section("Operating points and chips", pictures=[*operating, *(charts_rram.chips(each) for each in drawn)]),
        Section("Arrays", pictures=arrays),
        Section("Verification", tables=[_verification(each) for each in content.verifications]),
    ]


def _targets(profiles: Profiles) -> Table:
    headings = ["target", "accuracy", "latency", "energy", "flash", "RAM", "arrays", "area"]
    rows = [_target(profile) for profile in profiles.profiles]
    used = [0, *(column for column in range(1, len(headings)) if any(row[column].text for row in rows))]
    notes = [f"{profile.target}: {', '.join(profile.notes)}" for profile in profiles.profiles if profile.notes]
    return Table(
        f"{Path(profiles.model).name} on {profiles.inputs}",
        [headings[column] for column in used],
        [[row[column] for column in used] for row in rows],
        notes,
    )


def _target(profile: Profile) -> list[Cell]:
    chip, right = profile.chip, profile.accuracy
    area = sum(chip.area.values()) if chip else 0.0
    spread = f" ± {right.std:.2%}" if right and len(right.draws) > 1 else ""
    return [
        Cell(profile.target, profile.target),
        Cell(f"{right.mean:.2%}{spread}", right.mean, right.origin) if right else Cell(""),
        Cell(quantity(profile.latency, "s"), profile.latency, profile.latency_origin),
        Cell(quantity(profile.energy, "J"), profile.energy, profile.energy_origin),
        *(Cell("" if size is None else f"{size:,} bytes", size) for size in (profile.flash, profile.ram)),
        Cell(str(chip.arrays), chip.arrays) if chip else Cell(""),
        Cell(f"{area * 1e6:.3g} mm²", area, chip.area_origin) if chip else Cell(""),
    ]


def _verification(found: Verification) -> Table:
    verdict = "all executors give the same bits" if found.equal else "not all executors give the same bits"
    rows = [
        [
            Cell(row.executor, row.executor),
            Cell(row.status, row.status),
            Cell("" if row.differing is None else str(row.differing), row.differing),
            Cell("" if row.accuracy is None else f"{row.accuracy:.2%}", row.accuracy),
            Cell("" if row.seconds is None else f"{row.seconds:.2f}", row.seconds),
            Cell(row.note or "", row.note),
        ]
        for row in found.rows
    ]
    headings = ["executor", "scores", "images that differ", "accuracy", "seconds", "note"]
    return Table(f"{Path(found.model).name} on {found.inputs}: {verdict}", headings, rows)
