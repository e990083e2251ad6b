# SPDX-License-Identifier: Apache-2.0
"""The documentation builds as a site without a network; its links lead somewhere; nothing comes from another host."""

from __future__ import annotations

import importlib
import inspect
import re
import socket
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("material", reason="mkdocs-material is not installed: pip install 'trit[docs]'")
pytest.importorskip("mkdocstrings_handlers.python", reason="mkdocstrings is not installed: pip install 'trit[docs]'")

from mkdocs.commands.build import build
from mkdocs.config import load_config

ROOT = Path(__file__).parents[1]
REFERENCE = [
    name
    for page in sorted((ROOT / "docs" / "reference").glob("*.md"))
    for name in re.findall(r"^::: (\S+)$", page.read_text(), re.MULTILINE)
]
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href", "object": "data"}


class Html(HTMLParser):
    """A page's anchors, its links, and what a browser loads to show it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in LOADED and LOADED[tag] in values:
            self.loads.append(values[LOADED[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly, where a connection to another machine is a failure."""

    def refuse(self: socket.socket, address: object) -> None:
        raise AssertionError(f"the build connects to {address}")

    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        patch.setattr(socket.socket, "connect", refuse)
        config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder), strict=True)
        build(config)
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Html]:
    return {path: Html(path.read_text()) for path in site.rglob("*.html")}


def test_every_page_of_the_docs_is_there(site: Path) -> None:
    sources = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    assert len(sources) > 20
    for source in sources:
        name = source.with_name("index.html") if source.name == "README.md" else source.with_suffix(".html")
        assert (site / name).exists(), source
    assert not [*site.rglob("*.py"), *site.rglob("*.jsonl")]


def test_links_and_anchors_lead_somewhere(site: Path, pages: dict[Path, Html]) -> None:
    wrong = []
    for page, html in pages.items():
        for link in html.links:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https"):
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if page.name == "404.html":  # its links start at the site's root
                target = site / unquote(parts.path).lstrip("/")
            target = target / "index.html" if target.is_dir() else target
            anchor = unquote(parts.fragment)
            if not target.exists() or (anchor and anchor not in pages[target].anchors):
                wrong.append(f"{page.relative_to(site)}: {link}")
    assert not wrong


def test_nothing_comes_from_another_host(site: Path, pages: dict[Path, Html]) -> None:
    for page, html in pages.items():
        assert html.loads, page
        assert not [load for load in html.loads if urlsplit(load).netloc], page
    for style in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)\"']*", style.read_text()), style


def test_the_pages_of_the_root_and_the_commands_are_pages(site: Path) -> None:
    for name, text in (("changelog", "Unreleased"), ("contributing", "make test"), ("reference/cli", "trit export")):
        assert text in (site / f"{name}.html").read_text()


def test_the_reference_holds_what_it_lists(site: Path) -> None:
    anchors = {anchor for page in (site / "reference").glob("*.html") for anchor in Html(page.read_text()).anchors}
    sources = "".join(page.read_text() for page in (ROOT / "docs" / "reference").glob("*.md"))
    without_heading = re.findall(
        r"^::: (\S+)\n    options:\n(?:      .*\n)*?      show_root_heading: false$", sources, re.M
    )
    assert len(REFERENCE) > 100 > len(without_heading)
    assert set(REFERENCE) - anchors == set(without_heading)


@pytest.mark.parametrize("name", REFERENCE)
def test_what_the_reference_lists_says_what_it_is(name: str) -> None:
    """Docstrings of one's own: dataclass writes one that repeats the signature, and object has one for all."""
    pytest.importorskip("torch", reason="torch is not installed: pip install 'trit[train]'")
    if "tvm" in name:
        pytest.importorskip("tvm", reason="apache-tvm is not installed: pip install 'trit[tvm]'")
    module, _, attribute = name.rpartition(".")
    try:
        subject = importlib.import_module(name)
    except ModuleNotFoundError:
        subject = getattr(importlib.import_module(module), attribute)
    text = subject.__doc__ or ""
    assert text
    assert not text.startswith(f"{attribute}(")
    for member, value in vars(subject).items() if inspect.isclass(subject) else ():
        if member.startswith("_") or member in ("forward", "extra_repr"):
            continue
        if inspect.isroutine(value) or isinstance(value, property):
            assert inspect.getdoc(value) or inspect.getdoc(getattr(subject, member)), member
