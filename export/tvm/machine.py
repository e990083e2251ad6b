# SPDX-License-Identifier: Apache-2.0
"""What the kernels need to know of a processor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tvm
from tvm import tirx

from trit.export.schema import did_you_mean
from trit.runtime.errors import TritError

AARCH64 = "aarch64-linux-gnu"
COUNT = "trit_count_bits"  # the C sources' function


@dataclass(frozen=True)
class Machine:
    """`lanes` 32-bit values in a vector, `registers` of which accumulate; in C one value at a time.

    `has_masks`: an instruction makes a word of the signs of 32 bytes.
    """

    lanes: int
    registers: int
    has_masks: bool = False
    is_c: bool = False

    def word_of(self, is_set: Any) -> Any:
        """The word of 32 conditions, a vector; LLVM makes of this what the processor has for it."""
        flags = tirx.Select(is_set, tirx.const(-1, "int8x32"), tirx.const(0, "int8x32"))
        return tirx.call_llvm_pure_intrin("int32", "llvm.x86.avx2.pmovmskb", flags).astype("uint32")

    def popcount(self, word: Any) -> Any:
        """Bits of a word, as int32. TVM's C target has no popcount of its own."""
        if self.is_c:
            return tirx.call_pure_extern("int32", COUNT, word)
        return tirx.popcount(word).astype("int32")


def host_target() -> Any:
    """This machine's processor."""
    # Not mcpu "native": TVM logs that it does not know it and goes on with a generic processor.
    return _target(tvm.target.codegen.llvm_get_system_cpu(), tvm.target.codegen.llvm_get_system_triple())


def llvm_target(mcpu: str = "", triple: str = "") -> Any:
    """A processor by LLVM's names, such as cortex-a53 of aarch64-linux-gnu; "" for this machine's, or a generic one.

    Raises TritError if LLVM does not know it.
    """
    if not mcpu and not triple:
        return host_target()
    mcpu, triple = mcpu or "generic", triple or tvm.target.codegen.llvm_get_system_triple()
    codegen = tvm.target.codegen
    if not codegen.llvm_is_valid_cpu("generic", triple):
        raise TritError(f"LLVM does not know the triple {triple}: give one such as {AARCH64}")
    if not codegen.llvm_is_valid_cpu(mcpu, triple):
        known = [str(name) for name in codegen.llvm_get_cpu_archlist(_target("generic", triple))]
        hint = did_you_mean(mcpu, known)
        raise TritError(f"LLVM knows no processor {mcpu} of {triple}: {hint}leave it out for a generic one")
    return _target(mcpu, triple)


def is_aarch64(target: Any) -> bool:
    return str(target.attrs.get("mtriple", "")).startswith("aarch64")


def machine_of(target: Any) -> Machine:
    """The vectors of a TVM target."""
    if target.kind.name == "c":
        return Machine(1, 1, is_c=True)
    features = ("avx512f", "avx2") if not is_aarch64(target) else ()
    found = [name for name in features if tvm.target.codegen.target_has_features(name, target)]
    if "avx512f" in found:
        return Machine(16, 16, has_masks=True)
    return Machine(8, 8, has_masks=True) if found else Machine(4, 16 if is_aarch64(target) else 8)


def _target(mcpu: str, triple: str) -> Any:
    return tvm.target.Target({"kind": "llvm", "mcpu": mcpu, "mtriple": triple})
