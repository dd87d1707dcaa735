"""What a store says of itself: one part a writing process, and the manifest that they are merged into."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load_file

from limbeck.errors import LimbeckError
from limbeck.files import sha256_of, write_json
from limbeck.teachers.store.fingerprints import data_fingerprint
from limbeck.teachers.store.settings import Keep, Per

FORMAT = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Description:
    """What all shards of a store have in common.

    Args:
        teacher: The teacher's name.
        teacher_fingerprint: What :func:`~limbeck.teachers.store.fingerprints.teacher_fingerprint` says of it.
        tokenizer: The tokenizer's fingerprint; None where there is none.
        template: The chat template's fingerprint; None where there is none.
        settings: The settings that decide what is kept.
        keep: What ``settings["keep"]`` came to.
        vocab_size: Classes of the teacher.
        counted: Whether a distribution belongs to a ``"position"`` where the mask is true, or to a ``"row"``.
        seen: Keys of the batch whose content is compared when the store is read.
        hidden: Shapes of the hidden states that are kept, a position or a row as the settings say.
    """

    teacher: str
    teacher_fingerprint: str | None
    tokenizer: str | None
    template: str | None
    settings: dict[str, Any]
    keep: Keep
    vocab_size: int
    counted: Per
    seen: list[str]
    hidden: dict[str, list[int]]


@dataclass(frozen=True)
class Shard:
    """One file of a store.

    Args:
        file: Its name.
        rows: How many rows it has.
        first_row: The least of their numbers.
        last_row: The greatest.
        positions: Counted positions.
        entries: Kept classes of all positions.
        bytes: The file's length.
        sha256: Of the file.
    """

    file: str
    rows: int
    first_row: int
    last_row: int
    positions: int
    entries: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Part:
    """What one process wrote. A process whose share has no batch has no description."""

    process: int
    processes: int
    complete: bool
    description: Description | None
    shards: tuple[Shard, ...]
    format_version: int = FORMAT

    def write(self, folder: Path) -> None:
        """Write it under its own name."""
        write_json(folder / part_name(self.process, self.processes), asdict(self))


@dataclass(frozen=True)
class Manifest:
    """What the whole store has: the parts together."""

    description: Description
    data_fingerprint: str
    rows: int
    positions: int
    entries: int
    bytes: int
    shards: tuple[Shard, ...]
    format_version: int = FORMAT

    def summary(self) -> str:
        """One line: rows, positions, bytes, and how much smaller it is than all classes would be in the same type."""
        size = 2 if self.description.settings["dtype"] == "fp16" else 4
        whole = self.positions * self.description.vocab_size * size
        for name, shape in self.description.hidden.items():
            per = self.description.settings["hidden"][name]
            whole += 2 * torch.Size(shape).numel() * (self.positions if per == "position" else self.rows)
        unit = "token" if self.description.counted == "position" else "row"
        each = self.bytes / max(self.positions, 1)
        told = f"{self.rows:,} rows, {self.positions:,} {unit}s, {self.bytes / 1e6:,.1f} MB"
        return f"{told}: {each:,.1f} bytes/{unit}, {whole / self.bytes:,.1f} times smaller than all classes would be"


def part_name(process: int, processes: int) -> str:
    """The file of a part.

    Example:
        >>> part_name(0, 2)
        'part-00000-of-00002.json'
    """
    return f"part-{process:05d}-of-{processes:05d}.json"


def shard_name(process: int, number: int) -> str:
    """The file of a shard."""
    return f"shard-{process:05d}-{number:05d}.safetensors"


def describe_shard(path: Path) -> Shard:
    """Look into a complete shard.

    Raises:
        LimbeckError: It cannot be read.
    """
    tensors = read_shard(path)
    rows = tensors["rows"]
    positions, entries = (int(tensors[name][-1]) for name in ("positions", "entries"))
    size = path.stat().st_size
    return Shard(path.name, len(rows), int(rows.min()), int(rows.max()), positions, entries, size, sha256_of(path))


def read_shard(path: Path) -> dict[str, torch.Tensor]:
    """A shard's tensors, mapped into memory: what is not touched is not read.

    Raises:
        LimbeckError: It is absent, or damaged.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise LimbeckError(f"{path}: cannot be read: {error}") from None


