"""The declared domains, and how documents are found in packages of each form."""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
import struct
import subprocess

import pytest

from lab.packages import compress, need_packages, write_package
from similitude._errors import ArgumentError, DataError
from similitude.lab import _sources
from similitude.lab._documents import FINDERS, plain_manual
from similitude.lab._domains import Domain, TextSource, domain, domain_names, read_documents
from similitude.lab._lzw import decode_lzw
from similitude.lab._packages import read_members
from similitude.lab._sources import Source, debian_mirrors, find_source

TEXT = b"In the beginning God created the heaven and the earth. " * 40 + bytes(range(1, 256)) * 30


@pytest.fixture(autouse=True)
def _empty_cache(request, monkeypatch, tmp_path):
    """No test but those of the real packages sees the user's files."""
    if "real" not in request.node.name:
        monkeypatch.setenv("SIMILITUDE_CACHE", str(tmp_path / "cache"))
        monkeypatch.delenv("SIMILITUDE_DATA", raising=False)


@pytest.mark.parametrize("name", domain_names())
def test_declarations_are_whole(name):
    entry = domain(name)
    assert entry.title
    assert entry.licence
    assert entry.sources
    for source in entry.sources:
        assert source.finder in FINDERS
        assert re.fullmatch("[0-9a-f]{64}", source.package.sha256)
        if not source.package.pool:
            assert re.search("/[0-9a-f]{40}/", source.package.urls[0])  # a commit, whose files do not change
            continue
        assert re.compile(source.inside).pattern.startswith("^usr/")
        assert source.package.addresses[-1].startswith("https://snapshot.debian.org/archive/debian/2")
        assert source.package.addresses[-1].endswith("/" + source.package.file)


def test_an_unknown_domain_is_named_with_those_there_are():
    with pytest.raises(ArgumentError, match=r"no text domain 'pyton'; .*did you mean 'python'"):
        domain("pyton")


def test_a_file_of_its_own_address_is_cut_into_sections(monkeypatch, tmp_path):
    speeches = [f"SPEAKER {i}:\n{'word ' * (40 + i)}\n\n" for i in range(100)]
    text = "".join(speeches).encode()
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "plays.txt").write_bytes(text)
    monkeypatch.setenv("SIMILITUDE_DATA", str(tmp_path))
    file = Source(urls=("https://example.org/input.txt",), sha256=hashlib.sha256(text).hexdigest(), name="plays.txt")
    entry = Domain("plays", "Plays", "public domain", "", (TextSource(file, "sections", ""),))
    found = [document.text for document in read_documents(entry, download=False)]
    assert b"".join(found) == text
    assert all(4096 <= len(part) < 4096 + 800 and part.endswith(b"\n\n") for part in found[:-1])


# -- packages ---------------------------------------------------------------------------------------------------------


def test_files_are_read_and_links_are_not(tmp_path):
    files = {"usr/lib/a.py": b"a = 1\n", "usr/lib/b.txt": b"no\n", "usr/lib/c.py": b"c = 3\n"}
    path = write_package(tmp_path / "x.deb", files, links={"usr/lib/d.py": "/etc/passwd"})
    assert dict(read_members(path, r"^usr/lib/.*\.py$")) == {"usr/lib/a.py": b"a = 1\n", "usr/lib/c.py": b"c = 3\n"}
    assert not list(tmp_path.glob("usr*"))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"!<arch>\n", b"!<arch>\n" + b" " * 30])
def test_what_is_no_package_is_named(tmp_path, content):
    (tmp_path / "x.deb").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.deb (is not a|holds no)"):
        list(read_members(tmp_path / "x.deb", "."))


def test_a_package_cut_short_is_named(tmp_path):
    path = write_package(tmp_path / "x.deb", {"a": TEXT})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"x\.deb is damaged"):
        list(read_members(path, "."))


# -- where packages are -----------------------------------------------------------------------------------------------


def _source(content: bytes) -> Source:
    return Source(hashlib.sha256(content).hexdigest(), urls=("http://localhost:9/pool/x.deb",))


def test_a_file_put_there_comes_first(monkeypatch, tmp_path):
    for folder, content in (("data/lab", b"mine"), ("cache/lab/sources", b"other")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "x.deb").write_bytes(content)
    monkeypatch.setenv("SIMILITUDE_DATA", str(tmp_path / "data"))
    assert find_source(_source(b"mine")).read_bytes() == b"mine"
    with pytest.raises(DataError, match=r"data/lab/x\.deb is not the declared file"):
        find_source(_source(b"other"))
    monkeypatch.delenv("SIMILITUDE_DATA")
    assert find_source(_source(b"other"), download=False).read_bytes() == b"other"


def test_a_file_that_cannot_be_had_is_told_where_to_be_put(tmp_path):
    with pytest.raises(DataError, match=r"x\.deb is not there .* as lab/x\.deb"):
        find_source(_source(b"mine"), download=False)
    with pytest.raises(DataError, match=r"x\.deb cannot be fetched \(localhost: .*Error\); connect .* lab/x\.deb"):
        find_source(_source(b"mine"))
    assert not list(tmp_path.rglob("x.deb"))


