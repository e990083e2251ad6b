# SPDX-License-Identifier: Apache-2.0
"""Networks as TVM's LLVM compiles them: the library with a test, and what its layers take on this machine."""

from __future__ import annotations

from collections import defaultdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trit.export import reference
from trit.export.fuse import fuse
from trit.export.graph import Graph
from trit.runtime.errors import Unavailable
from trit.runtime.files import write_atomic
from trit.runtime.session import Step
from trit.targets.description import Tvm
from trit.targets.sources import Images, write_template

Array = npt.NDArray[Any]


def write_tvm_folder(graph: Graph, target: Tvm, folder: Path, images: Images) -> None:
    """model.so, and images (N, C, H, W) with their scores as its test, which needs Python with TVM alone."""
    from trit.export.tvm import write_tvm

    write_tvm(graph, folder / "model.so", _processor(target))
    scores = np.concatenate([reference.run(graph, image[None]) for image in images])
    write_atomic(folder / "images.bin", images.tobytes())
    write_atomic(folder / "scores.bin", scores.astype("<f4").tobytes())
    write_atomic(folder / "run.py", files("trit.targets").joinpath("firmware", "tvm_run.py").read_bytes())
    write_template(folder / "Makefile", "tvm.mk", {"target": target.name})


def run_tvm(graph: Graph, images: Images, target: Tvm) -> Array:
    """Scores (N, C, H, W) on this machine. Raises Unavailable if the target is another."""
    from trit.export.tvm import build

    return build(graph, _processor(target)).run(images)


def step_seconds(graph: Graph, target: Tvm, steps: list[Step]) -> list[float]:
    """Seconds of each of the plan's steps by TVM on this machine, each function on its own; raises as run_tvm does."""
    from trit.export.tvm.timing import function_timers

    seconds = {name: measure() for name, measure in function_timers(graph, _processor(target)).items()}
    by_step: dict[str, float] = defaultdict(float)
    for step in fuse(graph):
        by_step[step.node.name] = seconds.pop(step.output)
    by_step[steps[0].name] += sum(seconds.values())  # the input's layout
    return [by_step[step.name] for step in steps]


def _processor(target: Tvm) -> Any:
    from trit.export.tvm import llvm_target

    if target.mcpu or target.triple:
        names = " of ".join(name for name in (target.mcpu, target.triple) if name)
        raise Unavailable(
            f"{target.name}: is {names}, and only this machine runs; trit export --format tvm builds for it"
        )
    return llvm_target()
