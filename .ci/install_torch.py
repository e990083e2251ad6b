# SPDX-License-Identifier: Apache-2.0
"""Install the torch that pyproject.toml pins; the CPU build unless told otherwise.

usage: install_torch.py cpu | pypi | INDEX_ADDRESS

On Linux PyPI's torch is a CUDA build of several GB. The CPU build comes from PyTorch's own index, where that
answers; else from wherever pip is configured to look, if what pip would install there needs no CUDA package.
"""

import json
import subprocess
import sys
import tomllib
import urllib.request
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
SECONDS_TO_ANSWER = 3


def main(source: str) -> None:
    requirement = pinned_torch()
    if installed_version() in Requirement(requirement).specifier:
        return
    if source == "pypi":
        pip("install", requirement)
    elif source != "cpu":
        pip("install", requirement, "--extra-index-url", source)
    elif answers(CPU_INDEX):
        pip("install", requirement, "--extra-index-url", CPU_INDEX)
    elif needs_cuda(requirement):
        sys.exit(
            f"{requirement}: {CPU_INDEX} does not answer, and the build pip finds needs CUDA packages (several GB): "
            "make TORCH=pypi installs that one, make TORCH=https://… uses another index"
        )
    else:
        pip("install", requirement)


def pinned_torch() -> str:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    return next(r for r in project["optional-dependencies"]["train"] if r.startswith("torch=="))


def installed_version() -> str:
    try:
        return version("torch")
    except PackageNotFoundError:
        return "0"


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/torch/", timeout=SECONDS_TO_ANSWER):
            return True
    except OSError:
        return False


def needs_cuda(requirement: str) -> bool:
    """What pip would really install, from its own report."""
    report = pip("install", "--dry-run", "--no-deps", "--ignore-installed", "--report", "-", requirement)
    requires = json.loads(report)["install"][0]["metadata"].get("requires_dist", [])
    wanted = [Requirement(text) for text in requires]
    names = [r.name for r in wanted if r.marker is None or r.marker.evaluate({"extra": ""})]
    return any(name.startswith(("nvidia", "cuda")) for name in names)


def pip(*arguments: str) -> str:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"pip could not install torch (exit {done.returncode}); its messages are above")
    return done.stdout


if __name__ == "__main__":
    main(sys.argv[1])
