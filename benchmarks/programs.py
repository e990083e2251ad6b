# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks of boards share: boards, the zoo's networks, and programs of their own in a firmware's place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trit.commands.zoo import network_bytes
from trit.export.graph import Graph
from trit.export.onnx_reader import parse_onnx
from trit.targets.description import Microcontroller, load_target
from trit.targets.microcontroller.firmware import temporary_firmware

NETWORKS = ("mnist-binary-mlp", "fashion-binary-cnn", "fashion-ternary-cnn")


def board_named(name: str) -> Microcontroller:
    board = load_target(name)
    assert isinstance(board, Microcontroller)
    return board


def zoo_network(name: str) -> Graph:
    return parse_onnx(network_bytes(name), name)


@contextmanager
def program_folder(graph: Graph, board: Microcontroller, source: str, before: str = "") -> Iterator[Path]:
    """The graph's firmware with a C file of this folder as its main.c, `before` in front, and without test images."""
    with temporary_firmware(graph, board) as folder:
        (folder / "main.c").write_text(before + (Path(__file__).parent / source).read_text())
        (folder / "test_images.c").write_text("")
        yield folder


def build_for_speed(folder: Path) -> None:
    """Make a firmware's folder build as int8 libraries are built."""
    makefile = folder / "Makefile"
    makefile.write_text(makefile.read_text().replace("OPTIMIZE ?= -Os", "OPTIMIZE ?= -O3"))
