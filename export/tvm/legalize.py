# SPDX-License-Identifier: Apache-2.0
"""trit's Relax operators become TIR functions."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import tvm
from tvm import relax

from trit.export.graph import Node, Tensor
from trit.export.operators import (
    Add,
    Concat,
    Conv,
    MaxPool,
    MaxUnpool,
    OutputStage,
    Rescale,
    Scores,
    SumPool,
    Threshold,
)
from trit.export.tvm.conv import conv
from trit.export.tvm.elementwise import add, concat, rescale, scores, threshold
from trit.export.tvm.machine import Machine, machine_of
from trit.export.tvm.operators import is_operator, read
from trit.export.tvm.pools import max_pool, max_unpool, sum_pool
from trit.export.tvm.values import Kernel
from trit.runtime.errors import TritError

OPERATOR = "trit.operator"  # the attribute of the functions made here: which operator they are


def legalize(module: Any, target: Any = None) -> Any:
    """The IRModule with each call of trit's operators (operators.py) as a call of a TIR function; the rest as it is.

    A convolution or a sum whose only reader is a Threshold or a Rescale becomes one function with it. The functions
    have TVM's default schedules; `schedule` tiles them. `target` is a tvm.target.Target, or that of the enclosing
    `with`: weights are laid out for its vectors. Raises TritError for a call that is malformed.
    """
    target = target or tvm.target.Target.current(allow_none=True)
    if target is None:
        raise TritError("no target: give one, or legalize inside of `with tvm.target.Target(...)`")
    legalizer = _Legalizer(module, machine_of(target))
    for name, function in module.functions_items():
        if isinstance(function, relax.Function):
            legalizer.builder_.update_func(name, legalizer.of_function(function))
    return legalizer.builder_.get()


@relax.expr_functor.mutator
class _Legalizer(relax.PyExprMutator):  # type: ignore[misc]
    def __init__(self, module: Any, machine: Machine) -> None:
        super().__init__(module)
        self._machine = machine
        self._made: dict[Any, Any] = {}  # a variable's call of an operator
        self._taken: set[Any] = set()  # variables whose reader takes them along

    def of_function(self, function: Any) -> Any:
        self._made, self._taken = _find_stages(function)
        return self.visit_expr(function)

    def visit_var_binding_(self, binding: Any) -> None:
        if binding.var not in self._taken:
            super().visit_var_binding_(binding)

    def visit_call_(self, call: Any) -> Any:
        if not is_operator(call):
            return super().visit_call_(call)
        node, sources, output = read(call)
        stage: OutputStage | None = None
        taken = self._made.get(call.args[0]) if call.args[0] in self._taken else None
        if taken is not None:
            assert isinstance(node, Threshold | Rescale)
            stage, (node, sources, _), call = node, read(taken), taken
        operands = [self.visit_expr(argument) for argument in call.args[: len(sources)]]
        hint = _name(node) if stage is None else f"{_name(node)}_{_name(stage)}"
        kernels = scores(node) if isinstance(node, Scores) else [_kernel(node, sources, output, stage, self._machine)]
        for kernel in kernels:
            constants = [relax.const(constant, str(constant.dtype)) for constant in kernel.constants]
            made = self.builder_.call_te(
                kernel.compute,
                *operands,
                *constants,
                primfunc_name_hint=hint,
                primfunc_attrs={OPERATOR: hint},
            )
            operands = [self.builder_.emit(made)] if kernel is not kernels[-1] else []
        return made


def _kernel(node: Node, sources: list[Tensor], output: Tensor, stage: OutputStage | None, machine: Machine) -> Kernel:
    source = sources[0]
    match node:
        case Conv():
            return conv(node, source, output, machine, stage)
        case Threshold():
            return threshold(node, source, output)
        case Rescale():
            return rescale(node, source, output)
        case MaxPool():
            return max_pool(node, source, output)
        case SumPool():
            return sum_pool(node, source, output)
        case Add():
            return add(source, sources[1], output, stage)
        case Concat():
            return concat(source, sources[1], output)
        case MaxUnpool():
            return max_unpool(node, source, sources[1], output)
    raise TritError(f"{node.name}: TVM cannot run {type(node).__name__}")


def _find_stages(function: Any) -> tuple[dict[Any, Any], set[Any]]:
    """The operators' calls by variable, and the sums that only a Threshold or a Rescale reads."""
    made: dict[Any, Any] = {}
    readers: dict[Any, list[Any]] = defaultdict(list)

    def note(read_by: Any, value: Any) -> None:
        if isinstance(value, relax.Var):
            readers[value].append(read_by)
        for part in value.fields if isinstance(value, relax.Tuple) else ():
            note(read_by, part)

    for block in function.body.blocks:
        for binding in block.bindings:
            value = binding.value
            if isinstance(binding, relax.VarBinding) and is_operator(value):
                made[binding.var] = value
            for operand in value.args if isinstance(value, relax.Call) else (value,):
                note(value, operand)
    note(None, function.body.body)
    stages = {var for var, call in made.items() if isinstance(read(call)[0], Conv | Add) and _is_stage(readers[var])}
    return made, stages


def _is_stage(readers: list[Any]) -> bool:
    """Is a Threshold or a Rescale the only reader?"""
    return len(readers) == 1 and is_operator(readers[0]) and isinstance(read(readers[0])[0], Threshold | Rescale)


def _name(node: Node) -> str:
    """Convolution's, threshold's, ... name in those of functions: conv, max_pool."""
    text = type(node).__name__
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(text))
