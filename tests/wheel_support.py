# SPDX-License-Identifier: Apache-2.0
"""Wheels of this tree, and virtual environments that have one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EPOCH = "1700000000"  # SOURCE_DATE_EPOCH, so that archives do not hold the time


def command(*words: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment = {**clean, "SOURCE_DATE_EPOCH": EPOCH, **variables}
    return subprocess.run([*words], cwd=cwd, env=environment, capture_output=True, text=True)


def pip(*words: str | Path, cwd: Path, python: str | Path = sys.executable) -> None:
    done = command(python, "-m", "pip", "--quiet", "--disable-pip-version-check", *words, cwd=cwd)
    if "No matching distribution found" in done.stderr:
        pytest.skip(f"no package index here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr


def copy_of_the_tree(folder: Path) -> Path:
    """What git has or would take, so that nothing built earlier comes along."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs git and the repository, for the list of its files")
    list_files = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(list_files, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def build_sdist(folder: Path) -> Path:
    pytest.importorskip("build", reason="build is not installed: pip install build")
    tree = copy_of_the_tree(folder / "tree")
    done = command(sys.executable, "-m", "build", "--sdist", "--outdir", folder, tree, cwd=folder)
    if "No matching distribution found" in done.stdout + done.stderr:
        pytest.skip("no package index here")
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(tree)
    (sdist,) = folder.glob("trit-*.tar.gz")
    return sdist


def build_wheel(sdist: Path, folder: Path) -> Path:
    pip("wheel", "--no-deps", "--wheel-dir", folder, sdist, cwd=folder)
    (wheel,) = folder.glob("trit-*.whl")
    return wheel


def environment_with(wheel: Path, extras: str, folder: Path, python: str | Path = sys.executable) -> Path:
    """The interpreter of a new virtual environment with the wheel and what its metadata asks for."""
    done = command(python, "-m", "venv", folder, cwd=folder.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    interpreter = folder / "bin" / "python"
    pip("install", f"{wheel}{extras}", cwd=folder.parent, python=interpreter)
    return interpreter
