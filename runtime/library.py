# SPDX-License-Identifier: Apache-2.0
"""The C library, loaded with ctypes from beside this file; onnxruntime loads it as well, for its kernels."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

from trit.runtime.errors import TritError

# In the order of TRIT_VARIANTS in include/trit/trit.h.
VARIANTS = ("scalar", "carry_save", "avr", "cpop", "helium", "portable", "neon", "avx2", "avx512", "amx")
LIBRARY = Path(__file__).parent / "libtritrt.so"
_P, _U32, _SIZE = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_size_t


class StepInfo(ctypes.Structure):
    """trit_step_info of include/trit/inspect.h."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("operator_name", ctypes.c_char_p),
        ("input_kind", ctypes.c_char_p),
        ("output_kind", ctypes.c_char_p),
        ("weight_kind", ctypes.c_char_p),
        ("input_shape", ctypes.c_uint32 * 3),
        ("output_shape", ctypes.c_uint32 * 3),
        ("kernel", ctypes.c_uint32 * 2),
        ("fused_operator", ctypes.c_char_p),
        ("macs", ctypes.c_uint64),
        ("parameter_bytes", ctypes.c_uint64),
        ("weight_bytes", ctypes.c_uint64),
        ("output_bytes", ctypes.c_uint64),
        ("output_offset", ctypes.c_uint32),
        ("last_reader", ctypes.c_uint32),
        ("weights_offset", ctypes.c_uint32),
        ("lanes", ctypes.c_uint32),
    )


_FUNCTIONS: dict[str, tuple[type | None, tuple[type, ...]]] = {
    "trit_open": (ctypes.c_int, (_P, _P, _SIZE)),
    "trit_arena_size": (_SIZE, (_P,)),
    "trit_step_count": (_U32, (_P,)),
    "trit_set_variant": (ctypes.c_int, (_P, ctypes.c_int)),
    "trit_set_task": (ctypes.c_int, (_P, _U32)),
    "trit_task_count": (_U32, (_P,)),
    "trit_task_name": (ctypes.c_char_p, (_P, _U32)),
    "trit_variant_name": (ctypes.c_char_p, (_P,)),
    "trit_status_text": (ctypes.c_char_p, (ctypes.c_int,)),
    "trit_step_describe": (ctypes.c_int, (_P, _U32, ctypes.POINTER(StepInfo))),
    "trit_input_shape": (None, (_P, ctypes.POINTER(_U32))),
    "trit_output_shape": (None, (_P, ctypes.POINTER(_U32))),
    "trit_label_count": (_U32, (_P,)),
    "trit_label": (ctypes.c_char_p, (_P, _U32)),
    "trit_metadata_count": (_U32, (_P,)),
    "trit_metadata_key": (ctypes.c_char_p, (_P, _U32)),
    "trit_metadata_value": (ctypes.c_char_p, (_P, _U32)),
    "trit_top_k": (_U32, (_P, _U32, _U32, _P)),
    "trit_learner_size": (_SIZE, (_P, _SIZE)),
    "trit_learner_task_size": (_SIZE, (_P, _SIZE)),
    "trit_learner_begin": (ctypes.c_int, (_P, _P, _SIZE, _P, _SIZE)),
    "trit_learner_own_task": (None, (_P, _P)),
    "trit_learner_new_task": (None, (_P, _P)),
    "trit_learner_move": (None, (_P,)),
    "trit_host_learner_size": (_SIZE, ()),
    "trit_host_learner_moves": (_U32, (_P,)),
    "trit_host_learner_features": (ctypes.c_int, (_P, _P, _P, _SIZE, _P, _P, _SIZE)),
    "trit_host_learner_learn": (None, (_P, _P, _P, _P, _SIZE)),
    "trit_host_learner_classify": (None, (_P, _P, _P, _P, _SIZE)),
    "trit_host_plan_size": (_SIZE, ()),
    "trit_host_run_batch": (ctypes.c_int, (_P, _P, _SIZE, _P, _P, _SIZE)),
    "trit_host_profile": (ctypes.c_int, (_P, _P, _SIZE, _P, _P, _SIZE, _P)),
    "trit_host_pack": (None, (_P, _U32, _P, _P)),
    "trit_host_dot": (ctypes.c_int32, (_P, _P, _P, _P, _U32)),
    "trit_host_log_mel": (_SIZE, (_P, _SIZE, _SIZE, _P, _P)),
    "trit_host_chips_sizes": (_SIZE, (_P, ctypes.POINTER(_SIZE))),
    "trit_host_chips_prepare": (None, (_P, _P, _SIZE, _P, _P)),
    "trit_host_chips_draw": (None, (_P, _P, _SIZE, _P)),
    "trit_host_chips_errors": (_SIZE, (_P, _P, _U32, ctypes.c_int64, _P, _P, _SIZE)),
    "trit_host_chips_run": (None, (_P, _P, _SIZE, _P, _P, _P, _SIZE, _P, _P)),
}


@cache
def library() -> ctypes.CDLL:
    """The library with its functions declared. Raises TritError if it is missing or cannot be loaded."""
    if not LIBRARY.exists():
        raise TritError(f"the C library {LIBRARY} is missing: install trit with pip install .")
    try:
        loaded = ctypes.CDLL(str(LIBRARY))
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(loaded, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise TritError(f"cannot load {LIBRARY}: {error}; reinstall trit with pip install .") from error
    return loaded


def status_text(status: int) -> str:
    return str(library().trit_status_text(status).decode())
