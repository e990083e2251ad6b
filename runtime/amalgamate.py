# SPDX-License-Identifier: Apache-2.0
"""Writes the C library as two files to drop into a program: python runtime/amalgamate.py FOLDER

FOLDER/trit.h has the public headers, FOLDER/trit.c all the rest. What a source file keeps to itself (static functions
and variables, types, macros) gets the file's name in front, so that equal names of several files do not clash; names
that begin with trit_ are the library's own and stay. Needs nothing but Python.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

RUNTIME = Path(__file__).resolve().parent
PUBLIC = ("trit/trit.h", "trit/bits.h", "trit/inspect.h", "trit/log_mel.h", "trit/keywords.h", "trit/learner.h")
HOST_ONLY = "host"  # begins the names of what the Python package alone calls

INCLUDE = re.compile(r'^#include "(.*)"\n', re.MULTILINE)
LITERAL = r"""/\*.*?\*/|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'"""  # and comments
TOKEN = re.compile(rf"{LITERAL}|(?<!\.)(?<!->)\b[A-Za-z_]\w*", re.DOTALL)  # but for members of structures
DIRECTIVE = re.compile(r"^#(?:.*\\\n)*.*", re.MULTILINE)
MACRO = re.compile(r"^#define (\w+)(?:\((.*?)\))?((?:.*\\\n)*.*)", re.MULTILINE)
# clang allows this in headers, which are now part of the source file.
UNUSED = """\
#ifdef __clang__ /* not every machine uses every inline function */
#pragma clang diagnostic ignored "-Wunused-function"
#endif
"""
KEYWORDS = {"struct", "union", "enum", "void", "int", "const"}


def own_names(source: str) -> set[str]:
    """What a source file defines for itself: its macros, and the names it declares outside of all braces."""
    code = re.sub(rf"{LITERAL}|__attribute__\(\((?:[^()]|\([^()]*\))*\)\)", " ", source, flags=re.DOTALL)
    names = {name for name, _, _ in MACRO.findall(code)} | pasted_names(code)
    outside = _without(r"\{[^{}]*\}", DIRECTIVE.sub("", code))
    names |= set(re.findall(r"\(\*(\w+)\)", outside))  # pointers to functions
    names |= set(re.findall(r"(\w+)\s*[(\[=;§]", _without(r"\([^()]*\)", outside)))
    names -= set(re.findall(r"^#undef (\w+)", code, re.MULTILINE))
    return {name for name in names if not name.startswith("trit_")} - KEYWORDS


def pasted_names(code: str) -> set[str]:
    """The names that macros make of an argument and a suffix, `name##_suffix`, and those arguments."""
    names: set[str] = set()
    for macro, parameters, body in MACRO.findall(code):
        uses = re.findall(rf"^{macro}\((.*?)\)", code, re.MULTILINE)
        for place, parameter in enumerate(parameters.split(", ")):
            arguments = {use.split(", ")[place] for use in uses}
            suffixes = re.findall(rf"\b{parameter}##(\w+)", body) if parameter else []
            names |= {argument + suffix for argument in arguments for suffix in suffixes}
            names |= arguments if suffixes else set()
    return names


def _without(nested: str, text: str) -> str:
    """The text with every pair of brackets and what it holds replaced by a sign, from the inside out."""
    sign = "§" if "{" in nested else "( "
    count = 1
    while count:
        text, count = re.subn(nested, sign, text)
    return text


def renamed(source: str, prefix: str) -> str:
    """The source with its own names behind `prefix`; comments and literals as they are."""
    own = own_names(source)
    return TOKEN.sub(lambda token: prefix * (token[0] in own) + token[0], source)


def own_text(path: Path) -> str:
    """A source file with the headers that have no guard, which every file that includes them has for itself."""

    def header(include: re.Match[str]) -> str:
        name = path.parent / include[1]
        return own_text(name) if name.exists() and "#ifndef" not in name.read_text(encoding="utf-8") else include[0]

    return INCLUDE.sub(header, path.read_text(encoding="utf-8"))


def inlined(text: str, seen: set[str], outer: int = 0) -> str:
    """The text with each header of the library in place of its first #include.

    One that stands under a further #if than the `outer` ones does not count as the first: it may not be compiled.
    """

    def header(include: re.Match[str]) -> str:
        name, before = include[1], text[: include.start()]
        if name in seen:
            return ""
        depth = len(re.findall("^#if", before, re.MULTILINE)) - len(re.findall("^#endif", before, re.MULTILINE))
        known = seen if depth == outer else set(seen)
        known.add(name)
        folder = "include" if name in PUBLIC else "src"
        return inlined((RUNTIME / folder / name).read_text(encoding="utf-8"), known, outer=1)  # its guard

    return INCLUDE.sub(header, text)


def amalgamation() -> dict[str, str]:
    """File names and their texts."""
    seen: set[str] = set()
    header = "".join(inlined(f'#include "{name}"\n', seen) for name in PUBLIC)
    sources = [path for path in sorted((RUNTIME / "src").glob("*.c")) if not path.name.startswith(HOST_ONLY)]
    code = "".join(inlined(renamed(own_text(path), f"{path.stem}_"), seen) for path in sources)
    (version,) = re.findall(r"project\(\w+ VERSION (\S+)", (RUNTIME / "CMakeLists.txt").read_text(encoding="utf-8"))
    note = f"/* trit {version}: the C library as two files, trit.h and trit.c, written by its amalgamate.py. */\n"
    return {"trit.h": note + header, "trit.c": f'{note}#include "trit.h"\n\n{UNUSED}\n{code}'}


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: amalgamate.py FOLDER")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in amalgamation().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
