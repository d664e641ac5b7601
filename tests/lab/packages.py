"""Making small packages of the forms that the lab reads: ar, tar, and LZW as compress writes it."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from similitude._errors import DataError
from similitude.lab._domains import domain
from similitude.lab._sources import find_source


def need_packages(name: str) -> None:
    """Skip the test when a package of the domain is not at hand; nothing is fetched."""
    for source in domain(name).sources:
        try:
            find_source(source.package, download=False)
        except DataError as error:
            if "is not there" in str(error):
                pytest.skip(str(error))
            raise


def write_package(path: Path, files: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    """A .deb with these files, and with symbolic links of these targets."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:xz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(f"./{name}")
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    parts = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", "data.tar.xz": stream.getvalue()}
    path.write_bytes(b"!<arch>\n" + b"".join(_ar_member(name, content) for name, content in parts.items()))
    return path


def _ar_member(name: str, content: bytes) -> bytes:
    header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
    return header + content + b"\n" * (len(content) % 2)


def compress(text: bytes, bits: int = 16) -> bytes:
    """Codes of 9 to 16 bits in groups of eight, without the header of three bytes."""
    table = {bytes([value]): value for value in range(256)}
    codes, known, free = [], b"", 257
    for value in text:
        longer = known + bytes([value])
        if longer in table:
            known = longer
            continue
        codes.append((table[known], free))
        if free < 1 << bits:
            table[longer] = free
            free += 1
        known = bytes([value])
    return _packed([*codes, (table[known], free)], bits)


def _packed(codes: list[tuple[int, int]], bits: int) -> bytes:
    """The reader learns an entry one code late: its table has one entry less than the writer's at each code."""
    out, group, width = bytearray(), [], 9
    for code, free in codes:
        if free - 1 > (1 << width) - 1 and width < bits:
            out += _group(group, width, padded=True)
            group, width = [], width + 1
        group.append(code)
        if len(group) == 8:
            out += _group(group, width, padded=True)
            group = []
    return bytes(out + _group(group, width, padded=False))


def _group(codes: list[int], width: int, padded: bool) -> bytes:
    number = sum(code << (i * width) for i, code in enumerate(codes))
    return number.to_bytes(width if padded and codes else -(-len(codes) * width // 8), "little")
