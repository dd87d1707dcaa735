from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from limbeck.data.text import check_parallel, decode_lines, read_lines
from limbeck.errors import LimbeckError

CAPTIONS = "\ufeffein Hund\r\n\nzwei\u2028Hunde\x0b\x85 drei\n".encode()
"""A byte order mark, Windows ends, an empty line, and separators inside a line."""


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_lines_are_kept_as_they_are(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(gzip.compress(CAPTIONS, mtime=0) if name.endswith(".gz") else CAPTIONS)
    assert read_lines(file) == ["ein Hund", "", "zwei\u2028Hunde\x0b\x85 drei"]


def test_no_newline_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a\nb")
    assert read_lines(tmp_path / "a.txt", what="x") == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("latin.txt", b"gut\nsch\xf6n\n", r"references: .*latin\.txt, line 2: not UTF-8 \(byte 4\)"),
        ("empty.txt", b"\n \n", r"references: .*empty\.txt is empty"),
        ("nothing.txt", b"", r"references: .*nothing\.txt is empty"),
        (
            "cut.gz",
            gzip.compress(CAPTIONS * 9, mtime=0)[:-12],
            r"references: cannot read .*cut\.gz: not a whole gzip file",
        ),
        (
            "bent.gz",
            gzip.compress(CAPTIONS, mtime=0)[:10] + b"\xff" * 20,
            r"references: cannot read .*bent\.gz: not a whole",
        ),
        ("plain.gz", CAPTIONS, r"references: cannot read .*plain\.gz: not a whole gzip file"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LimbeckError, match=message):
        read_lines(tmp_path / name, what="references")


def test_missing_and_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(LimbeckError, match=r"^references: no such file: .*nothing\.txt"):
        read_lines(tmp_path / "nothing.txt", what="references")
    with pytest.raises(LimbeckError, match=r"^no such file: .*nothing\.txt"):
        read_lines(tmp_path / "nothing.txt")
    with pytest.raises(LimbeckError, match=r"cannot read .*: Is a directory"):
        read_lines(tmp_path)


def test_files_must_be_parallel() -> None:
    with pytest.raises(LimbeckError, match=r"a has 2 lines but b has 1"):
        check_parallel(["x", "y"], Path("a"), ["x"], Path("b"))
    check_parallel(["x", ""], "a", ["z", "y"], "b")


def test_lines_before_a_broken_one_are_given() -> None:
    lines = decode_lines([b"\xef\xbb\xbfa\n", b"\xef\xbb\xbfb\r\n", b"\xff\n"], "pipe")
    assert [next(lines), next(lines)] == ["a", "\ufeffb"]
    with pytest.raises(LimbeckError, match=r"pipe, line 3: not UTF-8 \(byte 1\)"):
        next(lines)
