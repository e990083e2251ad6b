# SPDX-License-Identifier: Apache-2.0
"""trit report: one page of all that is known of a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trit.console import stderr
from trit.runtime.files import write_atomic


def report(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="Folders of trit train, models, and what profile, verify, confusion, inspect, target sweep and "
            "target tune print with --json."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The page to write.")] = Path("report.html"),
    title: Annotated[str | None, typer.Option(help="Its title; default: the first source's name.")] = None,
) -> None:
    """Write one HTML page of training runs, networks, profiles, verifications and simulated chips.

    It needs no network and nothing beside it.

    Example: trit profile fashion.onnx --target host,nrf52840 --json > profile.json && trit report fashion.onnx
    profile.json -o report.html
    """
    from trit.report.page import page
    from trit.report.sources import collect

    with stderr.status("reading") as status:
        content = collect(sources)
        status.update("drawing")
        text = page(content, title or sources[0].resolve().stem)
        write_atomic(output, text.encode())
    typer.echo(f"{output}: {len(text.encode()):,} bytes")
