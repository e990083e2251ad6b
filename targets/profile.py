# SPDX-License-Identifier: Apache-2.0
"""What a network costs on a target: time, energy and memory, layer by layer, each with the origin of its figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from trit.export.graph import Graph
from trit.export.operators import Conv
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.runtime.session import Step
from trit.targets.description import Host, Linux, Microcontroller, Target, Tvm
from trit.targets.figure import Origin, weakest
from trit.targets.linux import instructions as linux_instructions
from trit.targets.linux import run_image as run_linux
from trit.targets.microcontroller.config import LANES
from trit.targets.microcontroller.cores import CORES
from trit.targets.microcontroller.cycles import TIMINGS, estimate
from trit.targets.microcontroller.execution import Execution, instructions
from trit.targets.microcontroller.simulator import Run, run_image
from trit.targets.rram.chip import Rram
from trit.targets.rram.cost import component_origins, layer_costs
from trit.targets.rram.errors import warnings
from trit.targets.rram.whole import Chip, chip
from trit.targets.sizes import arena_bytes
from trit.targets.tvm import step_seconds

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Layer:
    """One step of the plan for one image. What a target does not count is None."""

    layer: str
    operator: str
    output: str  # kind and shape
    macs: int
    parameter_bytes: int  # weights, thresholds and other parameters
    weight_bytes: int  # the weights alone
    arena_bytes: int  # in use while the step runs
    latency: float  # s
    energy: float  # J
    instructions: int | None = None
    cycles: tuple[float, float] | None = None  # fewest, most
    senses: int | None = None
    arrays: int | None = None
    energies: dict[str, float] | None = None  # J by component


@dataclass(frozen=True)
class Profile:
    """One network on one target, one image at a time."""

    target: str
    title: str
    layers: list[Layer]
    latency_origin: Origin
    energy_origin: Origin
    weight_bits: int  # 1 a binary weight, 2 a ternary one, 8 an int8 one
    flash: int | None = None  # bytes: code and model
    ram: int | None = None  # bytes: arena, variables and stack
    flash_parts: dict[str, int] = field(default_factory=dict)  # bytes by what they hold; none: not known
    ram_parts: dict[str, int] = field(default_factory=dict)
    chip: Chip | None = None
    energy_origins: dict[str, Origin] = field(default_factory=dict)  # of each component
    notes: list[str] = field(default_factory=list)

    @property
    def latency(self) -> float:
        """Of one image in s: the layers' sum."""
        return sum(layer.latency for layer in self.layers)

    @property
    def energy(self) -> float:
        """Of one image in J: the layers' sum."""
        return sum(layer.energy for layer in self.layers)

    @property
    def power(self) -> float:
        """Average power in W while the network runs."""
        return self.energy / self.latency

    @property
    def energies(self) -> dict[str, float]:
        """Energy in J by component, where it is known."""
        parts: dict[str, float] = {}
        for layer in self.layers:
            for name, energy in (layer.energies or {}).items():
                parts[name] = parts.get(name, 0.0) + energy
        return parts

    def memory(self) -> dict[str, str]:
        """Flash and RAM, where they are known, with their parts, in words."""
        found = {}
        for name, size, parts in (("flash", self.flash, self.flash_parts), ("RAM", self.ram, self.ram_parts)):
            listed = ", ".join(f"{part} {count:,}" for part, count in parts.items())
            if size is not None:
                found[name] = f"{size:,} bytes: {listed}" if listed else f"{size:,} bytes"
        return found

    def as_json(self) -> dict[str, Any]:
        """All fields and the sums."""
        return {**asdict(self), "latency": self.latency, "energy": self.energy, "energies": self.energies}


def profile(graph: Graph, target: Target, images: Images | None = None) -> Profile:
    """The network's costs on the target, for the first of the images (N, C, H, W) or a blank one.

    Raises TritError if the network does not fit the target, saying by how much, or a tool is missing.
    """
    if images is None:
        images = np.zeros((1, *graph.tensors[graph.input].shape), np.uint8)
    match target:
        case Host():
            return host_profile(graph, target, images)
        case Tvm():
            return tvm_profile(graph, target)
        case Linux():
            return linux_profile(graph, target, run_linux(graph, target, images[:1]))
        case Microcontroller():
            return microcontroller_profile(graph, target, run_image(graph, target, images[:1]))
        case Rram():
            return rram_profile(graph, target)


def weight_bits(graph: Graph) -> int:
    """1 bit a binary weight, 2 a ternary one, 8 an int8 one."""
    bits = {"binary": 1, "ternary": 2, "int8": 8}
    return sum(node.weights.size * bits[node.weight_kind] for node in graph.nodes if isinstance(node, Conv))


def host_profile(graph: Graph, target: Host, images: Images) -> Profile:
    """Measured on this machine, on the first image."""
    session = Session(to_plan(graph))
    times = session.profile(images[:1])
    layers = [_layer(session.steps, t.step, t.seconds, t.seconds * target.power.value) for t in times]
    return Profile(
        target.name,
        f"{target.title}, {session.variant} kernels",
        layers,
        "measured",
        weakest(["measured", target.power.origin]),
        weight_bits(graph),
        flash=len(to_plan(graph)),
        ram=session.arena_size,
        notes=["flash is the plan's file, RAM its arena", *target.assumed().values()],
    )


