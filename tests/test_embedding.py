# SPDX-License-Identifier: Apache-2.0
"""The C library in other programs: it compiles without a warning as C99 and as C++17, with gcc and clang."""

from __future__ import annotations

from pathlib import Path

import pytest
from c_tools import DIALECTS, INCLUDE, SOURCES, WARNINGS, need, run


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_sources_compile_without_warnings(tmp_path: Path, dialect: str) -> None:
    need(DIALECTS[dialect][0])
    run(*DIALECTS[dialect], *WARNINGS, "-O2", "-I", INCLUDE, "-c", *SOURCES, cwd=tmp_path)
    assert {path.stem for path in tmp_path.glob("*.o")} == {path.stem for path in SOURCES}
