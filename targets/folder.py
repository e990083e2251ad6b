# SPDX-License-Identifier: Apache-2.0
"""Folders that trit writes: complete files only, and never over what others put there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trit.runtime.errors import TritError

MARK = ".trit-deployment"  # says that what a folder holds is ours to replace


@contextmanager
def new_contents(folder: Path) -> Iterator[Path]:
    """A temporary folder whose files become those of `folder`, which must be new, empty or an earlier one of ours.

    Raises TritError if it holds other things or cannot be written. On an exception `folder` stays as it was; whenever
    the process ends, each of its files is the earlier one or the new one.
    """
    _refuse_foreign(folder)
    whole = folder.resolve()
    try:
        whole.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{whole.name}-", dir=whole.parent) as made:
            yield Path(made)
            folder.mkdir(exist_ok=True)
            (folder / MARK).touch()
            _replace(folder, Path(made))
    except OSError as error:
        raise TritError(f"cannot write into {folder}: {error.strerror or error}") from error


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise TritError(f"{folder}: is a file; name a folder to write into")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise TritError(f"{folder}: holds other files; name a new or empty folder")


def _replace(folder: Path, made: Path) -> None:
    """File by file, so that none is missing in between; then go those that the new contents do not have."""
    names = [path.relative_to(made) for path in made.rglob("*") if not path.is_dir()]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(made / name, folder / name)
    kept = {folder / MARK, *(folder / name for name in names)}
    for path in sorted(folder.rglob("*"), reverse=True):  # a folder after what it holds
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in kept:
            path.unlink()
