# SPDX-License-Identifier: Apache-2.0
"""Tuning: TVM's meta-schedule proposes schedules, and those that are faster on this machine replace ours."""

from __future__ import annotations

import signal
import statistics
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType
from typing import Any

import tvm
from tvm.s_tir import Schedule
from tvm.s_tir import meta_schedule as ms
from tvm_ffi import structural_hash

from trit.export.tvm.machine import Machine, host_target, machine_of
from trit.export.tvm.schedule import is_convolution, is_ours, schedule_function, tile_convolution
from trit.export.tvm.timing import as_module, timer
from trit.runtime.errors import TritError

GAIN = 0.97  # of the time so far: what a schedule must stay below to replace it
ROUNDS = 7
BATCH = 8  # proposals at a time
OnTrial = Callable[[str, int, float, float], None]  # of a function: its name, trial, seconds before and now


def tune(module: Any, target: Any, trials: int, on_trial: OnTrial | None = None) -> Any:
    """The legalized IRModule with each of trit's functions in the fastest of our schedule and `trials` others.

    Convolutions are tiled in other sizes; for the rest meta-schedule applies its own rules for LLVM. A function stays
    as `schedule` makes it unless another was faster when both ran in turn. Ctrl-C ends the search with what there is.
    Raises TritError if the target is another machine than this.
    """
    if str(target) != str(host_target()):
        raise TritError("tuning measures on this machine: leave out the processor and the triple, or the tuning")
    machine = machine_of(target)
    made = tvm.IRModule(dict(module.functions_items()), attrs=module.attrs)
    with _noticing_interrupts() as interrupted:
        for name, function in module.functions_items():
            if not is_ours(function):
                continue
            best = schedule_function(function, machine)
            if not interrupted():
                candidates = _until(interrupted, _candidates(function, target, trials))
                best = _fastest(best, candidates, target, _reporter(name.name_hint, on_trial))
            made.update_func(name, best)
    return made


@contextmanager
def _noticing_interrupts() -> Iterator[Callable[[], bool]]:
    """A function that says whether Ctrl-C was pressed; pressed again it is as ever. TVM would make an error of it."""
    times = 0

    def notice(number: int, frame: FrameType | None) -> None:
        nonlocal times
        times += 1
        if times > 1:
            signal.default_int_handler(number, frame)

    if current_thread() is not main_thread():  # which alone is told of signals
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, notice)
    try:
        yield lambda: times > 0
    finally:
        signal.signal(signal.SIGINT, before)


def _until(stop: Callable[[], bool], candidates: Iterator[Any]) -> Iterator[Any]:
    while not stop() and (candidate := next(candidates, None)) is not None:
        yield candidate


def _reporter(name: str, on_trial: OnTrial | None) -> Callable[[int, float, float], None]:
    return lambda trial, before, now: on_trial(name, trial, before, now) if on_trial else None


def _fastest(ours: Any, candidates: Iterable[Any], target: Any, report: Callable[[int, float, float], None]) -> Any:
    best = ours
    run = timer(ours, target)
    first = now = run()
    for trial, candidate in enumerate(candidates, 1):
        try:
            other = timer(candidate, target)
        except Exception:  # a proposal that TVM cannot build
            continue
        if other() < GAIN * now:
            pairs = [(other(), run()) for _ in range(ROUNDS)]
            if statistics.median(a / b for a, b in pairs) < GAIN:
                best, run, now = candidate, other, min(a for a, _ in pairs)
        report(trial, first, now)
    return best


def _candidates(function: Any, target: Any, trials: int) -> Iterator[Any]:
    """Different schedules of the function, `trials` at most."""
    machine, seen = machine_of(target), set()
    context = ms.TuneContext(
        mod=as_module(function),
        target=tvm.target.Target({**target.export(), "num-cores": 1}),
        space_generator=_space(function, machine),
        search_strategy="replay-func",
        num_threads=1,
        rand_state=1,
    )
    spaces = context.generate_design_space()
    context.pre_tuning(max_trials=trials, num_trials_per_iter=min(trials, BATCH), design_spaces=spaces)
    while batch := context.generate_measure_candidates():
        for candidate in batch:
            proposed = candidate.sch.mod
            key = structural_hash(proposed)
            if key not in seen:
                seen.add(key)
                yield proposed["main"].without_attr("global_symbol")
        context.notify_runner_results(batch, [ms.runner.RunnerResult(None, "measured elsewhere")] * len(batch))


def _space(function: Any, machine: Machine) -> Any:
    rules = {"sch_rules": "llvm", "postprocs": "llvm", "mutator_probs": "llvm"}
    if not is_convolution(Schedule(function)):
        return ms.space_generator.PostOrderApply(**rules)

    def tiled(made: Any) -> None:
        tile_convolution(made, machine, _sampled)

    return ms.space_generator.ScheduleFn(tiled, sch_rules=[], postprocs=[], mutator_probs={})


def _sampled(made: Any, candidates: list[int], _default: int) -> int:
    return int(made.get(made.sample_categorical(candidates, [1 / len(candidates)] * len(candidates))))
