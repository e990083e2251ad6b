# SPDX-License-Identifier: Apache-2.0
"""Arguments and options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[Path, typer.Argument(help="An exported model.onnx, or a model.pt.")]
Data = Annotated[Path | None, typer.Option(help="Folder of the data sets; default $TRIT_DATA, then the cache.")]
Inputs = Annotated[Path | None, typer.Option(help="Your own images: .npy, or .npz with images and labels.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
