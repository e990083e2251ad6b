# SPDX-License-Identifier: Apache-2.0
"""What a report is made of: training runs, models, and what other commands print with --json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trit.runtime.errors import TritError
from trit.runtime.files import read_bytes
from trit.tables import SCHEMA
from trit.targets.figure import Origin

MODELS = (".onnx", ".pt", ".trit")
T = TypeVar("T", bound=BaseModel)


class Source(BaseModel):
    """A part of a file. What a report does not show is passed over."""

    model_config = ConfigDict(allow_inf_nan=False)


class Epoch(Source):
    """A line of history.jsonl of one data set."""

    epoch: int
    loss: float
    test_accuracy: float | None = None
    validation_accuracy: float | None = None
    seconds: float


class Task(Source):
    """A line of history.jsonl of several tasks."""

    task: str
    loss: list[float]
    seconds: float
    accuracy: dict[str, float]


class Step(Source):
    """A step of `trit inspect`."""

    index: int
    name: str
    operator: str
    output_kind: str
    output_shape: tuple[int, int, int]
    input_kind: str
    input_shape: tuple[int, int, int]
    weight_kind: str
    macs: int
    parameter_bytes: int
    output_bytes: int
    output_offset: int
    last_reader: int


class Plan(Source):
    """`trit inspect`."""

    file: str
    plan_bytes: int
    arena_bytes: int
    rows: list[Step] = Field(min_length=1)


class Layer(Source):
    """A layer of a profile."""

    layer: str
    operator: str
    macs: int
    parameter_bytes: int
    arena_bytes: int
    latency: float
    energy: float
    instructions: int | None = None


class Placement(Source):
    """A part of a layer's weights in an array."""

    layer: str
    array: int
    top: int
    left: int
    rows: int
    columns: int


class Chip(Source):
    """An RRAM chip with the network in it."""

    arrays: int
    rows: int
    columns: int
    utilisation: float
    area: dict[str, float]
    area_origin: Origin
    placements: list[Placement]


class Accuracy(Source):
    """Of one run, or of each of several chips."""

    images: int
    draws: list[float] = Field(min_length=1)
    origin: Origin
    mean: float
    std: float
    worst: float


class Profile(Source):
    """A target of `trit profile`."""

    target: str
    title: str
    layers: list[Layer] = Field(min_length=1)
    latency: float
    latency_origin: Origin
    energy: float
    energy_origin: Origin
    flash: int | None = None
    ram: int | None = None
    chip: Chip | None = None
    accuracy: Accuracy | None = None
    notes: list[str] = []


class Profiles(Source):
    """`trit profile`."""

    model: str
    inputs: str
    profiles: list[Profile] = Field(min_length=1)


class Verdict(Source):
    """An executor of `trit verify`."""

    executor: str
    status: str
    differing: int | None = None
    accuracy: float | None = None
    seconds: float | None = None
    note: str | None = None


class Verification(Source):
    """`trit verify`."""

    model: str
    inputs: str
    equal: bool
    rows: list[Verdict]


class Counts(Source):
    """A class of `trit confusion`."""

    label: str
    counts: list[int]
    right: float


class Confusion(Source):
    """`trit confusion`."""

    model: str
    inputs: str
    labels: list[str]
    rows: list[Counts] = Field(min_length=1)


class Point(Source):
    """An operating point of `trit target sweep` or `trit target tune`."""

    supply: float
    read_time: float
    corner: str
    temperature: float
    energy: float | None = None
    accuracy: float | None = None
    spread: float | None = None
    worst: float | None = None
    sign: float | None = None
    lost: float | None = None
    raised: float | None = None
    flip: float | None = None


class Points(Source):
    """`trit target sweep` and `trit target tune`."""

    rows: list[Point] = Field(min_length=1)


@dataclass
class Training:
    """A folder of `trit train`: its epochs, or of several tasks the tasks."""

    name: str
    epochs: list[Epoch] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)


@dataclass
class Content:
    """All that a report shows, in the order of its sources."""

    trainings: list[Training] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    profiles: list[Profiles] = field(default_factory=list)
    verifications: list[Verification] = field(default_factory=list)
    confusions: list[Confusion] = field(default_factory=list)
    points: list[tuple[str, Points]] = field(default_factory=list)  # each with its file's name

    def add(self, source: Path) -> None:
        """Raises TritError for what no report can show."""
        if source.is_dir():
            self.trainings.append(_training(source))
            if (source / "model.pt").exists():
                self.plans += _plan_of_run(source / "model.pt")
        elif source.suffix in MODELS:
            self.plans.append(_plan(source))
        else:
            self._add_output(source)

    def _add_output(self, source: Path) -> None:
        found = _read(source)
        rows = found.get("rows")
        first = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
        if "profiles" in found:
            self._add_profiles(_checked(source, Profiles, found))
        elif "plan_bytes" in found:
            self.plans.append(_checked(source, Plan, found))
        elif "counts" in first:
            self.confusions.append(_checked(source, Confusion, found))
        elif "executor" in first:
            self.verifications.append(_checked(source, Verification, found))
        elif "supply" in first:
            self.points.append((source.stem, _checked(source, Points, found)))
        else:
            kinds = "trit profile, verify, confusion, inspect, target sweep or target tune"
            raise TritError(f"{source}: not what {kinds} print with --json")

    def _add_profiles(self, found: Profiles) -> None:
        """Beside those of the same model on the same images."""
        for each in self.profiles:
            if (each.model, each.inputs) == (found.model, found.inputs):
                each.profiles += found.profiles
                return
        self.profiles.append(found)


def collect(sources: Sequence[Path]) -> Content:
    """The content of folders of `trit train`, models, and JSON files. Raises TritError for any other."""
    content = Content()
    for source in sources:
        content.add(source)
    return content


def _read(source: Path) -> dict[str, Any]:
    data = read_bytes(source)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise TritError(f"{source}: neither a folder of trit train, a model, nor JSON: {error}") from None
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise TritError(f'{source}: not what a trit command prints with --json: there is no "schema": {SCHEMA}')
    return found


def _checked(source: Path, kind: type[T], found: Any) -> T:
    try:
        return kind.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise TritError(f"{source}: {place}: {first['msg']}") from None


def _training(folder: Path) -> Training:
    history = folder / "history.jsonl"
    if not history.exists():
        raise TritError(f"{folder}: no folder of trit train: it has no history.jsonl")
    training = Training(folder.resolve().name)
    for number, line in enumerate(read_bytes(history).decode(errors="replace").splitlines(), 1):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            raise TritError(f"{history}: line {number} is not JSON") from None
        if isinstance(found, dict) and "task" in found:
            training.tasks.append(_checked(history, Task, found))
        else:
            training.epochs.append(_checked(history, Epoch, found))
    if not training.epochs and not training.tasks:
        raise TritError(f"{history}: no epoch has ended yet")
    return training


def _plan(model: Path) -> Plan:
    from trit.files import load

    session = load(model)
    rows = [asdict(step) for step in session.steps]
    found = {"file": str(model), "plan_bytes": session.size, "arena_bytes": session.arena_size, "rows": rows}
    return Plan.model_validate(found)


def _plan_of_run(model: Path) -> list[Plan]:
    """Nothing of a network that runs nowhere, as one with float32 weights; its curves are there all the same."""
    try:
        return [_plan(model)]
    except TritError:
        return []
