"""The bytes of one ELF file, read only inside their bounds: header, segments, addresses, strings.

Knows no dynamic section. What a file says about offsets, counts and sizes is checked here first.

Source: System V ABI (gABI), chapters 4 "Object Files" and 5 "Program Loading".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tools.errors import ToolError

MAGIC = b"\x7fELF"
CLASS_64, LITTLE_ENDIAN = 2, 1
HEADER = "<16sHHIQQQIHHHHHH"  # e_ident .. e_shstrndx
PROGRAM_HEADER = "<IIQQQQQQ"  # p_type p_flags p_offset p_vaddr p_paddr p_filesz p_memsz p_align
SECTION_HEADER = "<IIQQQQIIQQ"  # sh_name sh_type sh_flags sh_addr sh_offset sh_size ..
PT_LOAD = 1
# Limit: all the names of one file together; a hostile symbol table repeats a long name without end.
NAME_BYTES = 1 << 26


class ElfError(ToolError):
    """The file is no 64-bit little-endian ELF file whose tables lie inside it."""

    exit_code: ClassVar[int] = 20


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One program header."""

    type: int
    flags: int
    offset: int
    address: int
    file_size: int
    memory_size: int


@dataclass(frozen=True, kw_only=True)
class Section:
    """What the reader needs of one section header."""

    type: int
    offset: int
    size: int


@dataclass(kw_only=True)
class Image:
    """The bytes of a file and its segments; every read is checked against both."""

    data: bytes
    type: int
    machine: int
    segments: tuple[Segment, ...]
    sections: tuple[Section, ...]
    name_bytes_left: int = field(default=NAME_BYTES)

    @classmethod
    def parse(cls, data: bytes) -> Image:
        """Read header, program headers and section headers."""
        if data[:4] != MAGIC:
            raise ElfError(
                f"expected an ELF file (7f 45 4c 46), found {data[:4].hex(' ') or 'no bytes'}"
            )
        if data[4:6] != bytes((CLASS_64, LITTLE_ENDIAN)):
            raise ElfError(f"expected 64-bit little-endian ELF (02 01), found {data[4:6].hex(' ')}")
        header = unpack(data, HEADER, 0, "file header")
        _, kind, machine, _, _, phoff, shoff, _, _, phsize, phnum, shsize, shnum, _ = header
        programs = _table(
            data, PROGRAM_HEADER, "program header", offset=phoff, entry=phsize, count=phnum
        )
        segments = tuple(
            Segment(
                type=p[0], flags=p[1], offset=p[2], address=p[3], file_size=p[5], memory_size=p[6]
            )
            for p in programs
        )
        headers = _table(
            data, SECTION_HEADER, "section header", offset=shoff, entry=shsize, count=shnum
        )
        sections = tuple(Section(type=s[1], offset=s[4], size=s[5]) for s in headers)
        _check_segments(segments, len(data))
        return cls(data=data, type=kind, machine=machine, segments=segments, sections=sections)

    def at(self, address: int, size: int, what: str) -> bytes:
        """Return the `size` bytes that the loader puts at `address`."""
        for segment in self.segments:
            start = address - segment.address
            if segment.type == PT_LOAD and 0 <= start < segment.file_size:
                if start + size > segment.file_size:
                    break
                return self.data[segment.offset + start : segment.offset + start + size]
        raise ElfError(
            f"{what}: expected {size} bytes at address {address:#x} inside a segment, found none"
        )

    def rest_at(self, address: int, what: str) -> bytes:
        """Return the bytes from `address` to the end of its segment."""
        for segment in self.segments:
            start = address - segment.address
            if segment.type == PT_LOAD and 0 <= start < segment.file_size:
                return self.data[segment.offset + start : segment.offset + segment.file_size]
        raise ElfError(f"{what}: expected address {address:#x} inside a segment, found it in none")

    def text(self, strings: bytes, offset: int) -> str:
        """Return the NUL-terminated name at `offset` of a string table."""
        end = strings.find(b"\0", offset) if offset < len(strings) else -1
        if end < 0:
            raise ElfError(
                f"string table: expected a NUL-terminated name at {offset}, found its end"
            )
        self.name_bytes_left -= end - offset + 1
        if self.name_bytes_left < 0:
            raise ElfError(
                f"string table: expected names of at most {NAME_BYTES} bytes in all, found more"
            )
        try:
            return strings[offset:end].decode("utf-8")
        except UnicodeDecodeError:
            raise ElfError(f"string table: expected UTF-8 at {offset}, found other bytes") from None


def unpack(data: bytes, form: str, offset: int, what: str) -> tuple[Any, ...]:
    """Unpack `form` at `offset`, or say what is cut off."""
    size = struct.calcsize(form)
    if offset + size > len(data):
        raise ElfError(f"{what}: expected {size} bytes at {offset:#x}, found the end of the file")
    return struct.unpack_from(form, data, offset)


def _table(
    data: bytes, form: str, what: str, *, offset: int, entry: int, count: int
) -> Iterator[tuple[Any, ...]]:
    if count and entry != struct.calcsize(form):
        raise ElfError(f"{what}: expected entries of {struct.calcsize(form)} bytes, found {entry}")
    for index in range(count):
        yield unpack(data, form, offset + index * entry, what)


def _check_segments(segments: tuple[Segment, ...], size: int) -> None:
    # The gABI orders loadable segments by address; an overlap would give one address two contents.
    end = 0
    for segment in segments:
        subject = f"segment at {segment.offset:#x}"
        if segment.offset + segment.file_size > size:
            expected = f"{segment.file_size} bytes"
            raise ElfError(f"{subject}: expected {expected}, found the end of the file")
        if segment.type != PT_LOAD:
            continue
        if segment.address < end:
            raise ElfError(f"{subject}: expected ascending addresses, found an overlap")
        end = segment.address + max(segment.file_size, segment.memory_size)
