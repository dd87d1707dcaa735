from __future__ import annotations

from pathlib import Path

import pytest

from limbeck.errors import LimbeckError
from limbeck.evaluation.files import check_parallel, read_lines


def test_lines_are_kept_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    # A byte order mark, Windows ends, an empty segment, and separators inside a segment.
    file.write_bytes("\ufeffein Hund\r\n\nzwei\u2028Hunde\x0b\x85 drei\n".encode())
    assert read_lines(file, what="references") == ["ein Hund", "", "zwei\u2028Hunde\x0b\x85 drei"]


def test_no_newline_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a\nb")
    assert read_lines(tmp_path / "a.txt", what="x") == ["a", "b"]


def test_errors_name_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(LimbeckError, match=r"references: no such file: .*nothing\.txt"):
        read_lines(tmp_path / "nothing.txt", what="references")
    with pytest.raises(LimbeckError, match="cannot read"):
        read_lines(tmp_path, what="references")
    (tmp_path / "latin.txt").write_bytes(b"gut\nsch\xf6n\n")
    with pytest.raises(LimbeckError, match=r"latin\.txt, line 2: not UTF-8 \(byte 4\)"):
        read_lines(tmp_path / "latin.txt", what="hypotheses")
    (tmp_path / "empty.txt").write_text("\n\n")
    with pytest.raises(LimbeckError, match="is empty"):
        read_lines(tmp_path / "empty.txt", what="hypotheses")
    with pytest.raises(LimbeckError, match=r"a has 2 lines but b has 1"):
        check_parallel(["x", "y"], Path("a"), ["x"], Path("b"))
