# SPDX-License-Identifier: Apache-2.0
"""Hypothesis draws the same examples in every run, and takes the time they take; commands are typed by `run`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from trit import main

settings.register_profile("trit", derandomize=True, deadline=None, database=None)
settings.load_profile("trit")


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Type a command in a new directory: (exit status, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)

    def type_command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["trit", *words])
        with pytest.raises(SystemExit) as stop:
            main.main()
        streams = capsys.readouterr()
        return int(stop.value.code or 0), streams.out, streams.err

    return type_command


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Steps of so few numbers take longer on more threads, and much longer where other work has the processors."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
