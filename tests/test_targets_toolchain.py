# SPDX-License-Identifier: Apache-2.0
"""The commands of cross compilers: by way of ccache where it is, and what they keep where it may lie."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from c_tools import need, run

from trit.runtime.errors import Unavailable
from trit.targets.toolchain import build_environment, cross_compiler

pytest.importorskip("ziglang", reason="ziglang is not installed: pip install 'trit[mcu]'")
FLAGS = "-target thumb-freestanding-eabi -mcpu=cortex_m0plus"


def command() -> str:
    toolchain, compiler = cross_compiler("zig", FLAGS, "arm-none-eabi-")
    assert toolchain == "TOOLCHAIN=zig"
    return compiler.removeprefix("CROSS_CC=")


def test_ccache_knows_a_file_that_zig_compiled_in_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("ccache")
    monkeypatch.setenv("CCACHE_DIR", str(tmp_path / "ccache"))
    for name in ("a b", "c"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "three.c").write_text("int three(void) { return 3; }\n")
        run("sh", "-c", f"{command()} -Os -c three.c -o three.o", cwd=folder)
    counts = dict(line.split("\t") for line in run("ccache", "--print-stats").splitlines())
    assert (counts["cache_miss"], counts["direct_cache_hit"]) == ("1", "1")
    assert (tmp_path / "a b/three.o").read_bytes() == (tmp_path / "c/three.o").read_bytes()


def test_without_ccache_zig_is_called_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert command().endswith(f" -m ziglang cc {FLAGS}") and "ccache" not in command()


def test_without_a_home_what_compilers_keep_lies_in_a_folder_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CCACHE_DIR", "ZIG_GLOBAL_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    kept = tmp_path / f"trit-{os.getuid()}"
    assert build_environment()["CCACHE_DIR"] == f"{kept}/ccache"
    assert kept.stat().st_mode & 0o077 == 0
    another = os.getuid() + 1
    (tmp_path / f"trit-{another}").mkdir()
    monkeypatch.setattr(os, "getuid", lambda: another)
    with pytest.raises(Unavailable, match="belongs to another user: set XDG_CACHE_HOME"):
        build_environment()
