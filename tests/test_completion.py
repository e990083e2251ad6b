# SPDX-License-Identifier: Apache-2.0
"""Completion in bash, zsh and fish, as the shells ask for it, and typed into the shells themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LINES = {
    "pro": {"profile"},
    "train fashion-ternary-": {"fashion-ternary-cnn", "fashion-ternary-8bit-cnn", "fashion-ternary-small"},
    "profile m.onnx --target nrf": {"nrf52840"},
    "profile m.onnx --target host,nrf": {"host,nrf52840"},
    "deploy m.onnx --target cortex-": {"cortex-a53"},
    "targets atmega3": {"atmega328p"},
    "target check rram-2t2r-130": {"rram-2t2r-130nm", "rram-2t2r-130nm-low"},
    "zoo mnist": {"mnist-binary-mlp"},
    "export --form": {"--format"},
    "export m.onnx --format ti": set(),
    "export mod": set(),  # nothing of trit's: the shell offers files
}


def ask(shell: str, line: str, folder: Path) -> str:
    words = f"trit {line}"
    variables = {
        **os.environ,
        "_TRIT_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
        "_TYPER_COMPLETE_ARGS": words,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    program = [sys.executable, "-X", "importtime", "-c", "from trit.__main__ import main; main()"]
    done = subprocess.run(program, cwd=folder, env=variables, capture_output=True, text=True)
    imported = {text.rpartition("|")[2].strip() for text in done.stderr.splitlines()}
    assert "trit.main" in imported and not {"torch", "onnx", "sklearn", "matplotlib"} & imported
    return done.stdout.strip()


@pytest.mark.parametrize("line", LINES)
def test_bash_is_answered(line: str, tmp_path: Path) -> None:
    assert set(ask("bash", line, tmp_path).split()) == LINES[line]


def test_fish_is_answered(tmp_path: Path) -> None:
    command, tab, explained = ask("fish", "pro", tmp_path).partition("\t")
    assert (command, tab) == ("profile", "\t") and explained.startswith("Time, energy and memory")
    assert ask("fish", "export mod", tmp_path) == ""


def test_zsh_is_answered(tmp_path: Path) -> None:
    assert ask("zsh", "zoo mnist", tmp_path) == """_arguments '*: :(("mnist-binary-mlp"))'"""
    assert ask("zsh", "export mod", tmp_path) == "_files"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_the_shells_own(shell: str, tmp_path: Path) -> None:
    """It parses, and completes a line that is typed."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed: apt-get install {shell}")
    (tmp_path / "trit").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m trit "$@"\n')
    (tmp_path / "trit").chmod(0o755)
    variables = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    variables["_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION"] = "1"  # take the shell that is named, not pytest's own
    command = [tmp_path / "trit", "--show-completion", shell]
    shown = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    (tmp_path / "script").write_text(shown.stdout)
    typed = {
        "bash": "source script; COMP_WORDS=(trit zoo mnist); COMP_CWORD=2; _trit_completion trit; echo ${COMPREPLY[*]}",
        "zsh": 'compdef() { :; }; source script; words=(trit zoo mnist); CURRENT=3; _arguments() { echo "$@" }; '
        "_trit_completion",
        "fish": "source script; complete -C 'trit zoo mnist'",
    }
    options = {"zsh": ["-f"], "bash": ["--norc"], "fish": ["--no-config"]}[shell]
    typing = [shell, *options, "-c", typed[shell]]
    done = subprocess.run(typing, cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert "mnist-binary-mlp" in done.stdout, done.stderr
