# SPDX-License-Identifier: Apache-2.0
"""A linked program's segments and symbols."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trit.runtime.errors import MissingExtra, TritError


@dataclass(frozen=True)
class Segment:
    """Bytes that are loaded at `load` and used at `address`."""

    load: int
    address: int
    data: bytes


class Elf:
    """The program in an ELF file."""

    def __init__(self, path: Path) -> None:
        try:
            from elftools.elf.elffile import ELFFile
        except ImportError as error:
            raise MissingExtra("elftools", "mcu") from error
        with path.open("rb") as file:
            program = ELFFile(file)
            loaded = [s for s in program.iter_segments() if s["p_type"] == "PT_LOAD"]
            self.segments = [Segment(s["p_paddr"], s["p_vaddr"], s.data()) for s in loaded]
            symbols = program.get_section_by_name(".symtab").iter_symbols()
            self._symbols = {symbol.name: int(symbol["st_value"]) for symbol in symbols}

    def address(self, symbol: str) -> int:
        return self._symbols[symbol]

    def code(self, address: int, size: int) -> bytes:
        """The bytes that are used at the address."""
        segment = self._segment(address)
        return segment.data[address - segment.address :][:size]

    def load_address(self, address: int) -> int:
        """Where the bytes that are used at the address are loaded: a variable's initial value, in flash."""
        segment = self._segment(address)
        return address - segment.address + segment.load

    def _segment(self, address: int) -> Segment:
        for segment in self.segments:
            if segment.address <= address < segment.address + len(segment.data):
                return segment
        raise TritError(f"the program has nothing at {address:#x}")
