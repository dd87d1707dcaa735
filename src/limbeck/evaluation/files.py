"""Parallel text files: one segment a line, or an error that says where."""

from __future__ import annotations

from pathlib import Path

from limbeck.errors import LimbeckError


def read_lines(path: Path, *, what: str) -> list[str]:
    r"""Read a text file, one segment a line.

    Lines end at ``\n`` or ``\r\n`` only: other Unicode separators may be part of a segment, and splitting there would
    shift every following pair.

    Args:
        path: The file.
        what: What the file is to the user, for messages.

    Raises:
        LimbeckError: The file is missing, not UTF-8, or empty.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise LimbeckError(f"{what}: no such file: {path}") from None
    except OSError as error:
        raise LimbeckError(f"{what}: cannot read {path}: {error.strerror}") from None
    lines = []
    rows = raw.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if rows[-1] == b"":
        rows.pop()
    for number, row in enumerate(rows, start=1):
        try:
            lines.append(row.removesuffix(b"\r").decode("utf-8"))
        except UnicodeDecodeError as error:
            raise LimbeckError(f"{what}: {path}, line {number}: not UTF-8 (byte {error.start + 1})") from None
    if not any(line.strip() for line in lines):
        raise LimbeckError(f"{what}: {path} is empty")
    return lines


def check_parallel(first: list[str], first_path: Path, second: list[str], second_path: Path) -> None:
    """Refuse two files that do not pair line by line.

    Raises:
        LimbeckError: They have different numbers of lines; both are named.
    """
    if len(first) != len(second):
        raise LimbeckError(
            f"{first_path} has {len(first)} lines but {second_path} has {len(second)}: they must pair line by line"
        )
