# SPDX-License-Identifier: Apache-2.0
"""The integer graph: lowering to it (`lower`), its definition (`reference`), and its writers (ONNX, plan, TVM).

Nothing heavy is imported here: take what you need from the modules, e.g. `from trit.export.lower import lower`.
"""
