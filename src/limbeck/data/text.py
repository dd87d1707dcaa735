"""Text files, a sentence a line: plain or gzipped, and strict about what is in them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from limbeck.errors import LimbeckError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_lines(path: str | Path, *, what: str = "") -> list[str]:
    """Read a UTF-8 text file, a sentence a line, as :func:`iterate_lines` does.

    Args:
        path: The file.
        what: What the file is to the user, for messages.

    Raises:
        LimbeckError: If the file is missing, not readable, not whole, not UTF-8 (then the line is named), or has
            nothing but blanks in it.
    """
    lines = list(iterate_lines(path, what=what))
    if not any(line.strip() for line in lines):
        raise LimbeckError(f"{_about(what)}{path} is empty")
    return lines


def iterate_lines(path: str | Path, *, what: str = "") -> Iterator[str]:
    r"""Read a UTF-8 text file a line at a time; names ending in ``.gz`` are unzipped.

    Lines end at ``\n`` or ``\r\n`` only: other Unicode separators may be part of a sentence, and splitting there would
    shift every following pair. A byte order mark is left out.

    Args:
        path: The file; it is opened at once, and closed when it has been read.
        what: What the file is to the user, for messages.

    Raises:
        LimbeckError: If the file is missing or not readable; while it is read, if it is not whole or not UTF-8.
    """
    path = Path(path)
    try:
        rows = gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115 (read on, below)
    except OSError as error:
        raise _unreadable(path, what, error) from None
    return _iterate(rows, path, what)


def _iterate(rows: IO[bytes] | gzip.GzipFile, path: Path, what: str) -> Iterator[str]:
    with rows:
        try:
            yield from decode_lines(rows, f"{_about(what)}{path}")
        except (OSError, EOFError, zlib.error) as error:
            raise _unreadable(path, what, error) from None


def _unreadable(path: Path, what: str, error: Exception) -> LimbeckError:
    if isinstance(error, FileNotFoundError):
        return LimbeckError(f"{_about(what)}no such file: {path}")
    reason = (isinstance(error, OSError) and error.strerror) or f"not a whole gzip file ({error})"
    return LimbeckError(f"{_about(what)}cannot read {path}: {reason}")


def _about(what: str) -> str:
    return f"{what}: " if what else ""


def decode_lines(rows: Iterable[bytes], name: str) -> Iterator[str]:
    r"""Decode lines as they come, without their ends.

    Args:
        rows: The lines, with or without ``\n``; the first may begin with a byte order mark.
        name: Of the file, for messages.

    Raises:
        LimbeckError: If a line is not UTF-8; its number is named, and all lines before it have been given.

    Example:
        >>> list(decode_lines([b"ein Hund\r\n", b"zwei"], "example"))
        ['ein Hund', 'zwei']
    """
    for number, row in enumerate(rows, 1):
        whole = row.removeprefix(_BYTE_ORDER_MARK) if number == 1 else row
        try:
            yield whole.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError as error:
            raise LimbeckError(f"{name}, line {number}: not UTF-8 (byte {error.start + 1})") from None


def check_parallel(
    first: Sequence[str], first_path: str | Path, second: Sequence[str], second_path: str | Path
) -> None:
    """Refuse two files that do not pair line by line.

    Raises:
        LimbeckError: They have different numbers of lines; both are named.
    """
    if len(first) != len(second):
        raise LimbeckError(
            f"{first_path} has {len(first)} lines but {second_path} has {len(second)}: they must pair line by line"
        )
