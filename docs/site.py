# SPDX-License-Identifier: Apache-2.0
"""What mkdocs does beyond its settings: pages that are made or lie elsewhere, and links to what is no page."""

from __future__ import annotations

import html
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REPOSITORY = PROJECT.get("urls", {}).get("Repository")  # None: the project names none
COMMANDS = (sys.executable, "-m", "typer", "trit.main", "utils", "docs", "--name", "trit")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages of the repository's root, and the command line's, which typer writes from its help."""
    for name in ("CHANGELOG.md", "CONTRIBUTING.md"):
        files.append(File.generated(config, name.lower(), content=_from_docs((ROOT / name).read_text())))
    done = subprocess.run(COMMANDS, cwd=ROOT, capture_output=True, text=True, check=True)
    help = re.sub(r"^Example: (.+)$", lambda m: f"    {html.unescape(m[1])}", done.stdout, flags=re.MULTILINE)
    files.append(File.generated(config, "reference/cli.md", content=help))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to the repository's files lead to its address, if pyproject.toml names one; else their text remains."""

    def link(match: re.Match[str]) -> str:
        path = (DOCS / page.file.src_uri).parent.joinpath(match[2]).resolve()
        if path.is_relative_to(DOCS) or not path.exists():
            return match[0]
        return f"[{match[1]}]({REPOSITORY}/blob/main/{path.relative_to(ROOT)})" if REPOSITORY else match[1]

    return re.sub(r"\[([^]]*)\]\(([^):#]+)\)", link, markdown)


def _from_docs(text: str) -> str:
    """A page of the root with its links as they are seen from docs/."""
    text = re.sub(r"\]\((?![\w+]+:|#|docs/)", "](../", text)
    return text.replace("](docs/", "](")
