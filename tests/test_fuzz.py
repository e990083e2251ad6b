# SPDX-License-Identifier: Apache-2.0
"""The fuzzing corpus: what is in it, and that its makers still work. tests/test_c_library.py runs it in C."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

from trit.export.plan import OPERATORS
from trit.runtime import Session

ROOT = Path(__file__).parents[1]
CORPUS = ROOT / "tests/fuzz/corpus"
SEEDS = sorted((CORPUS / "seeds").iterdir())


def test_seeds_hold_every_operator_kind_and_layout() -> None:
    """A new operator or kind is fuzzed by a seed that has it: make fuzz-seeds."""
    steps = [step for seed in SEEDS for step in Session(seed).steps]
    assert {name for step in steps for name in step.operator.split("+")} == set(OPERATORS)
    convolutions = [step for step in steps if step.operator.startswith("Conv")]
    assert {step.input_kind for step in convolutions} == {"uint8", "binary", "ternary"}
    assert {step.output_kind for step in convolutions} == {"int32", "uint8", "binary", "ternary"}
    assert {step.weight_kind for step in convolutions} == {"binary", "ternary", "int8"}


def test_the_corpus_is_small() -> None:
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < 300_000


def test_seeds_can_be_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("make_seeds", ROOT / "tests/fuzz/make_seeds.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "TRIED", 40)
    module.write(tmp_path / "seeds")
    assert all(Session(seed).steps for seed in (tmp_path / "seeds").iterdir())
    assert any((tmp_path / "seeds").iterdir())


@pytest.mark.skipif(not shutil.which("clang") or not shutil.which("make"), reason="no clang or no make")
def test_make_fuzz_knows_its_parts() -> None:
    """Building it takes minutes: here only that make finds what it would run."""
    done = subprocess.run(["make", "-n", "fuzz", "fuzz-corpus"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "-fork=2" in done.stdout and "-merge=1" in done.stdout, done.stderr
