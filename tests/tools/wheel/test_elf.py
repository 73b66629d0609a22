"""The ELF reader: what it reads, and that hostile bytes give one error."""

from __future__ import annotations

import random
import struct
from contextlib import suppress

import pytest

from tests.tools.wheel.little_wheels import extension, library, needs_compiler, shared_object
from tools.wheel.elf import (
    DT_GNU_HASH,
    DT_NEEDED,
    DT_SONAME,
    DT_STRSZ,
    DT_STRTAB,
    DT_SYMTAB,
    DT_VERNEED,
    DT_VERNEEDNUM,
    PT_DYNAMIC,
    PT_GNU_STACK,
    Elf,
)
from tools.wheel.elf_image import HEADER, PROGRAM_HEADER, PT_LOAD, ElfError, Image

pytestmark = needs_compiler
SOURCE = """
#include <stdlib.h>
__attribute__((weak)) extern int maybe(void);
const char motto[] = "read me";
char *visible(void) { return getenv(motto) + (maybe ? maybe() : 0); }
"""


def dynamic_entry(data: bytes, tag: int) -> int:
    """Return the file offset of a dynamic entry."""
    segment = next(s for s in Image.parse(data).segments if s.type == PT_DYNAMIC)
    for offset in range(segment.offset, segment.offset + segment.file_size, 16):
        if struct.unpack_from("<Q", data, offset)[0] == tag:
            return offset
    raise AssertionError(tag)


def patched(data: bytes, offset: int, form: str, value: int) -> bytes:
    """Return `data` with one number replaced."""
    copy = bytearray(data)
    struct.pack_into(form, copy, offset, value)
    return bytes(copy)


def crafted(numbers: dict[int, int], tables: dict[int, bytes]) -> bytes:
    """Return a file of one segment, without sections: dynamic entries, then the tables."""
    start = 64 + 2 * 56
    entries = dict(numbers)
    body = b""
    first = start + 16 * (len(numbers) + len(tables) + 2)
    for tag, table in tables.items():
        entries[tag] = first + len(body)
        body += table
    entries[DT_STRSZ] = len(tables.get(DT_STRTAB, b""))
    dynamic = b"".join(struct.pack("<QQ", *entry) for entry in entries.items()) + bytes(16)
    size = start + len(dynamic) + len(body)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = struct.pack(HEADER, ident, 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 64, 0, 0)
    load = struct.pack(PROGRAM_HEADER, PT_LOAD, 4, 0, 0, 0, size, size, 4096)
    length = len(dynamic)
    entry = struct.pack(PROGRAM_HEADER, PT_DYNAMIC, 4, start, start, start, length, length, 8)
    return header + load + entry + dynamic + body


def test_it_reads_what_the_loader_reads() -> None:
    """Machine, names, paths, symbols and versions are those that the compiler was asked for."""
    elf = Elf.parse(extension("abi3-0x030A0000"))
    assert (elf.machine, elf.type) == (62, 3)
    assert "libdeep_gemm.so" in elf.needed
    assert (elf.soname, elf.runpath, elf.rpath) == (None, "$ORIGIN", None)
    assert "PyInit__C" in elf.defined
    assert {"PyModule_Create2", "deep_gemm_configs"} <= {s.name for s in elf.undefined}
    assert Elf.parse(library()).soname == "libdeep_gemm.so"
    assert not elf.executable_stack


def test_versions_and_weakness_are_those_of_the_symbol() -> None:
    """A libc symbol carries its version and library, a weak one says so."""
    elf = Elf.parse(shared_object(SOURCE))
    undefined = {symbol.name: symbol for symbol in elf.undefined}
    version = undefined["getenv"].version
    assert version is not None
    assert version.startswith("GLIBC_2.")
    assert (undefined["maybe"].weak, undefined["getenv"].weak) == (True, False)
    assert ("libc.so.6", version) in {(need.library, need.version) for need in elf.version_needs}


