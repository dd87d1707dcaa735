"""Files that are written whole or not at all, and what is in them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limbeck.errors import writing

if TYPE_CHECKING:
    from torch import Tensor


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file (text as UTF-8) so that a reader, or a kill, meets the old one or the new one, nothing between."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON with :func:`write_atomically`."""
    write_atomically(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> int:
    """Write one safetensors file so that it is whole or absent; returns its length in bytes."""
    from safetensors.torch import save_file

    # A name of one's own: another process may be writing the same.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with writing(path):
        save_file(dict(tensors), unfinished)
    sync(unfinished)
    unfinished.replace(path)
    return path.stat().st_size


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Write a folder so that a reader, or a kill, meets a whole one or none.

    Args:
        path: What is there before is replaced at the end.

    Yields:
        The folder to write into; it becomes ``path`` where the block ends without an error.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "model"
        >>> with whole_folder(path) as unfinished:
        ...     _ = (unfinished / "config.json").write_text("{}")
        ...     path.exists()
        False
        >>> [file.name for file in path.iterdir()]
        ['config.json']
    """
    unfinished, former = (path.with_name(f".{state}-{path.name}") for state in ("unfinished", "former"))
    for left in (unfinished, former):
        shutil.rmtree(left, ignore_errors=True)
    unfinished.mkdir(parents=True)
    yield unfinished
    for file in [*unfinished.rglob("*"), unfinished]:
        sync(file)
    if path.exists():
        path.rename(former)
    unfinished.rename(path)
    sync(path.parent)
    shutil.rmtree(former, ignore_errors=True)


def safe_name(text: str) -> str:
    """A readable name for a file or folder; two texts may have the same.

    Example:
        >>> safe_name("KD, seed 1")
        'KD-seed-1'
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:64]


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """See a file, or the names in a folder, onto the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
