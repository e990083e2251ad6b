# SPDX-License-Identifier: Apache-2.0
"""The integer graph as a library that TVM builds, and its Python session."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import tvm
from tvm import relax

from trit.export.graph import Graph
from trit.export.tvm.legalize import legalize
from trit.export.tvm.machine import AARCH64, host_target, is_aarch64
from trit.export.tvm.relax_writer import to_relax
from trit.export.tvm.schedule import schedule
from trit.runtime.errors import MissingExtra, TritError
from trit.runtime.files import write_atomic
from trit.runtime.images import as_images

Optimize = Callable[[Any, Any], Any]  # an IRModule's functions for a target


class TvmModule:
    """A built network: run(images) gives its scores."""

    def __init__(self, machine: Any) -> None:
        self._main = machine["main"]
        channels, height, width = machine["input_shape"]().numpy().tolist()
        self._shape = (channels, height, width)
        self._image = tvm.runtime.empty(self._shape, "uint8")

    def run(self, x: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Scores (N, C, H, W) of images (N, C, H, W), one image at a time. Raises TritError where x does not fit."""
        return np.stack([self._run_one(image) for image in as_images(x, self._shape)])

    def _run_one(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        self._image.copyfrom(image)
        scores: npt.NDArray[np.float32] = self._main(self._image).numpy()
        return scores


def build(graph: Graph, target: Any = None, optimize: Optimize = schedule) -> TvmModule:
    """Build the network in memory, for this machine's processor or another tvm.target.Target that it can run."""
    return TvmModule(relax.VirtualMachine(compile_graph(graph, target or host_target(), optimize), tvm.cpu()))


def write_tvm(graph: Graph, path: Path, target: Any = None, optimize: Optimize = schedule) -> None:
    """Build the network for this machine's processor or another target as a shared library.

    Raises TritError if it cannot be linked or written, MissingExtra if the linker for another machine is missing.
    """
    target = target or host_target()
    executable = compile_graph(graph, target, optimize)
    with TemporaryDirectory(prefix="trit-") as folder:
        library = Path(folder) / "model.so"
        try:
            if is_aarch64(target) and not is_aarch64(host_target()):
                executable.export_library(str(library), fcompile=_link_for_aarch64)
            else:
                executable.export_library(str(library))
        except RuntimeError as error:
            raise TritError(f"{path}: TVM needs a C compiler to link: {str(error).strip()[-200:]}") from error
        write_atomic(path, library.read_bytes())


def load_tvm(path: str | os.PathLike[str]) -> TvmModule:
    """Open what `write_tvm` wrote. Raises TritError if it is no such library."""
    try:
        return TvmModule(relax.VirtualMachine(tvm.runtime.load_module(str(path)), tvm.cpu()))
    except Exception as error:  # TVM raises types of its own for what it cannot load
        raise TritError(f"{path}: not a network built by TVM: {str(error).strip().splitlines()[-1]}") from error


def compile_graph(graph: Graph, target: Any, optimize: Optimize = schedule) -> Any:
    """The graph's Relax executable."""
    return relax.build(optimize(legalize(to_relax(graph), target), target), target)


def _link_for_aarch64(output: str, objects: list[str], *_: Any, **__: Any) -> None:
    if find_spec("ziglang") is None:
        raise MissingExtra("ziglang", "mcu")
    command = [sys.executable, "-m", "ziglang", "cc", "-target", AARCH64, "-shared", "-fPIC", "-o", output, *objects]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
