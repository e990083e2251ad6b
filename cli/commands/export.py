# SPDX-License-Identifier: Apache-2.0
"""trit export: a trained model becomes ONNX, a plan for the C runtime, or a TVM library."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trit.console import stderr
from trit.options import OneTask
from trit.runtime.errors import TritError
from trit.targets.quantities import quantity

if TYPE_CHECKING:
    from rich.status import Status

    from trit.export.graph import Graph


TEST_IMAGES = 3  # in a library's example


class Format(StrEnum):
    onnx = "onnx"
    onnx_plain = "onnx-plain"
    onnx_int2 = "onnx-int2"
    qonnx = "qonnx"
    trit = "trit"
    tvm = "tvm"
    tvm_c = "tvm-c"
    arduino = "arduino"
    zephyr = "zephyr"
    esp_idf = "esp-idf"
    head = "head"


ONE_TASK = (Format.qonnx, Format.tvm, Format.tvm_c)  # formats without a choice of tasks at run time


def export(
    model: Annotated[Path, typer.Argument(help="model.pt of trit train, or an exported model.onnx.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file to write; for arduino, zephyr and esp-idf a folder.")
    ],
    format: Annotated[
        Format | None, typer.Option(help="Default: by the ending of --output (.onnx, .trit, .head).")
    ] = None,
    lanes: Annotated[
        int, typer.Option(help="Plan only: interleaved output channels, 16 for hosts, 1 for microcontrollers.")
    ] = 16,
    task: OneTask = None,
    mcpu: Annotated[
        str, typer.Option(help="tvm only: LLVM's name of the processor, as cortex-a53; default: this machine's.")
    ] = "",
    triple: Annotated[
        str, typer.Option(help="tvm only: LLVM's triple, as aarch64-linux-gnu; default: this machine's.")
    ] = "",
    tune: Annotated[
        int, typer.Option(min=0, metavar="N", help="tvm only: try N schedules a layer; Ctrl-C keeps the best so far.")
    ] = 0,
    metaplasticity: Annotated[
        float, typer.Option(min=0, metavar="M", help="head only: how much harder than others large weights flip.")
    ] = 1.5,
) -> None:
    """Lower a trained network to the integer graph and write it.

    onnx-plain and onnx-int2 are for tools that know ONNX's own operators alone, qonnx is for FINN and hls4ml; trit
    itself reads onnx.

    Of a network with several tasks all are written: weights once, thresholds for each; qonnx, tvm and tvm-c hold one.

    Or write it as a library: arduino, zephyr (a module) and esp-idf (a component) hold the model and the C runtime;
    tvm is a shared library for TVM's runtime, and tvm-c a folder of C that needs nothing.

    A head is what a binary network's last two layers go on learning from on the device, beside its plan.

    Example: trit export runs/fashion/model.pt -o fashion.onnx

    Example: trit export fashion.onnx --format arduino -o trit_fashion

    Example: trit export fashion.onnx --format tvm --triple aarch64-linux-gnu --mcpu cortex-a53 -o fashion.so
    """
    from trit.files import one_task, read_model

    chosen = format or _format_of(output)
    if chosen is Format.head:
        _write_head(model, output, metaplasticity)
        return
    with stderr.status(f"lowering {model}") as status:
        graph = read_model(model)
        if task is not None or chosen in ONE_TASK:
            graph = one_task(graph, task, chosen)
        status.update(f"writing {output}")
        if chosen is Format.tvm:
            _write_tvm(graph, output, mcpu, triple, tune, status)
        else:
            _write(graph, chosen, output, lanes)
    size = f"{chosen} library, see README.md" if output.is_dir() else f"{output.stat().st_size:,} bytes"
    typer.echo(f"{output}: {size}")


def _write(graph: Graph, chosen: Format, output: Path, lanes: int) -> None:
    match chosen:
        case Format.tvm_c:
            from trit.inputs import inputs_for
            from trit.targets.tvm_c import write_tvm_c

            write_tvm_c(graph, output, inputs_for(graph, TEST_IMAGES).images)
        case Format.trit:
            from trit.export.plan import to_plan
            from trit.runtime.files import write_atomic

            write_atomic(output, to_plan(graph, lanes=lanes))
        case Format.onnx:
            from trit.export.onnx_writer import write_onnx

            write_onnx(graph, output)
        case Format.onnx_plain:
            from trit.export.onnx_plain import write_onnx_plain

            write_onnx_plain(graph, output)
        case Format.onnx_int2:
            from trit.export.onnx_int2 import write_onnx_int2

            write_onnx_int2(graph, output)
        case Format.qonnx:
            from trit.export.qonnx_writer import write_qonnx

            write_qonnx(graph, output)
        case Format.arduino | Format.zephyr | Format.esp_idf:
            from trit.inputs import inputs_for
            from trit.targets.library import write_library

            write_library(graph, chosen.value, output, inputs_for(graph, TEST_IMAGES).images)


def _write_head(model: Path, output: Path, metaplasticity: float) -> None:
    from trit.runtime.files import write_atomic
    from trit.train.checkpoint import load_model
    from trit.train.head import learning_head

    network, _ = load_model(model)
    write_atomic(output, learning_head(network, metaplasticity).to_bytes())
    typer.echo(f"{output}: {output.stat().st_size:,} bytes")


def _write_tvm(graph: Graph, output: Path, mcpu: str, triple: str, trials: int, status: Status) -> None:
    from trit.export.tvm import llvm_target, schedule, write_tvm

    def optimize(module: Any, target: Any) -> Any:
        from trit.export.tvm.tune import tune

        return tune(module, target, trials, show)

    def show(function: str, trial: int, before: float, now: float) -> None:
        times = f"{quantity(before, 's')} → {quantity(now, 's')}"
        status.update(f"tuning {function}, {trial} of {trials}: {times} (Ctrl-C keeps the best so far)")

    write_tvm(graph, output, llvm_target(mcpu, triple), optimize if trials else schedule)


def _format_of(output: Path) -> Format:
    endings = {".onnx": Format.onnx, ".trit": Format.trit, ".head": Format.head}
    if output.suffix not in endings:
        formats = ", ".join(Format)
        raise TritError(f"{output}: give --format, one of {formats}, or a name that ends in .onnx, .trit or .head")
    return endings[output.suffix]
