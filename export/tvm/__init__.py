# SPDX-License-Identifier: Apache-2.0
"""The integer graph in TVM: trit's Relax operators, their legalization and schedules, libraries and C sources.

Importing this raises MissingExtra where TVM is not installed.
"""

from trit.runtime.errors import MissingExtra

try:
    import tvm as _tvm  # noqa: F401
except ImportError:
    raise MissingExtra("apache-tvm", "tvm") from None

from trit.export.tvm.legalize import legalize
from trit.export.tvm.library import TvmModule, build, load_tvm, write_tvm
from trit.export.tvm.machine import llvm_target
from trit.export.tvm.relax_writer import to_relax
from trit.export.tvm.schedule import schedule

__all__ = ["TvmModule", "build", "legalize", "llvm_target", "load_tvm", "schedule", "to_relax", "write_tvm"]