def read_part(path: Path) -> Part:
    """Read a part.

    Raises:
        LimbeckError: It is absent, of another format, or not what it should be.
    """
    values = _read(path)
    try:
        description = values["description"] and Description(**values["description"])
        shards = tuple(Shard(**shard) for shard in values["shards"])
        return Part(**values | {"description": description, "shards": shards})
    except (KeyError, TypeError) as error:
        raise LimbeckError(f"{path}: is not a part of a teacher store ({error})") from None


def read_manifest(folder: Path) -> Manifest:
    """Read a store's manifest; where every part is there and no manifest yet, it is made.

    Raises:
        LimbeckError: There is no store, it is not finished, or it has another format.
    """
    path = folder / MANIFEST
    if not path.exists():
        return merge(folder)
    values = _read(path)
    try:
        shards = tuple(Shard(**shard) for shard in values["shards"])
        return Manifest(**values | {"description": Description(**values["description"]), "shards": shards})
    except (KeyError, TypeError) as error:
        raise LimbeckError(f"{path}: is not the manifest of a teacher store ({error})") from None


def merge(folder: Path) -> Manifest:
    """Make the manifest from the parts and write it.

    Processes that do so at the same time wait for one another, and write the same bytes.

    Raises:
        LimbeckError: A part is absent or unfinished, parts contradict one another, or a row is in two shards.
    """
    parts = read_parts(folder)
    if not parts:
        raise LimbeckError(f"{folder}: is not a teacher store: it has neither {MANIFEST} nor a part of one")
    there = {part.process for part in parts if part.complete}
    if missing := sorted(set(range(parts[0].processes)) - there):
        told = f"part {missing[0]} of {parts[0].processes} is not complete"
        raise LimbeckError(f"{folder}: the store is not finished: {told}; run its writing again, it goes on")
    descriptions = [part.description for part in parts if part.description is not None]
    shards = tuple(shard for part in parts for shard in part.shards)
    if not shards:
        raise LimbeckError(f"{folder}: the store has no rows")
    for other in descriptions[1:]:
        refuse_difference(folder, asdict(descriptions[0]), asdict(other), "another part has")
    tables = [read_shard(folder / shard.file) for shard in shards]
    rows, hashes = (torch.cat([table[name] for table in tables]) for name in ("rows", "hashes"))
    numbers, counts = rows.unique(return_counts=True)
    if len(twice := numbers[counts > 1]):
        raise LimbeckError(
            f"{folder}: row {int(twice[0])} is in the store twice; processes must share out the same rows"
        )
    sums = {name: sum(getattr(shard, name) for shard in shards) for name in ("rows", "positions", "entries", "bytes")}
    found = Manifest(descriptions[0], data_fingerprint(rows, hashes), shards=shards, **sums)
    lock = FileLock(folder / f".{MANIFEST}.lock")
    with lock:
        for left in folder.glob(f".{MANIFEST}.[0-9]*"):
            left.unlink()  # by a kill
        write_json(folder / MANIFEST, asdict(found))
    Path(lock.lock_file).unlink(missing_ok=True)
    return found


def read_parts(folder: Path) -> list[Part]:
    """The parts that there are, by process.

    Raises:
        LimbeckError: They speak of different numbers of processes.
    """
    parts = [read_part(path) for path in sorted(folder.glob("part-*-of-*.json"))]
    if len(numbers := {part.processes for part in parts}) > 1:
        raise LimbeckError(f"{folder}: its parts are by {' and by '.join(map(str, sorted(numbers)))} processes")
    return parts


def refuse_difference(folder: Path, had: Mapping[str, Any], asked: Mapping[str, Any], told: str) -> None:
    """Refuse where two descriptions differ; settings are compared one by one.

    Raises:
        LimbeckError: They do; the message names the field and both values.
    """
    for name, value in asked.items():
        there = had.get(name)
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            refuse_difference(folder, there, dict.fromkeys(there) | dict(value), told)
        elif there != value:
            raise LimbeckError(f"{folder}: {name}: the store has {_short(there)}, {told} {_short(value)}")


def with_shard(part: Part, shard: Shard, description: Description) -> Part:
    """The part with one more shard."""
    return replace(part, shards=(*part.shards, shard), description=description, complete=False)


def _short(value: Any) -> str:
    """A value in a message; of a fingerprint, the beginning is enough."""
    return value[:12] if isinstance(value, str) and len(value) == 64 else "none" if value is None else repr(value)


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        version = values["format_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LimbeckError(f"{path}: cannot be read: {error!r}") from None
    if version != FORMAT:
        raise LimbeckError(f"{path}: format_version: the store has {version!r}, this version of Limbeck reads {FORMAT}")
    assert isinstance(values, dict)
    return values
