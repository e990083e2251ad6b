# SPDX-License-Identifier: Apache-2.0
"""The cross compilers and make, which build what a deployment's directory holds."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal

from trit.runtime.errors import MissingExtra, Unavailable
from trit.runtime.files import write_atomic

Toolchain = Literal["zig", "gcc"]


def run_make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the folder's Makefile on all processors; whether it failed is in the result.

    Raises Unavailable if make is missing.
    """
    if shutil.which("make") is None:
        raise Unavailable("make is not installed (Debian: apt-get install make)")
    command = ["make", "-s", f"-j{os.cpu_count() or 1}", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=build_environment())


def cross_compiler(toolchain: Toolchain | None, zig_flags: str | None, gcc: str) -> list[str]:
    """The Makefile's variables that choose the compiler: zig unless said otherwise, gcc without flags for zig.

    `gcc` is its command's prefix.
    Raises Unavailable if it is missing.
    """
    if zig_flags and toolchain != "gcc":
        if importlib.util.find_spec("ziglang") is None:
            raise MissingExtra("ziglang", "mcu")
        return ["TOOLCHAIN=zig", f"CROSS_CC={_zig()} {zig_flags}"]
    if shutil.which(f"{gcc}gcc") is None:
        package = "gcc-avr avr-libc" if gcc == "avr-" else f"gcc-{gcc.strip('-')}"
        raise Unavailable(f"{gcc}gcc is not installed (Debian: apt-get install {package})")
    return ["TOOLCHAIN=gcc"]


def build_environment() -> dict[str, str]:
    """Where zig keeps its run-time library, which it compiles once, and ccache what it knows."""
    kept = _kept()
    own = {"ZIG_GLOBAL_CACHE_DIR": kept / "zig", "ZIG_LOCAL_CACHE_DIR": kept / "zig", "CCACHE_DIR": kept / "ccache"}
    return {**{name: str(folder) for name, folder in own.items()}, **os.environ}


def _zig() -> str:
    """The command of zig's C compiler; by way of ccache where that is, so that a file is compiled once for a core."""
    command = f"{shlex.quote(sys.executable)} -m ziglang cc"
    if shutil.which("ccache") is None:
        return command
    # ccache takes a compiler of one word, and by its content for the same.
    script = _kept() / "zig-cc"
    text = f'#!/bin/sh\n# ziglang {importlib.metadata.version("ziglang")}\nexec {command} "$@"\n'
    if not script.exists() or script.read_text() != text:
        write_atomic(script, text.encode(), executable=True)
    return f"CCACHE_COMPILERTYPE=clang CCACHE_COMPILERCHECK=content ccache {shlex.quote(str(script))}"


def _kept() -> Path:
    """The folder of what compilers keep: in the user's cache, or where there is none, in /tmp.

    Raises Unavailable if that one is another user's.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trit"
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError:
        cache = Path(tempfile.gettempdir()) / f"trit-{os.getuid()}"
        cache.mkdir(mode=0o700, exist_ok=True)
        if cache.stat().st_uid != os.getuid():
            raise Unavailable(f"{cache} belongs to another user: set XDG_CACHE_HOME to a folder of your own") from None
    return cache