def test_defined_versions_belong_to_their_symbols() -> None:
    """A symbol of a version script carries that version."""
    elf = Elf.parse(
        shared_object("int f(void) { return 1; }", "-nostdlib", "MINE_2 { global: f; };")
    )
    assert elf.defined["f"].version == "MINE_2"


def test_a_data_symbol_gives_its_text() -> None:
    """The text behind a symbol is read up to its NUL, inside the symbol's size."""
    elf = Elf.parse(shared_object(SOURCE))
    assert elf.string_at(elf.defined["motto"]) == "read me"


@pytest.mark.parametrize("style", ["gnu", "sysv", "both"])
def test_each_kind_of_hash_table_tells_the_number_of_symbols(style: str) -> None:
    """Without section headers, the hash table is what tells it."""
    data = shared_object(SOURCE, f"-Wl,--hash-style={style}")
    bare = patched(patched(data, 40, "<Q", 0), 60, "<H", 0)  # e_shoff, e_shnum
    assert Elf.parse(bare).defined == Elf.parse(data).defined
    assert Elf.parse(bare).undefined == Elf.parse(data).undefined


def test_an_executable_stack_is_seen() -> None:
    """PT_GNU_STACK with the execution flag is reported, and so is its absence."""
    assert Elf.parse(shared_object(SOURCE, "-Wl,-z,execstack")).executable_stack
    data = shared_object(SOURCE)
    silent = [i for i, s in enumerate(Image.parse(data).segments) if s.type == PT_GNU_STACK]
    assert not Elf.parse(data).executable_stack
    assert Elf.parse(patched(data, 64 + 56 * silent[0], "<I", 0)).executable_stack


def test_no_truncation_escapes_as_another_error() -> None:
    """A file that ends anywhere before its last segment gives an ElfError."""
    data = extension("abi3-0x030A0000")
    end = max(s.offset + s.file_size for s in Image.parse(data).segments)
    for length in [*range(0, 1024, 7), *range(1024, end, 97)]:
        with pytest.raises(ElfError):
            Elf.parse(data[:length])


def test_no_damage_escapes_as_another_error() -> None:
    """Whatever bytes are changed, the answer is a value or an ElfError, and it comes."""
    data = shared_object(SOURCE, "-Wl,--hash-style=both", "MINE_1 { global: visible; };")
    dice = random.Random(20)
    parts = [range(64 + 56 * 12), range(0x200, 0x800), range(len(data))]
    for turn in range(3000):
        copy = bytearray(data)
        for _ in range(dice.randint(1, 4)):
            copy[dice.choice(parts[turn % 3])] = dice.choice(
                (0, 1, 0x7F, 0xFF, dice.randrange(256))
            )
        with suppress(ElfError):
            Elf.parse(bytes(copy))


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "no bytes"),
        (b"MZ\x90\x00" + bytes(60), "4d 5a 90 00"),
        (b"\x7fELF\x01\x01" + bytes(60), "01 01"),
        (b"\x7fELF\x02\x02" + bytes(60), "02 02"),
    ],
)
def test_other_files_are_named_by_their_first_bytes(data: bytes, found: str) -> None:
    """A PE file, a 32-bit or a big-endian ELF file is refused with what was found."""
    with pytest.raises(ElfError, match=found):
        Elf.parse(data)


def test_a_list_of_versions_that_does_not_move_on_is_refused() -> None:
    """A record whose successor is itself ends the reading with an error."""
    data = patched(
        shared_object(SOURCE), dynamic_entry(shared_object(SOURCE), DT_VERNEEDNUM) + 8, "<Q", 9
    )
    with pytest.raises(ElfError, match="version table"):
        Elf.parse(data)


def test_lists_of_versions_that_overlap_are_refused_soon() -> None:
    """Each record is the head of a list of all that follow: that is not followed to its end."""
    record = struct.pack("<HHIII", 1, 0xFFFF, 0, 16, 16)
    data = crafted({DT_VERNEEDNUM: 1 << 15}, {DT_STRTAB: bytes(32), DT_VERNEED: record * 100_000})
    with pytest.raises(ElfError, match="needed versions: expected at most 65536"):
        Elf.parse(data)


