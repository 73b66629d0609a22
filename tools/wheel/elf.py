"""What a shared object tells the loader: needed libraries, paths, symbols and their versions.

Reads the loader's view (the dynamic section), not the section names that strip removes. Refuses to
know what any of it means for Python or for a wheel.

Source: System V ABI (gABI), chapter 5 "Dynamic Linking"; Linux Standard Base Core, "Symbol
Versioning"; x86-64 psABI. DT_GNU_HASH: the layout that binutils and glibc share.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tools.wheel.elf_image import ElfError, Image, Segment, unpack

ET_DYN, EM_X86_64 = 3, 62
PT_DYNAMIC, PT_GNU_STACK, PF_X = 2, 0x6474E551, 1
DT_NULL, DT_NEEDED, DT_HASH, DT_STRTAB, DT_SYMTAB, DT_STRSZ, DT_SONAME = 0, 1, 4, 5, 6, 10, 14
DT_RPATH, DT_RUNPATH, DT_GNU_HASH, DT_VERSYM = 15, 29, 0x6FFFFEF5, 0x6FFFFFF0
DT_VERDEF, DT_VERDEFNUM, DT_VERNEED, DT_VERNEEDNUM = 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
SHT_DYNSYM, SHN_UNDEF, STB_WEAK = 11, 0, 2
SYMBOL = "<IBBHQQ"  # st_name st_info st_other st_shndx st_value st_size
VERNEED, VERNAUX = (
    "<HHIII",
    "<IHHII",
)  # vn_version cnt file aux next; vna_hash flags other name next
VERDEF, VERDAUX = "<HHHHIII", "<II"  # vd_version flags ndx cnt hash aux next; vda_name next
HIDDEN = 0x8000  # the flag of a version index
# Limit: records followed in version tables; real files have some dozens.
VERSION_RECORDS = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Symbol:
    """One dynamic symbol; `version` is None where the file binds it to no version."""

    name: str
    version: str | None
    weak: bool
    address: int
    size: int


@dataclass(frozen=True, kw_only=True)
class VersionNeed:
    """One version, such as GLIBC_2.14, that `library` has to define."""

    library: str
    version: str


@dataclass(frozen=True, kw_only=True)
class Elf:
    """One shared object as the loader sees it."""

    machine: int
    type: int
    needed: tuple[str, ...]
    soname: str | None
    rpath: str | None
    runpath: str | None
    executable_stack: bool
    defined: Mapping[str, Symbol]
    undefined: tuple[Symbol, ...]
    version_needs: tuple[VersionNeed, ...]
    image: Image

    @classmethod
    def parse(cls, data: bytes) -> Elf:
        """Read the dynamic section and what it points to.

        Raises: ElfError, and nothing else, for whatever bytes.
        """
        image = Image.parse(data)
        tags = _dynamic(image)
        strings = b""
        if DT_STRTAB in tags and DT_STRSZ in tags:
            strings = image.at(tags[DT_STRTAB][0], tags[DT_STRSZ][0], "string table")
        names = {
            tag: tuple(image.text(strings, offset) for offset in tags.get(tag, ()))
            for tag in (DT_NEEDED, DT_SONAME, DT_RPATH, DT_RUNPATH)
        }
        needs = dict(_version_needs(image, tags, strings))
        versions = {index: need.version for index, need in needs.items()}
        versions.update(_version_definitions(image, tags, strings))
        defined, undefined = _symbols(image, tags, strings, versions)
        return cls(
            machine=image.machine,
            type=image.type,
            needed=names[DT_NEEDED],
            soname=next(iter(names[DT_SONAME]), None),
            rpath=next(iter(names[DT_RPATH]), None),
            runpath=next(iter(names[DT_RUNPATH]), None),
            executable_stack=_executable_stack(image),
            defined=defined,
            undefined=undefined,
            version_needs=tuple(needs.values()),
            image=image,
        )

    def string_at(self, symbol: Symbol) -> str:
        """Return the NUL-terminated text that a data symbol holds."""
        data = self.image.at(symbol.address, symbol.size, f"symbol {symbol.name}")
        return self.image.text(data, 0)


def _executable_stack(image: Image) -> bool:
    # A file that says nothing (assembly without .note.GNU-stack) gets one from the loader.
    flags = [segment.flags for segment in image.segments if segment.type == PT_GNU_STACK]
    return not flags or any(flag & PF_X for flag in flags)


def _dynamic(image: Image) -> dict[int, list[int]]:
    tags: dict[int, list[int]] = {}
    for segment in _only_dynamic(image):
        for offset in range(segment.offset, segment.offset + segment.file_size, 16):
            tag, value = unpack(image.data, "<QQ", offset, "dynamic section")
            if tag == DT_NULL:
                break
            tags.setdefault(tag, []).append(value)
    twice = [f"{tag:#x}" for tag, values in tags.items() if tag != DT_NEEDED and len(values) > 1]
    if twice:
        raise ElfError(f"dynamic section: expected each tag once, found twice: {', '.join(twice)}")
    return tags


def _only_dynamic(image: Image) -> list[Segment]:
    segments = [segment for segment in image.segments if segment.type == PT_DYNAMIC]
    if len(segments) > 1:
        raise ElfError(f"dynamic section: expected at most one, found {len(segments)}")
    return segments


def _symbols(
    image: Image, tags: Mapping[int, list[int]], strings: bytes, versions: Mapping[int, str]
) -> tuple[dict[str, Symbol], tuple[Symbol, ...]]:
    defined: dict[str, Symbol] = {}
    undefined: list[Symbol] = []
    count = _symbol_count(image, tags) if DT_SYMTAB in tags else 0
    if not count:
        return defined, ()
    table = image.at(tags[DT_SYMTAB][0], count * struct.calcsize(SYMBOL), "symbol table")
    indices = _version_indices(image, tags, count)
    for index, entry in enumerate(struct.iter_unpack(SYMBOL, table)):
        offset, info, _, section, address, size = entry
        if index == 0:  # the null symbol
            continue
        symbol = Symbol(
            name=image.text(strings, offset),
            version=versions.get(indices[index] & ~HIDDEN),
            weak=info >> 4 == STB_WEAK,
            address=address,
            size=size,
        )
        if section == SHN_UNDEF:
            undefined.append(symbol)
        else:
            defined[symbol.name] = symbol
    return defined, tuple(undefined)


def _symbol_count(image: Image, tags: Mapping[int, list[int]]) -> int:
    # The dynamic section states no count: hash tables imply it, the section of symbols states it.
    counts = [s.size // struct.calcsize(SYMBOL) for s in image.sections if s.type == SHT_DYNSYM]
    if DT_HASH in tags:
        counts.append(struct.unpack("<II", image.at(tags[DT_HASH][0], 8, "hash table"))[1])
    if DT_GNU_HASH in tags:
        counts.append(_gnu_hash_count(image.rest_at(tags[DT_GNU_HASH][0], "GNU hash table")))
    if not any(counts):
        raise ElfError("symbol table: expected a hash table or .dynsym with its length, found none")
    return max(counts)


def _gnu_hash_count(table: bytes) -> int:
    """Return one more than the last hashed symbol, 0 where none is hashed."""
    buckets, first, bloom, _ = unpack(table, "<IIII", 0, "GNU hash table")
    start = 16 + bloom * 8
    heads = unpack(table, f"<{buckets}I", start, "GNU hash buckets")
    last = max(heads, default=0)
    if not last:
        return 0
    if last < first:
        raise ElfError(f"GNU hash table: expected buckets from symbol {first} on, found {last}")
    chain = start + buckets * 4
    while not unpack(table, "<I", chain + (last - first) * 4, "GNU hash chain")[0] & 1:
        last += 1
    return int(last) + 1


def _version_indices(image: Image, tags: Mapping[int, list[int]], count: int) -> tuple[int, ...]:
    if DT_VERSYM not in tags:
        return (0,) * count
    return struct.unpack(f"<{count}H", image.at(tags[DT_VERSYM][0], count * 2, "version symbols"))


def _version_needs(
    image: Image, tags: Mapping[int, list[int]], strings: bytes
) -> Iterator[tuple[int, VersionNeed]]:
    if DT_VERNEED not in tags:
        return
    table = image.rest_at(tags[DT_VERNEED][0], "needed versions")
    budget = VERSION_RECORDS
    for offset, record in _linked(table, VERNEED, 0, tags.get(DT_VERNEEDNUM, [0])[0]):
        _, count, library, auxiliary, _ = record
        budget -= count
        if budget < 0:
            raise ElfError(f"needed versions: expected at most {VERSION_RECORDS}, found more")
        for _, (_, _, index, name, _) in _linked(table, VERNAUX, offset + auxiliary, count):
            need = VersionNeed(
                library=image.text(strings, library), version=image.text(strings, name)
            )
            yield index & ~HIDDEN, need


def _version_definitions(
    image: Image, tags: Mapping[int, list[int]], strings: bytes
) -> Iterator[tuple[int, str]]:
    if DT_VERDEF not in tags:
        return
    table = image.rest_at(tags[DT_VERDEF][0], "defined versions")
    for offset, record in _linked(table, VERDEF, 0, tags.get(DT_VERDEFNUM, [0])[0]):
        _, flags, index, _, _, auxiliary, _ = record
        name, _ = unpack(table, VERDAUX, offset + auxiliary, "defined version")
        if not flags & 1:  # VER_FLG_BASE names the file itself
            yield index & ~HIDDEN, image.text(strings, name)


def _linked(
    table: bytes, form: str, offset: int, count: int
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Follow `count` records, each of which ends with the distance to the next one."""
    if count > VERSION_RECORDS:
        raise ElfError(f"version table: expected at most {VERSION_RECORDS} records, found {count}")
    for index in range(count):
        record = unpack(table, form, offset, "version table")
        yield offset, record
        if index + 1 < count and record[-1] < struct.calcsize(form):
            raise ElfError(
                f"version table: expected record {index + 2} of {count}, found the end of the list"
            )
        offset += record[-1]
