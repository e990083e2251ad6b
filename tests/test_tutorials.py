# SPDX-License-Identifier: Apache-2.0
"""Each tutorial in an empty directory, from top to bottom: its files are written, its lines run, its output compared.

A block with a file's name as its title is that file. Lines of `sh` without a title run. A block of `text` is
what they printed: each of its lines, in this order, or, titled "yours may differ", its words without the figures.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from c_tools import need
from docs_tools import TUTORIALS, fenced, shell

DIFFERENT = "yours may differ"


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_tutorial(page: Path, tmp_path: Path) -> None:
    need("make", "cc")
    for package in ("torch", "sklearn", "accelerate", "ziglang", "unicorn", "capstone", "elftools", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'trit[all]'")
    if "brevitas" in page.read_text():
        for package in ("brevitas", "onnxoptimizer", "qonnx"):
            pytest.importorskip(package, reason=f"{package} is not installed: pip install 'trit[dev]'")
    printed, ran = "", 0
    for block in fenced(page):
        if re.fullmatch(r"[\w-]+\.\w+", block.title):
            (tmp_path / block.title).write_text(block.text)
        elif block.language == "sh" and not block.title:
            printed, ran = shell(block.text, tmp_path), ran + 1
        elif block.language == "text" and block.title == DIFFERENT:
            assert_in_order(re.findall(r"[A-Za-z]{4,}", block.text), re.findall(r"[A-Za-z]{4,}", printed))
        elif block.language == "text" and not block.title:
            assert_in_order(map(str.strip, block.text.splitlines()), [line.strip() for line in printed.splitlines()])
    assert ran > 1


def assert_in_order(shown: Iterable[str], printed: list[str]) -> None:
    rest = iter(printed)
    for part in shown:
        assert part in rest, f"{part!r} is not printed, or not there, but:\n" + "\n".join(printed)
