# SPDX-License-Identifier: Apache-2.0
"""The fields of a class in its reference: a row each, with what the comment behind the field says."""

from __future__ import annotations

import ast
from typing import Any

from griffe import Class, Docstring, Extension


class Fields(Extension):
    """Adds a section Attributes to the docstring of each class that has annotated fields."""

    def on_class_members(self, *, node: ast.ClassDef, cls: Class, **kwargs: Any) -> None:
        lines = cls.filepath.read_text().splitlines()
        rows = []
        for field in node.body:
            if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
                continue
            if not field.target.id.startswith("_") and "ClassVar" not in ast.unparse(field.annotation):
                comment = lines[(field.end_lineno or field.lineno) - 1].partition("  # ")[2]
                rows.append(f"    {field.target.id} ({ast.unparse(field.annotation)}): {comment}")
        if rows and cls.docstring:
            text = "\n".join([cls.docstring.value, "", "Attributes:", *rows])
            cls.docstring = Docstring(text, parent=cls)
