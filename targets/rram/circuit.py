# SPDX-License-Identifier: Apache-2.0
"""The read of a 2T2R synapse by its precharge sense amplifier, transistor by transistor, in ngspice.

The circuit (pcsa.sp, 9 transistors): a cross-coupled latch, whose nMOS stand on the bit lines, and two precharge pMOS;
the two devices, each with an access nMOS, from the bit lines to a common source line; a foot nMOS four times as wide
from there to ground. While SEN is low, both outputs are precharged to VDD, and the bit lines through the latch's nMOS
to about VDD - Vth. SEN rises: both lines discharge through their devices, the output of the lower resistance falls
first, and the latch holds the other.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trit.runtime.errors import TritError, Unavailable
from trit.targets.rram.operating_point import OperatingPoint

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]

CHUNK = 60  # points that one ngspice process simulates
SEN_EDGE = 50e-12  # s
# Without the first line ngspice starts as many threads as there are processors for nine transistors.
SPICEINIT = "set num_threads=1\nset ngbehavior=hsa\n"


@dataclass(frozen=True)
class Process:
    """The transistors: a SPICE library with models `nch` and `pch` in sections tt, ss, ff, sf and fs, and their size.

    width and length in m (the foot is four times as wide); precharge: how long SEN is low before a read, in s.
    """

    library: Path
    width: float = 1e-6
    length: float = 0.13e-6
    precharge: float = 200e-9


@dataclass(frozen=True)
class Reads:
    """What ngspice gave for N reads.

    precharged (N,): the lower output's voltage when SEN rises, over VDD. fall_times (N, 2): when the outputs of bit
    line and complement fall through VDD/2, in s after SEN rises to VDD/2; inf where they do not before the sampling.
    energy (N,): drawn from VDD by the read and the precharge after it, in J; NaN if it was not asked for.
    """

    precharged: FloatArray
    fall_times: FloatArray
    energy: FloatArray

    @property
    def times(self) -> FloatArray:
        """When the first output falls (N,), in s; inf where none does."""
        return np.asarray(self.fall_times.min(axis=1))

    @property
    def values(self) -> npt.NDArray[np.int8]:
        """What is read (N,): +1 where the bit line's output fell first, -1 where the complement's did, else 0."""
        bit_line, complement = self.fall_times.T
        return np.where(bit_line < complement, 1, np.where(complement < bit_line, -1, 0)).astype(np.int8)


def generic130() -> Process:
    """The process that comes with trit."""
    return Process(Path(str(resources.files("trit.targets.rram").joinpath("generic130.lib"))))


def simulate(
    process: Process,
    point: OperatingPoint,
    bit_line: Array,
    complement: Array,
    shift_bit_line: Array | float = 0.0,
    shift_complement: Array | float = 0.0,
    *,
    energy: bool = False,
) -> Reads:
    """Reads of devices `bit_line` and `complement` (N,) in Ω, simulated up to the point's read time.

    The shifts are added to the threshold voltages of the latch's two nMOS, in V. Without `energy` the precharge
    after the read is left out, and energy is NaN. Raises Unavailable without ngspice, TritError if it fails.
    """
    points = np.stack(np.broadcast_arrays(bit_line, complement, shift_bit_line, shift_complement), axis=-1)
    points = np.atleast_2d(points).astype(np.float64)
    chunks = [points[start : start + CHUNK] for start in range(0, len(points), CHUNK)]

    def measure(chunk: FloatArray) -> FloatArray:
        commands = [_commands(process, point, values, energy) for values in chunk]
        return _parse(run_ngspice(process, point, "".join(commands)), len(chunk))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = np.concatenate(list(pool.map(measure, chunks)))
    times = results[:, :2] - process.precharge - SEN_EDGE / 2
    # The precharge after the read makes the outputs move, too.
    times = np.where(times < point.read_time, times, np.inf)
    return Reads(results[:, 3:].min(axis=1) / point.vdd, times, -point.vdd * results[:, 2])


def waveforms(process: Process, point: OperatingPoint, bit_line: float, complement: float) -> FloatArray:
    """Rows (5, samples) of one read up to the point's read time.

    Time in s from the start of SEN's edge, and the voltages in V of the bit line's output, the complement's output, the
    bit line and the complement.
    """
    values = np.array([bit_line, complement, 0.0, 0.0])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "waves"
        commands = _commands(process, point, values, False, f"wrdata {file} v(q) v(qb) v(bl) v(blb)")
        run_ngspice(process, point, commands)
        columns = np.loadtxt(file).T  # time and voltage of each vector in turn
    rows = np.concatenate([columns[:1] - process.precharge, columns[1::2]])
    return np.asarray(rows[:, rows[0] > -0.02 * point.read_time])


def version() -> str:
    """Version of ngspice. Raises Unavailable without it."""
    found = re.search(r"ngspice-(\S+)", _ngspice(["--version"], None))
    return found[1] if found else "unknown"


def run_ngspice(process: Process, point: OperatingPoint, commands: str) -> str:
    """Standard output of ngspice for the netlist with these commands. Raises Unavailable, TritError."""
    rise, read = process.precharge, point.read_time
    netlist = (
        resources.files("trit.targets.rram")
        .joinpath("pcsa.sp")
        .read_text("utf-8")
        .format(
            library=process.library.name,
            corner=point.corner,
            temperature=point.temperature,
            width=process.width,
            length=process.length,
            vdd=point.vdd,
            capacitance=point.bit_line_capacitance,
            sen_rise=f"{rise:.12g}",
            sen_high=f"{rise + SEN_EDGE:.12g}",
            sen_fall=f"{rise + read:.12g}",
            sen_low=f"{rise + read + SEN_EDGE:.12g}",
            commands=commands,
        )
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / ".spiceinit").write_text(SPICEINIT, "utf-8")
        (folder / "read.sp").write_text(netlist, "utf-8")
        try:
            shutil.copy(process.library, folder)  # next to the netlist, so that sections can include one another
        except OSError as error:
            raise TritError(f"{process.library}: {error.strerror}; it should be a SPICE library") from None
        return _ngspice(["-b", "read.sp"], folder)


def _ngspice(arguments: Sequence[str], folder: Path | None) -> str:
    if shutil.which("ngspice") is None:
        raise Unavailable("ngspice is not installed (Debian: apt-get install ngspice)")
    done = subprocess.run(["ngspice", *arguments], cwd=folder, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if "error" in line.lower()]
        raise TritError(f"ngspice failed: {lines[0].strip() if lines else 'no message'}")
    return done.stdout


def _commands(process: Process, point: OperatingPoint, values: FloatArray, energy: bool, last: str = "") -> str:
    """One transient with the devices and shifts `values`, and its measurements."""
    bit_line, complement, shift_bit_line, shift_complement = values
    start, read = process.precharge, point.read_time
    stop = start + read + (process.precharge if energy else 0)
    # ngspice would take steps of up to a fiftieth of the whole, which for a long precharge is more than a read.
    step = max(read / 50, min(process.precharge, stop) / 50)
    lines = [
        f"alter r1={bit_line:.9g}",
        f"alter r2={complement:.9g}",
        f"alter @mn1[delvto]={shift_bit_line:.9g}",
        f"alter @mn2[delvto]={shift_complement:.9g}",
        f"tran {step:.6g} {stop:.12g} 0 {step:.6g}",
        "echo point",
        f"meas tran fall1 when v(q)={point.vdd / 2:.9g} fall=1 td={start:.12g}",
        f"meas tran fall2 when v(qb)={point.vdd / 2:.9g} fall=1 td={start:.12g}",
    ]
    # A measurement is a vector by its own name from then on, which must not be a node's.
    lines += [f"meas tran start{node} find v({node}) at={start:.12g}" for node in ("q", "qb")]
    if energy:
        lines.append(f"meas tran charge integ i(vdd) from={start:.12g} to={stop:.12g}")
    return "\n".join([*lines, last, "destroy all", ""])


def _parse(output: str, count: int) -> FloatArray:
    """What _MEASURED names (count, 5), from ngspice's output; a fall that it did not see is at inf, others are NaN."""
    blocks = output.split("\npoint\n")[1:]
    if len(blocks) != count:
        raise TritError(f"ngspice simulated {len(blocks)} of {count} reads; the library's models may be wrong")
    rows = []
    for block in blocks:
        found = dict(re.findall(r"^(fall1|fall2|charge|startq|startqb)\s*=\s*([-+.\de]+)", block, re.M))
        rows.append([float(found.get(name, default)) for name, default in _MEASURED])
    return np.array(rows)


_MEASURED = (
    ("fall1", math.inf),
    ("fall2", math.inf),
    ("charge", math.nan),
    ("startq", math.nan),
    ("startqb", math.nan),
)
