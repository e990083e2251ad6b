# SPDX-License-Identifier: Apache-2.0
"""The cross compilers and make, which build what a deployment's directory holds."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal

from trit.runtime.errors import MissingExtra, Unavailable

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
        return [
            "TOOLCHAIN=zig",
            f"CROSS_CC={sys.executable} -m ziglang cc {zig_flags}",
        ]
    if shutil.which(f"{gcc}gcc") is None:
        package = "gcc-avr avr-libc" if gcc == "avr-" else f"gcc-{gcc.strip('-')}"
        raise Unavailable(f"{gcc}gcc is not installed (Debian: apt-get install {package})")
    return ["TOOLCHAIN=gcc"]


def build_environment() -> dict[str, str]:
    """zig compiles its run-time library once and keeps it: in the user's cache, or where there is none, in /tmp."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trit" / "zig"
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError:
        cache = Path(tempfile.gettempdir()) / f"trit-zig-{os.getuid()}"
    return {"ZIG_GLOBAL_CACHE_DIR": str(cache), "ZIG_LOCAL_CACHE_DIR": str(cache), **os.environ}