def tvm_profile(graph: Graph, target: Tvm) -> Profile:
    """Measured on this machine, each of TVM's functions on its own."""
    steps = Session(to_plan(graph)).steps
    layers = [
        _layer(steps, step, seconds, seconds * target.power.value)
        for step, seconds in zip(steps, step_seconds(graph, target, steps), strict=True)
    ]
    return Profile(
        target.name,
        target.title,
        layers,
        "measured",
        weakest(["measured", target.power.origin]),
        weight_bits(graph),
        notes=[
            "each function is timed on its own, without TVM's calls of them; bytes are those of the plan",
            *target.assumed().values(),
        ],
    )


def linux_profile(graph: Graph, target: Linux, execution: Execution) -> Profile:
    """From the run of the graph's program, its first image."""
    plan = to_plan(graph)
    session, layers = Session(plan), []
    for step, blocks in zip(session.steps, execution.steps[: len(session.steps)], strict=True):
        count = linux_instructions(blocks)
        cycles = count * target.fewest_cycles.value, count * target.most_cycles.value
        seconds = cycles[1] / target.clock.value
        joules = seconds * target.power.value
        layers.append(_layer(session.steps, step, seconds, joules, instructions=count, cycles=cycles))
    paces = target.clock, target.fewest_cycles, target.most_cycles
    latency_origin = weakest(["simulated", *(figure.origin for figure in paces)])
    return Profile(
        target.name,
        target.title,
        layers,
        latency_origin,
        weakest([latency_origin, target.power.origin]),
        weight_bits(graph),
        flash=len(plan),
        ram=session.arena_size,
        notes=[
            "instructions are counted in the emulator, exactly; flash is the plan's file, RAM its arena",
            _cycles_note(layers, f"{target.fewest_cycles.value:g} to {target.most_cycles.value:g} an instruction"),
            *target.assumed().values(),
        ],
    )


def _cycles_note(layers: list[Layer], source: str) -> str:
    low, high = (sum(layer.cycles[end] for layer in layers if layer.cycles) for end in (0, 1))
    return f"{low:,.0f} to {high:,.0f} cycles ({source}); latency and energy are of the most"


def microcontroller_profile(graph: Graph, target: Microcontroller, run: Run) -> Profile:
    """From the run of the graph's firmware, its first image."""
    session = Session(to_plan(graph, lanes=LANES))
    timing, family = TIMINGS[target.core], CORES[target.core].family
    watts = target.supply.value * target.current.value
    layers = []
    for step, blocks in zip(session.steps, run.execution.steps[: len(session.steps)], strict=True):
        cycles = estimate(target.core, blocks, target.wait_states.value, step.parameter_bytes)
        seconds = cycles.high / target.clock.value
        count = instructions(family, blocks)
        layers.append(_layer(session.steps, step, seconds, seconds * watts, instructions=count, cycles=cycles))
    latency_origin = weakest(["simulated", timing.origin, target.clock.origin, target.wait_states.origin])
    return Profile(
        target.name,
        target.title,
        layers,
        latency_origin,
        weakest([latency_origin, target.supply.origin, target.current.origin]),
        weight_bits(graph),
        flash=run.firmware.flash,
        ram=run.firmware.static_ram + run.execution.stack,
        flash_parts=run.firmware.flash_parts(session),
        ram_parts=run.firmware.ram_parts(session, run.execution.stack),
        notes=[
            "instructions are counted in the simulator, exactly",
            _cycles_note(layers, timing.source),
            *target.assumed().values(),
        ],
    )


def rram_profile(graph: Graph, target: Rram) -> Profile:
    """Computed from what the chip does for one image."""
    costs, all_steps = layer_costs(graph, target), Session(to_plan(graph)).steps
    steps = {step.name: step for step in all_steps}
    layers = [
        _layer(
            all_steps,
            steps[cost.step.node.name],
            cost.latency,
            cost.energy,
            senses=cost.senses or None,
            arrays=cost.arrays or None,
            cycles=(cost.cycles, cost.cycles) if cost.cycles else None,
            energies=cost.energies,
        )
        for cost in costs
    ]
    return Profile(
        target.name,
        target.title,
        layers,
        "simulated",  # the schedule's cycles, at the clock that the operating point sets
        weakest(component_origins(target).values()),
        weight_bits(graph),
        energy_origins=component_origins(target),
        chip=chip(graph, target),
        notes=[*warnings(target), *(note for key, note in target.assumed().items() if _has_a_cost(key))],
    )


def _has_a_cost(key: str) -> bool:
    return key.startswith(("logic.", "sense."))


def _layer(steps: Sequence[Step], step: Step, latency: float, energy: float, **counts: Any) -> Layer:
    shape = "×".join(str(size) for size in step.output_shape)
    return Layer(
        step.name,
        step.operator,
        f"{step.output_kind} {shape}",
        step.macs,
        step.parameter_bytes,
        step.weight_bytes,
        arena_bytes(steps, step.index),
        latency,
        energy,
        **counts,
    )
