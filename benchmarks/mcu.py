# SPDX-License-Identifier: Apache-2.0
"""Packed layers on simulated microcontrollers, in executed instructions, beside int8 in C.

python -m benchmarks.mcu [--only PART] [--json]

A layer counts whole: its sums, thresholds and packing. Plain int8 C of the same shape (int8.c) is built and counted
beside it. CMSIS-NN's figures were counted the same way, once, of its commit 99f736a by gcc 12 -O3, outputs checked.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.layers import Layer, layer_graph
from benchmarks.programs import board_named, build_for_speed, program_folder, zoo_network
from benchmarks.report import Row, run
from trit.export.graph import Graph, WeightKind
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.runtime.errors import Unavailable
from trit.targets.description import Microcontroller
from trit.targets.microcontroller.config import LANES
from trit.targets.microcontroller.cores import CORES
from trit.targets.microcontroller.cycles import Range, estimate
from trit.targets.microcontroller.execution import Block, instructions
from trit.targets.microcontroller.firmware import Firmware, build_firmware
from trit.targets.microcontroller.simulator import run_folder, run_image

AVR_LAYER = Layer(32, 8, 3)  # its int8 activations fit 8 KiB of memory
DENSE, CONVOLUTION, DOT_PRODUCTS = Layer(784, 1, 1, 256), Layer(64, 16, 3), Layer(4096, 1, 1, 64)
CMSIS_NN = {  # instructions of DENSE and CONVOLUTION
    "cortex-m0plus": (1_230_737, 59_761_776),
    "cortex-m3": (680_660, 25_200_665),
    "cortex-m4": (389_069, 16_618_857),
    "cortex-m7": (389_133, 16_623_416),
    "cortex-m55": (97_440, 1_941_577),
}
BARS: dict[tuple[str, Layer, WeightKind], str] = {
    ("cortex-m4", DENSE, "binary"): "≥ 5",
    ("cortex-m4", CONVOLUTION, "binary"): "≥ 5",
    ("cortex-m4", CONVOLUTION, "ternary"): "≥ 3",
    ("cortex-m0plus", DENSE, "binary"): "≥ 10",
    ("cortex-m0plus", CONVOLUTION, "binary"): "≥ 10",
}
DOT_BARS = {"rv32imac": "≥ 2.7", "rv32imac-zbb": "≥ 6.0"}
BOARDS = ("rp2040", "nrf52840", "stm32f746", "stm32u585", "mps3-an547", "esp32-c3", "rp2350")


def main() -> None:
    work: dict[str, Callable[[], list[Row]]] = {}
    for name in BOARDS:
        board = board_named(name)
        for layer in (DENSE, CONVOLUTION):
            work[f"{name} {layer.name}"] = lambda board=board, layer=layer: layers(board, layer)
        if board.core in DOT_BARS:
            work[f"{name} dot products"] = lambda board=board: dot_products(board)
    work[f"atmega2560 {AVR_LAYER.name}"] = avr
    work["flash"] = flash
    run("Packed layers on simulated microcontrollers", work)


def packed(board: Microcontroller, layer: Layer, weights: WeightKind) -> tuple[int, Range]:
    """Instructions and cycles of the layer on packed binary activations."""
    graph = layer_graph(layer, "binary", weights)
    index = next(step.index for step in Session(to_plan(graph, lanes=LANES)).steps if step.name == "layer")
    return counted(board, run_image(graph, board).execution.steps[index])


def plain_int8(board: Microcontroller, layer: Layer) -> tuple[int, Range]:
    """The same of int8.c."""
    with program_folder(layer_graph(layer, "binary", "binary"), board, "int8.c") as folder:
        sizes = {"CHANNELS": layer.channels, "OUTPUTS": layer.channels_out, "SIZE": layer.size, "KERNEL": layer.kernel}
        if CORES[board.core].family != "avr":  # for which int8.c chooses better itself
            build_for_speed(folder)
        (folder / "layer.h").write_text("".join(f"#define {name} {value}\n" for name, value in sizes.items()))
        return counted(board, run_folder(board, folder).execution.steps[0])


def counted(board: Microcontroller, blocks: list[Block]) -> tuple[int, Range]:
    return instructions(CORES[board.core].family, blocks), estimate(board.core, blocks)


def layers(board: Microcontroller, layer: Layer) -> list[Row]:
    try:
        count, cycles = plain_int8(board, layer)
    except Unavailable as error:
        print(f"{board.name}: {error}")
        return []
    name = f"{board.core} {layer.name}"
    rows = [_count(f"{name} int8, plain C", count, cycles)]
    for weights in ("binary", "ternary"):
        packed_count, packed_cycles = packed(board, layer, weights)
        work = f"{name} {weights}"
        rows.append(_count(work, packed_count, packed_cycles))
        rows.append(Row(work, count / packed_count, "× fewer", "plain C int8", count))
        if board.core in CMSIS_NN:
            peer = CMSIS_NN[board.core][layer is CONVOLUTION]
            bar = BARS.get((board.core, layer, weights), "")
            rows.append(Row(work, peer / packed_count, "× fewer", "CMSIS-NN int8", peer, bar))
    return rows


def _count(work: str, count: int, cycles: Range) -> Row:
    return Row(work, count, "instructions", f"cycles: {cycles.low:,.0f} to {cycles.high:,.0f}")


def dot_products(board: Microcontroller) -> list[Row]:
    try:
        count, _ = packed(board, DOT_PRODUCTS, "binary")
    except Unavailable as error:
        print(f"{board.name}: {error}")
        return []
    work = f"{board.core} binary {DOT_PRODUCTS.name}"
    return [Row(work, DOT_PRODUCTS.macs / count, "MAC an instruction", bar=DOT_BARS[board.core])]


def avr() -> list[Row]:
    """Cycles, which simavr counts exactly."""
    board = board_named("atmega2560")
    try:
        peer = plain_int8(board, AVR_LAYER)[1].high
    except Unavailable as error:
        print(f"{board.name}: {error}")
        return []
    rows = [Row(f"{board.core} {AVR_LAYER.name} int8, plain C", peer, "cycles")]
    for weights, bar in (("binary", "≥ 10"), ("ternary", "")):
        cycles = packed(board, AVR_LAYER, weights)[1].high
        work = f"{board.core} {AVR_LAYER.name} {weights}"
        rows += [Row(work, cycles, "cycles"), Row(work, peer / cycles, "× fewer cycles", "plain C int8", peer, bar)]
    return rows


def flash() -> list[Row]:
    """What a program on the Cortex-M0+ grows by when it runs a network of convolutions, pooling and dense layers."""
    board, graph = board_named("rp2040"), zoo_network("fashion-binary-cnn")
    with_it, without = smallest_program(graph, board, "NETWORK"), smallest_program(graph, board, "NOTHING")
    code = with_it.flash - without.flash - len(to_plan(graph, lanes=LANES))
    image, scores = (int(np.prod(graph.tensors[name].shape)) for name in (graph.input, graph.output))
    ram = with_it.static_ram - without.static_ram - image - 4 * scores - Session(to_plan(graph, lanes=LANES)).arena_size
    work = f"{board.core} fashion-binary-cnn"
    return [
        Row(f"{work}: code of the runtime", code / 1024, "KiB", bar="≤ 6"),
        Row(f"{work}: variables beside the arena, image and scores", ram, "bytes", bar="≤ 256"),
    ]


def smallest_program(graph: Graph, board: Microcontroller, what: str) -> Firmware:
    """smallest.c, built as all firmware is."""
    with program_folder(graph, board, "smallest.c", f"#define {what}\n") as folder:
        return build_firmware(board, folder)


if __name__ == "__main__":
    main()