def test_symbols_of_unknown_number_are_refused() -> None:
    """Without a hash table and without sections nothing tells how long the symbol table is."""
    with pytest.raises(ElfError, match="symbol table: expected a hash table"):
        Elf.parse(crafted({}, {DT_SYMTAB: bytes(48)}))


def test_an_empty_hash_table_tells_no_number() -> None:
    """A GNU hash table without hashed symbols says nothing of the others."""
    empty = struct.pack("<IIIIQI", 1, 1, 1, 0, 0, 0)
    with pytest.raises(ElfError, match="symbol table: expected a hash table"):
        Elf.parse(crafted({}, {DT_SYMTAB: bytes(48), DT_GNU_HASH: empty}))


def test_a_second_dynamic_section_is_refused() -> None:
    """Which of two the loader would take can't be said."""
    data = crafted({}, {})
    offset = 64 + 56  # the second program header, made the same as the first
    with pytest.raises(ElfError, match="at most one, found 2"):
        Elf.parse(data[:64] + data[offset : offset + 56] * 2 + data[offset + 56 :])


def test_a_segment_longer_than_the_file_is_refused() -> None:
    """What the loader could not map is not read either."""
    data = crafted({}, {})
    with pytest.raises(ElfError, match="found the end of the file"):
        Elf.parse(patched(patched(data, 64 + 32, "<Q", 1 << 40), 64 + 40, "<Q", 1 << 40))


@pytest.mark.parametrize(
    ("strings", "message"),
    [(b"\0open", "NUL-terminated"), (b"\0\xff\0", "UTF-8"), (b"", "NUL-terminated")],
)
def test_a_name_that_is_no_text_is_refused(strings: bytes, message: str) -> None:
    """A name without end, outside the table or in another encoding is an error."""
    image = Image.parse(crafted({}, {}))
    with pytest.raises(ElfError, match=message):
        image.text(strings, 1)


def test_names_beyond_reason_are_refused() -> None:
    """The names of a file have a limit together."""
    image = Image.parse(crafted({}, {}))
    image.name_bytes_left = 9
    assert image.text(b"name\0", 0) == "name"
    with pytest.raises(ElfError, match="found more"):
        image.text(b"name\0", 0)


def test_a_count_beyond_reason_is_refused_at_once() -> None:
    """A version table that claims 2**40 records is not followed."""
    data = shared_object(SOURCE)
    with pytest.raises(ElfError, match="at most"):
        Elf.parse(patched(data, dynamic_entry(data, DT_VERNEEDNUM) + 8, "<Q", 1 << 40))


def test_an_address_outside_the_segments_is_refused() -> None:
    """A table at an address that nothing loads is an error that names it."""
    data = shared_object(SOURCE)
    with pytest.raises(ElfError, match="0xffffffff000"):
        Elf.parse(patched(data, dynamic_entry(data, DT_VERNEED) + 8, "<Q", 0xFFFFFFFF000))


def test_a_tag_twice_is_refused() -> None:
    """Two sonames would give one file two names."""
    data = extension("abi3-0x030A0000", "-Wl,-soname,_C.so")
    offset = dynamic_entry(data, DT_NEEDED)
    with pytest.raises(ElfError, match="once"):
        Elf.parse(patched(data, offset, "<Q", DT_SONAME))


def test_overlapping_segments_are_refused() -> None:
    """One address must not have two contents."""
    data = shared_object(SOURCE)
    image = Image.parse(data)
    second = [i for i, s in enumerate(image.segments) if s.type == PT_LOAD][1]
    with pytest.raises(ElfError, match="overlap"):
        Elf.parse(patched(data, 64 + 56 * second + 16, "<Q", image.segments[0].address))
