# SPDX-License-Identifier: Apache-2.0
"""Folders that trit writes: whole or not at all, and never over what others put there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trit.runtime.errors import TritError

MARK = ".trit-deployment"  # says that what a folder holds is ours to replace


@contextmanager
def new_contents(folder: Path) -> Iterator[Path]:
    """A temporary folder whose contents become those of `folder`, which must be new, empty or an earlier one of ours.

    Raises TritError if it holds other things or cannot be written. On an exception `folder` stays as it was.
    """
    _refuse_foreign(folder)
    whole = folder.resolve()
    try:
        whole.parent.mkdir(parents=True, exist_ok=True)
        with _beside(whole) as made, _beside(whole) as old:
            (Path(made) / MARK).touch()
            yield Path(made)
            folder.mkdir(exist_ok=True)
            _move_contents(folder, Path(old))
            _move_contents(Path(made), folder)
    except OSError as error:
        raise TritError(f"cannot write into {folder}: {error.strerror or error}") from error


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise TritError(f"{folder}: is a file; name a folder to write into")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise TritError(f"{folder}: holds other files; name a new or empty folder")


def _beside(folder: Path) -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent)


def _move_contents(source: Path, to: Path) -> None:
    for item in list(source.iterdir()):
        item.rename(to / item.name)
