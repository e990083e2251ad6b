# SPDX-License-Identifier: Apache-2.0
"""TIR functions as functions of bare pointers, which need no TVM runtime, and their C source as TVM generates it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import tvm
from tvm import s_tir, tirx


@dataclass(frozen=True)
class Memory:
    """What a pointer points to."""

    name: str
    dtype: str
    count: int

    @property
    def size(self) -> int:
        """Bytes."""
        return self.count * int(tvm.DataType(self.dtype).bits) // 8


@dataclass(frozen=True)
class Raw:
    """A function of pointers: its inputs and its output, then the memory it works in."""

    function: Any  # tirx.PrimFunc
    parameters: list[Memory]
    workspaces: list[Memory]


def lower(functions: dict[str, Any], target: Any) -> dict[str, Raw]:
    """The scheduled functions of tensors, by their names, as functions of pointers."""
    module = tvm.IRModule({name: function.with_attr("global_symbol", name) for name, function in functions.items()})
    lowered = tvm.ir.transform.Sequential([tirx.transform.BindTarget(target), *_passes()])(module)
    return {name.name_hint: _of_pointers(function) for name, function in lowered.functions_items()}


def c_source(raws: dict[str, Raw], target: Any) -> str:
    """The functions in C99, as TVM writes them."""
    module = tvm.IRModule({name: raw.function for name, raw in raws.items()})
    text = tvm.get_global_func("target.build.c")(module, target).inspect_source()
    found = re.findall(r"^TVM_DLL void (\w+)\(.*?\) \{\n(.*?^\}\n)", text, re.MULTILINE | re.DOTALL)
    return "\n".join(f"{prototype(name, raws[name])} {{\n{body}" for name, body in found)


def prototype(name: str, raw: Raw) -> str:
    """The function's head in C: inputs are const, no two pointers overlap."""
    *inputs, output = raw.parameters
    parameters = [f"const {c_type(memory)} *restrict {memory.name}" for memory in inputs]
    parameters += [f"{c_type(memory)} *restrict {memory.name}" for memory in (output, *raw.workspaces)]
    return f"void {name}({', '.join(parameters)})"


def c_type(memory: Memory) -> str:
    return "float" if memory.dtype == "float32" else f"{memory.dtype}_t"


def _of_pointers(function: Any) -> Raw:
    handles: dict[Any, Any] = {}
    for parameter in function.params:  # of a sum of a tensor with itself, both have its name
        taken = {handle.name for handle in handles.values()}
        name = parameter.name if parameter.name not in taken else f"{parameter.name}_{len(handles)}"
        handles[parameter] = _handle(name, parameter.ty)
    workspaces: list[Memory] = []
    pointers = list(handles.values())
    statements = []
    for statement in function.body.seq if isinstance(function.body, tirx.SeqStmt) else [function.body]:
        if isinstance(statement, tirx.DeclBuffer):
            statement = tirx.DeclBuffer(statement.buffer, data=handles[statement.data.args[0]])
        elif isinstance(statement, tirx.AllocBuffer) and _is_large(statement.buffer):
            buffer = statement.buffer
            pointers.append(_handle(buffer.name, buffer))
            workspaces.append(Memory(buffer.name, str(buffer.dtype), _count(buffer)))
            statement = tirx.DeclBuffer(buffer, data=pointers[-1])
        statements.append(statement)
    parameters = [Memory(handle.name, str(p.ty.dtype), _count(p.ty)) for p, handle in handles.items()]
    return Raw(tirx.PrimFunc(pointers, tirx.SeqStmt(statements), attrs=function.attrs), parameters, workspaces)


def _is_large(buffer: Any) -> bool:
    """Does it need memory? Registers have the scope local, in C that of one value."""
    return buffer.scope() == "global" and _count(buffer) > 1


def _handle(name: str, buffer: Any) -> Any:
    return tirx.Var(name, tvm.ir.PointerType(tvm.ir.PrimType(str(buffer.dtype)), "global"))


def _count(buffer: Any) -> int:
    total = 1
    for size in buffer.shape:
        total *= int(size)
    return total


def _passes() -> list[Any]:
    """TVM's default pipeline up to where it packs arguments, without vectors, threads and devices."""
    return [
        s_tir.transform.CanonicalizeLoop(),
        s_tir.transform.LowerInitBlock(),
        s_tir.transform.PlanAndUpdateBufferAllocationLocation(),
        s_tir.transform.ConvertBlocksToOpaque(),
        s_tir.transform.CompactBufferAllocation(),
        s_tir.transform.StmtSimplify(),
        s_tir.transform.LowerOpaqueBlock(),
        tirx.transform.FlattenBuffer(),
        tirx.transform.NarrowDataType(32),
        tirx.transform.VectorizeLoop(),
        tirx.transform.StorageRewrite(),
        tirx.transform.UnrollLoop(),
        tirx.transform.StmtSimplify(),
        tirx.transform.RemoveNoOp(),
        tirx.transform.CommonSubexprElim(),
        tirx.transform.LowerIntrin(),
    ]
