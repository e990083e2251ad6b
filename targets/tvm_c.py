# SPDX-License-Identifier: Apache-2.0
"""A network as C that TVM generated: its folder, its firmware in the simulator, its program for 64-bit Arm Linux."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trit.export import reference
from trit.export.graph import Graph
from trit.runtime.errors import TritError, Unavailable
from trit.runtime.files import write_atomic
from trit.targets.description import Microcontroller, load_target
from trit.targets.folder import new_contents
from trit.targets.microcontroller import simulate_unicorn
from trit.targets.microcontroller.cores import CORES
from trit.targets.microcontroller.execution import Execution
from trit.targets.microcontroller.firmware import FAMILY_FILES, build_values, memories
from trit.targets.microcontroller.simulator import DEFAULT_BOARD
from trit.targets.sources import Images, Scores, fill_template, test_images_source
from trit.targets.toolchain import Toolchain, cross_compiler, run_make

if TYPE_CHECKING:
    from trit.export.tvm.c_source import CSources

Array = npt.NDArray[Any]
TEST_FILES = {
    "include/trit/trit.h": "tvm_trit.h",
    "main.c": "main.c",
    "platform.h": "platform.h",
    "platform_host.c": "platform_host.c",
}
HOST_FILES = TEST_FILES | {"Makefile": "host.mk"}


def write_tvm_c(graph: Graph, folder: Path, images: Images) -> None:
    """The network's C sources in `folder`, with images (N, C, H, W) and their scores as its test.

    Raises TritError if the folder holds other things or cannot be written; it is then as it was.
    """
    from trit.export.tvm.c_source import to_c

    sources = to_c(graph)
    scores = np.concatenate([reference.run(graph, image[None]) for image in images])
    values = {
        "target": "this machine",
        "model": graph.metadata.get("name") or "A model",
        "input": " × ".join(str(size) for size in graph.tensors[graph.input].shape),
        "output": str(int(np.prod(graph.tensors[graph.output].shape))),
        "weights": f"{sources.constant_bytes:,}",
        "arena": f"{4 * sources.arena_words:,}",
    }
    with new_contents(folder) as made:
        _write(made, sources, images, scores, HOST_FILES | {"README.md": "readme_tvm.md"}, values)


def run_tvm_c(graph: Graph, images: Images, target: Microcontroller | None = None) -> Array:
    """Scores (N, C, H, W) of the network's C as firmware for the board, in the simulator; the default is nrf52840.

    Raises Unavailable if a tool is missing or the network is too large for the board, TritError if it faults.
    """
    board = target or _default_board()
    outputs = int(np.prod(graph.tensors[graph.output].shape))
    with _built(graph, board, images[:1]) as elf:
        core, regions = CORES[board.core], (board.flash, board.ram)
        scores = _ended(board, simulate_unicorn.run(core, elf, regions, images, outputs, False)).scores
    return scores.reshape(len(images), *graph.tensors[graph.output].shape)


def profile_tvm_c(graph: Graph, image: Images, target: Microcontroller | None = None) -> Execution:
    """The same for one image (1, C, H, W): the blocks that each layer's function executed, behind its call."""
    board = target or _default_board()
    outputs = int(np.prod(graph.tensors[graph.output].shape))
    with _built(graph, board, image) as elf:
        core, regions = CORES[board.core], (board.flash, board.ram)
        return _ended(board, simulate_unicorn.run(core, elf, regions, image, outputs, True))


def _default_board() -> Microcontroller:
    board = load_target(DEFAULT_BOARD)
    assert isinstance(board, Microcontroller)
    return board


@contextmanager
def _built(graph: Graph, board: Microcontroller, images: Images, toolchain: Toolchain | None = None) -> Iterator[Path]:
    """The program's ELF file, gone afterwards."""
    from trit.export.tvm.c_source import to_c

    core = CORES[board.core]
    if core.unicorn is None:
        raise Unavailable(f"unicorn does not know an {board.core}")
    values = {
        **build_values(board.name, core),
        "qemu": "",
        "qemu_flags": "",
        **memories(board.name, board.flash, board.ram),
    }
    with TemporaryDirectory(prefix="trit-") as name:
        folder = Path(name)
        firmware = TEST_FILES | FAMILY_FILES[core.family] | {"firmware.ld": "microcontroller.ld"}
        _write(folder, to_c(graph), images, None, firmware, values)
        (folder / "config.h").touch()  # which the Makefile names
        done = run_make(folder, "firmware.elf", *cross_compiler(toolchain, core.zig, core.gcc))
        if done.returncode:
            over = re.findall(r"overflowed by (\d+) bytes", done.stderr)
            if over:
                raise Unavailable(f"the model is too large for {board.name}: {max(map(int, over)):,} bytes too many")
            raise TritError(f"{folder}: the firmware does not build: {done.stderr.strip()[-400:]}")
        yield folder / "firmware.elf"


def _write(
    folder: Path,
    sources: CSources,
    images: Images,
    scores: Scores | None,
    firmware: Mapping[str, str],
    values: Mapping[str, str],
) -> None:
    """`firmware` maps files to write to those of targets/firmware; all but C sources are templates."""
    texts = dict(sources.files) | {"test_images.c": test_images_source(images, scores)}
    for name, source in firmware.items():
        if name.endswith((".c", ".h")):
            texts[name] = files("trit.targets").joinpath("firmware", source).read_text()
        else:
            texts[name] = fill_template(source, values)
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / name, text.encode())


def _ended(board: Microcontroller, execution: Execution) -> Execution:
    if execution.exit_status not in (0, 1):
        text = execution.text.strip()[-200:]
        raise TritError(f"{board.name}: the program stopped with status {execution.exit_status}: {text}")
    return execution
