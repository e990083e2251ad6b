# SPDX-License-Identifier: Apache-2.0
"""Estimated cycles and energy beside others' figures: a simulator of the RP2040, and boards that MLPerf Tiny measured.

python -m benchmarks.cycles [--only PART] [--json]

rp2040js (npm, pinned) counts the Cortex-M0+'s cycles by itself, but leaves LR and PC out of what push and pop take; the
core's manual counts them. node and npm must be installed.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

from benchmarks.layers import Layer, layer_graph
from benchmarks.programs import NETWORKS, board_named, build_for_speed, program_folder, zoo_network
from benchmarks.report import Row, run
from trit.targets.microcontroller.cycles import estimate
from trit.targets.microcontroller.elf import Elf
from trit.targets.microcontroller.execution import instructions
from trit.targets.microcontroller.firmware import temporary_firmware
from trit.targets.microcontroller.simulator import run_folder

HERE = Path(__file__).parent
RP2040JS = "rp2040js@1.4.1"
AUTOENCODER_WEIGHTS = 264_192  # bytes
# MLPerf Tiny, anomaly detection on ST's NUCLEO-L4R5ZI at 120 MHz: milliseconds and, where measured, microjoules.
MEASURED = {
    "TensorFlow Lite Micro, v0.5 reference": (10.05, 416.3),
    "TVM with CMSIS-NN, v1.1": (8.61, None),
    "X-CUBE-AI, v1.2": (5.26, 203.0),
}


def main() -> None:
    work = {f"rp2040js {name}": lambda name=name: rp2040js(name) for name in NETWORKS}
    work["MLPerf Tiny"] = mlperf_tiny
    run("Estimated cycles beside others'", work)


def rp2040js(name: str) -> list[Row]:
    """The network's cycles on the RP2040 without waits for flash, which rp2040js has none of."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        print("rp2040js: node and npm are not installed (Debian: apt-get install nodejs npm)")
        return []
    board = board_named("rp2040")
    with temporary_firmware(zoo_network(name), board) as folder:
        steps = run_folder(board, folder).execution.steps
        marks = cycles_by_rp2040js(Elf(folder / "firmware.elf"), folder)
    estimates = [estimate(board.core, blocks).high for blocks in steps]
    counts = [end - begin for begin, end in pairwise(marks)]
    worst = max(abs(a / b - 1) for a, b in zip(estimates, counts, strict=True))
    return [
        Row(f"{name}, cycles", sum(estimates), "cycles", "rp2040js", sum(counts)),
        Row(f"{name}, difference", 100 * abs(sum(estimates) / sum(counts) - 1), "%", bar="≤ 1"),
        Row(f"{name}, of the layer that differs most", 100 * worst, "%"),
    ]


def cycles_by_rp2040js(program: Elf, folder: Path) -> list[int]:
    """Cycles since reset each time that a step begins, and after the last."""
    subprocess.run(["npm", "install", "--silent", "--prefix", folder, RP2040JS], check=True)
    segments = [{"at": s.load, "data": base64.b64encode(s.data).decode()} for s in program.segments if s.data]
    job = {"segments": segments, "mark": program.address("step_begins") & ~1}
    (folder / "program.json").write_text(json.dumps(job))
    script = shutil.copy(HERE / "rp2040js.cjs", folder)
    done = subprocess.run(["node", script, folder / "program.json"], check=True, stdout=subprocess.PIPE, text=True)
    marks: list[int] = json.loads(done.stdout)
    return marks


def mlperf_tiny() -> list[Row]:
    """The int8 autoencoder on the board of the published results."""
    board = board_named("stm32l4r5")
    with program_folder(layer_graph(Layer(32, 1, 1), "binary", "binary"), board, "autoencoder.c") as folder:
        build_for_speed(folder)
        (blocks,) = run_folder(board, folder).execution.steps
    cycles = estimate(board.core, blocks, board.wait_states.value, AUTOENCODER_WEIGHTS)
    milliseconds = [1e3 * end / board.clock.value for end in cycles]
    microjoules = [1e3 * time * board.supply.value * board.current.value for time in milliseconds]
    count = instructions("cortex-m", blocks)
    rows = [Row("int8 autoencoder, SMLAD kernel of this benchmark", count, "instructions")]
    for peer, (time, energy) in MEASURED.items():
        for end, name in enumerate(("fewest", "most")):
            rows.append(Row(f"the same, {name} cycles", milliseconds[end], "ms", f"measured: {peer}", time))
            if energy:
                rows.append(Row(f"the same, {name} cycles", microjoules[end], "µJ", f"measured: {peer}", energy))
    return rows


if __name__ == "__main__":
    main()
