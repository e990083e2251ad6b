# SPDX-License-Identifier: Apache-2.0
"""Every source file is installed under its import name, and light imports stay light."""

import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUP = PYPROJECT["tool"]["setuptools"]


@pytest.mark.parametrize("package, folder", SETUP["package-dir"].items())
def test_source_files_are_installed(package: str, folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        parts = path.relative_to(ROOT / folder).with_suffix("").parts
        name = ".".join((package, *parts)).removesuffix(".__init__")
        assert find_spec(name), f"{name}: list its package in pyproject.toml and run make setup"


@pytest.mark.parametrize(
    "statement", ["import trit", "import trit.main", "import trit.runtime, trit.export, trit.targets"]
)
def test_imports_stay_light(statement: str) -> None:
    heavy = "{'torch', 'onnx', 'tvm', 'onnxruntime', 'sklearn', 'unicorn'} & set(sys.modules)"
    command = f"import sys; {statement}; print(sorted({heavy}))"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_folders_import_one_way() -> None:
    """cli → train, targets → export → runtime."""
    upward = {"export", "runtime"}
    allowed = {"runtime": set(), "export": {"runtime"}, "train": upward, "targets": upward}
    for folder, others in allowed.items():
        for path in (ROOT / folder).rglob("*.py"):
            for line in path.read_text().splitlines():
                words = line.split()
                if words[:1] in (["from"], ["import"]) and words[1].startswith("trit."):
                    imported = words[1].split(".")[1]
                    assert imported in {folder, *others}, f"{path.relative_to(ROOT)}: {line.strip()}"


def test_every_extra_has_the_command_line() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"]
    assert all("trit[cli]" in extras[name] for name in extras if name not in ("cli", "all", "dev"))
    assert PYPROJECT["project"]["dependencies"] == ["numpy>=2.0"]


def test_the_lock_has_what_the_extras_ask_for() -> None:
    lines = (line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#"))
    locked = [Requirement(line) for line in lines]
    extras = PYPROJECT["project"]["optional-dependencies"]
    asked = [text for name in extras if name not in ("dev", "docs", "qonnx") for text in extras[name]]
    for requirement in map(Requirement, [*PYPROJECT["project"]["dependencies"], *asked]):
        if requirement.name == "trit":
            continue
        versions = [one for one in locked if canonicalize_name(one.name) == canonicalize_name(requirement.name)]
        assert versions, f"{requirement.name} is not in requirements.lock"
        for version in versions:
            assert str(version.specifier).removeprefix("==") in requirement.specifier, f"{version} for {requirement}"
