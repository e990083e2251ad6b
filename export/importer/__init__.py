# SPDX-License-Identifier: Apache-2.0
"""Networks that others trained and exported as ONNX or QONNX, as integer graphs.

`importing.import_onnx` is the way in, `rules.RULES` the table of what is understood; docs/importing.md.
"""
