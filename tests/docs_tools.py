# SPDX-License-Identifier: Apache-2.0
"""What the tests of the docs share: the pages, their blocks of code, and a shell that finds trit."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the title behind it, what it holds."""

    language: str
    title: str
    text: str


def fenced(page: Path) -> list[Block]:
    """The page's blocks in order."""
    pattern = r'^```(\w+)(?: title="([^"]*)")?\n(.*?)^```$'
    return [Block(*found) for found in re.findall(pattern, page.read_text(), re.DOTALL | re.MULTILINE)]


def blocks(page: Path, language: str) -> list[str]:
    """What the blocks without a title hold."""
    return [block.text for block in fenced(page) if block.language == language and not block.title]


def shell(script: str, folder: Path) -> str:
    """What the lines print in the folder, one after the other until one fails, which fails the test."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", "-c", f"set -e\n{script}"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