def test_mirrors_are_read_from_the_sources_of_apt(tmp_path):
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(
        "deb http://one.example/debian bookworm main\n# deb http://two.example/debian x\n"
        "deb https://other.example/apt stable main\ndeb [signed-by=/k] https://three.example/a/debian/ bookworm main\n"
    )
    (tmp_path / "sources.list.d" / "x.sources").write_text("URIs: http://one.example/debian\nSuites: bookworm\n")
    (tmp_path / "sources.list.d" / "x.sources.save").write_text("URIs: http://five.example/debian\n")
    assert debian_mirrors(tmp_path) == ("http://one.example/debian", "https://three.example/a/debian")
    assert debian_mirrors(tmp_path / "nowhere") == ()


def test_addresses_are_mirror_then_snapshot(monkeypatch):
    monkeypatch.setattr(_sources, "debian_mirrors", lambda: ("http://one.example/debian",))
    source = Source("0" * 64, pool="pool/main/x/x_1+2_all.deb", snapshot="20260712T000000Z")
    assert source.addresses == (
        "http://one.example/debian/pool/main/x/x_1+2_all.deb",
        "https://snapshot.debian.org/archive/debian/20260712T000000Z/pool/main/x/x_1+2_all.deb",
    )


# -- documents --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [b"a", b"aaaaaaaaaaaaaaaaaaaaaaa", b"abababababab", TEXT, bytes(range(1, 256)) * 300])
@pytest.mark.parametrize("bits", [10, 16])
def test_lzw_gives_back_what_was_written(text, bits):
    assert decode_lzw(compress(text, bits), bits=bits) == text


@pytest.mark.skipif(not shutil.which("gzip"), reason="needs gzip")
def test_lzw_agrees_with_gzip():
    with_header = b"\x1f\x9d\x90" + compress(TEXT)
    out = subprocess.run(["gzip", "-dc"], input=with_header, capture_output=True, check=True).stdout
    assert out == TEXT == decode_lzw(with_header[3:])


def test_lzw_begins_anew_after_its_clear_code():
    clear = (256).to_bytes(9, "little")  # the rest of a group of eight codes of 9 bits is padding
    assert decode_lzw(clear + compress(b"abab")) == b"abab"


def test_lzw_refuses_a_code_before_its_definition():
    with pytest.raises(DataError, match="before defining it"):
        decode_lzw((300).to_bytes(2, "little"))


def _bible(windows: list[bytes]) -> bytes:
    packed = [compress(text) for text in windows]
    table = 92 + 4 * (len(packed) + 1)
    ends = [table + 3]
    for part in packed:
        ends.append(ends[-1] + len(part))
    head = b"EC02".ljust(84, b"\0") + struct.pack(f">{2 + len(ends)}I", len(windows[0]), len(packed), *ends)
    return head + b"\x1f\x9d\x90" + b"".join(packed)


def test_chapters_are_verses_without_references():
    text = b"Title of 1611: a line\nGe1:1 In the beginning.\nGe1:2 And the earth.\n1Jn2:1 My little children.\n"
    found = list(FINDERS["chapters"]([("bible.data", _bible([text[:40], text[40:80], text[80:]]))]))
    assert found == [("Ge1", b"In the beginning.\nAnd the earth.\n"), ("1Jn2", b"My little children.\n")]


def test_a_damaged_bible_is_refused():
    whole = _bible([b"Ge1:1 In the", b" beginning. "])
    for content in (b"EC02", b"EC03" + whole[4:], whole[:-1], whole + b"x"):
        with pytest.raises(DataError, match=r"bible\.data"):
            list(FINDERS["chapters"]([("bible.data", content)]))


def test_entries_are_given_once_and_the_notes_on_the_dictionary_not():
    text = b"about\nA\n one\nB\n two\n"
    index = b"00-info\tA\tG\na\tG\tH\nan\tG\tH\nb\tN\tH\n"  # A = 0, G = 6, H = 7, N = 13
    found = list(FINDERS["entries"]([("g.index", index), ("g.dict.dz", gzip.compress(text))]))
    assert found == [("a", b"A\n one\n"), ("b", b"B\n two\n")]
    with pytest.raises(DataError, match=r"\.index"):
        list(FINDERS["entries"]([("g.index", index)]))


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ('.TH LS 1 "May"\n.SH "SEE ALSO"\n.PP\ntext\n', "SEE ALSO\ntext\n"),
        ('.\\" a comment\ntext\\" more\n', "text\n"),
        (r"\fB\-\-all\fP, \fI\,FILE\/\fP\s-1X\s0", "--all, FILEX\n"),
        (r"\(Fofichier\(Fc \[u00E9] \[bu] \e \&.x \(zz", "«fichier» é • \\ .x\n"),
        ('.IP "a mark" 4\n.IP \\(bu 3\n.TP 8\n.B bold words\n', "a mark\n•\nbold words\n"),
        (".SH A\nkept\n.SH ÜBERSETZUNG\nby me\n.PP\nand me\n.SH B\nkept too\n", "A\nkept\nB\nkept too\n"),
        (".SH TRADUCTION\npar moi\n", "\n"),
    ],
)
def test_manual_pages_become_plain(source, plain):
    assert plain_manual(source) == plain


def test_every_chapter_and_verse_is_in_the_real_package():
    need_packages("english")
    found = list(read_documents(domain("english"), download=False))
    assert len(found) == 1189  # chapters and verses of the King James Bible, as every edition has them
    assert sum(document.text.count(b"\n") for document in found) == 31_102
    assert b"\nJesus wept.\n" in dict(found)["John11"]
