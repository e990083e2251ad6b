# SPDX-License-Identifier: Apache-2.0
"""A peer that needs a Python of its own: a process that answers each line with a number."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Peer:
    """`script`, beside this file, run by `python`; where there is no such Python, a peer that nobody may ask."""

    def __init__(self, python: str | None, script: str) -> None:
        self._command = [python, str(Path(__file__).with_name(script))] if python else []

    def __enter__(self) -> Peer:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, text=True) if self._command else None
        return self

    def __bool__(self) -> bool:
        return bool(self._command)

    def ask(self, line: str) -> float:
        assert self._process and self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def __exit__(self, *error: object) -> None:
        if self._process and self._process.stdin:
            self._process.stdin.close()
            self._process.wait()
