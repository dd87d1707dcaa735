"""Text files, a sentence a line: plain or gzipped, and strict about what is in them."""

from __future__ import annotations

import gzip
from pathlib import Path

from limbeck.errors import LimbeckError


def read_lines(path: str | Path) -> list[str]:
    """Read a UTF-8 text file, a sentence a line; names ending in ``.gz`` are unzipped.

    Args:
        path: The file.

    Returns:
        The lines without their ends. Only line feeds end a line: a sentence may hold any other blank.

    Raises:
        LimbeckError: If the file is missing, not readable, not whole or not UTF-8; then the line is named.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
        if path.suffix == ".gz":
            raw = gzip.decompress(raw)
    except (OSError, EOFError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else str(error)
        raise LimbeckError(f"{path}: {reason}") from None
    lines = raw.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    decoded = []
    for number, line in enumerate(lines, 1):
        try:
            decoded.append(line.removesuffix(b"\r").decode("utf-8"))
        except UnicodeDecodeError as error:
            raise LimbeckError(f"{path}, line {number}: not UTF-8 ({error.reason} at byte {error.start + 1})") from None
    return decoded


def read_parallel(source: str | Path, target: str | Path) -> tuple[list[str], list[str]]:
    """Read two files whose lines belong together.

    Raises:
        LimbeckError: If one cannot be read, is empty, or the numbers of lines differ.
    """
    sources, targets = read_lines(source), read_lines(target)
    if len(sources) != len(targets):
        raise LimbeckError(f"{source} has {len(sources)} lines and {target} has {len(targets)}: they must be parallel")
    if not sources:
        raise LimbeckError(f"{source} is empty")
    return sources, targets
