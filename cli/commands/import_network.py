# SPDX-License-Identifier: Apache-2.0
"""trit import: a binary or ternary network that others trained becomes the packed integer graph."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trit.console import stderr
from trit.options import Data, Inputs, Json
from trit.runtime.errors import TritError
from trit.runtime.files import read_bytes
from trit.tables import Column, show

if TYPE_CHECKING:
    from trit.export.graph import Graph
    from trit.export.importer.importing import Imported
    from trit.export.importer.pixels import Pixels


def import_network(
    source: Annotated[Path, typer.Argument(help="An ONNX or QONNX file of others.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model.onnx to write.")],
    pixels: Annotated[
        str | None, typer.Option(help="What pixels 0 and 255 are to the source: 0..1, -1..1, 0..255. Default: deduced.")
    ] = None,
    mean: Annotated[str | None, typer.Option(help="Subtracted before the source, one number or one a channel.")] = None,
    std: Annotated[str | None, typer.Option(help="Divided by before the source, behind --mean.")] = None,
    shape: Annotated[
        str | None, typer.Option(help="An image's channels, height, width where it is open: 1,28,28.")
    ] = None,
    layout: Annotated[
        str | None, typer.Option(help="Axes of the source's input, nchw or nhwc. Default: deduced.")
    ] = None,
    labels: Annotated[str | None, typer.Option(help="Names of the classes: cat,dog or a file with one a line.")] = None,
    data_set: Annotated[
        str, typer.Option(help="The data set it was trained for, e.g. mnist: later commands use it.")
    ] = "",
    round_weights: Annotated[
        bool, typer.Option("--round-weights", help="Round real weights to 8 bits; the result is not exact then.")
    ] = False,
    check: Annotated[int, typer.Option(min=0, help="Compare the classes with the source's on so many images.")] = 0,
    data: Data = None,
    inputs: Inputs = None,
    json: Json = False,
) -> None:
    """Turn a network with binary or ternary weights that others trained into the packed integer graph, exactly.

    It reads QONNX (Brevitas, FINN), QCDQ, and plain ONNX as PyTorch and Keras (Larq) write it, and says which layers
    are packed. What does not reduce is an error that names the node and what was expected there.

    Example: trit import TFC_1W1A.onnx -o tfc.onnx --data-set mnist --check 1000
    """
    from trit.export.importer.importing import import_onnx
    from trit.export.onnx_writer import write_onnx

    if output.suffix != ".onnx":
        raise TritError(f"{output}: an import is written as .onnx; trit export makes other files of that")
    chosen = _pixels(pixels, mean, std, shape, layout, data_set)
    with stderr.status(f"reading {source}") as status:
        imported = import_onnx(source, chosen, round_weights, lambda node: status.update(f"{source.name}: {node}"))
        graph = imported.graph
        graph.labels = _labels(labels, data_set, graph)
        graph.metadata |= {"name": source.stem, "source": source.name, "pixels": imported.pixels.text()}
        graph.metadata |= {"data": data_set} if data_set else {}
        status.update(f"writing {output}")
        write_onnx(graph, output)
        facts: dict[str, Any] = {"source": str(source), "output": str(output), "pixels": imported.pixels.text()}
        if check:
            status.update(f"running {source.name} and {output.name}")
            facts["check"] = _compare(imported, check, data, inputs)
    rows = [asdict(layer) for layer in imported.layers]
    if not json:
        rows = [{**row, "packed": "yes" if row["packed"] else "no"} for row in rows]
    title = f"{source.name} as an integer graph"
    show(title, _COLUMNS, rows, json, _notes(imported, facts), **facts, left_out=imported.notes)


def _pixels(
    pixels: str | None, mean: str | None, std: str | None, shape: str | None, layout: str | None, data_set: str
) -> Pixels:
    from trit.export.importer.pixels import LAYOUTS, Pixels, parse_numbers, parse_range, parse_shape
    from trit.train.recipe import SHAPES

    if layout is not None and layout not in LAYOUTS:
        raise TritError(f"--layout {layout}: give one of {', '.join(LAYOUTS)}")
    if data_set and data_set not in SHAPES:
        raise TritError(f"--data-set {data_set}: give one of {', '.join(SHAPES)}")
    low, high = (None, None) if pixels is None else parse_range(pixels)
    chosen = Pixels(low, high, layout=layout, shape=parse_shape(shape) if shape else SHAPES.get(data_set))
    if mean is not None:
        chosen = replace(chosen, mean=parse_numbers(mean, "--mean"))
    return chosen if std is None else replace(chosen, std=parse_numbers(std, "--std"))


def _labels(labels: str | None, data_set: str, graph: Graph) -> list[str]:
    """As many names as there are classes; the data set's own where none are given."""
    from trit.train.data import LABELS

    classes = graph.tensors[graph.output].shape[0]
    if labels is None:
        known = LABELS.get(data_set, [])
        return known if len(known) == classes else []
    path = Path(labels)
    names = read_bytes(path).decode().split("\n") if path.is_file() else labels.split(",")
    names = [name.strip() for name in names if name.strip()]
    if len(names) != classes:
        raise TritError(f"--labels {labels}: {len(names)} names for {classes} classes")
    return names


def _compare(imported: Imported, count: int, data: Path | None, inputs: Path | None) -> dict[str, Any]:
    """The source's classes beside the import's, which the C runtime finds."""
    from trit.export.importer.original import compare
    from trit.export.plan import to_plan
    from trit.inputs import inputs_for
    from trit.runtime import Session

    tests = inputs_for(imported.graph, count, data, inputs)
    scores = Session(to_plan(imported.graph)).run(tests.images)
    found = asdict(compare(imported, tests.images, scores))
    if tests.labels is not None:
        found["accuracy"] = float((scores.reshape(len(scores), -1).argmax(1) == tests.labels).mean())
    return {"inputs": tests.origin, **found}


def _notes(imported: Imported, facts: dict[str, Any]) -> list[str]:
    before, after = (sum(getattr(layer, key) for layer in imported.layers) for key in ("bits_before", "bits_after"))
    notes = [
        *imported.notes,
        f"pixels 0..255 stand for {imported.pixels.text()} in the source (--pixels, --mean, --std say otherwise)",
        f"weights take {before:,} bits in the source and {after:,} in {facts['output']}",
    ]
    if "check" in facts:
        check = facts["check"]
        share = f"{check['equal']:,} of {check['images']:,} images ({check['equal'] / check['images']:.2%})"
        difference = check["largest_difference"]
        scores = "" if difference is None else f"; scores differ by {difference:.2g} at most"
        accuracy = f"; accuracy {check['accuracy']:.2%}" if "accuracy" in check else ""
        notes.append(f"the source's class in {check['runner']} on {share}, {check['inputs']}{scores}{accuracy}")
    return notes


_COLUMNS = [
    Column("layer", "layer"),
    Column("operator", "operator"),
    Column("weights", "weights"),
    Column("packed", "packed"),
    Column("why_not", "why not"),
    Column("bits_before", "bits before", "{:,}"),
    Column("bits_after", "bits after", "{:,}"),
]
