"""Writes a teacher's outputs into shards, and goes on where it was stopped."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from limbeck.batch import Batch
from limbeck.errors import LimbeckError, near_matches
from limbeck.files import sync, write_tensors
from limbeck.signals import LinearLogits, Signals
from limbeck.teachers.store.batches import attended, counted, counted_lengths, rows_of
from limbeck.teachers.store.kept import kept_where
from limbeck.teachers.store.manifest import (
    MANIFEST,
    Description,
    Manifest,
    Part,
    describe_shard,
    merge,
    part_name,
    read_part,
    read_parts,
    read_shard,
    refuse_difference,
    shard_name,
    with_shard,
)
from limbeck.teachers.store.seen import row_hashes, seen_keys
from limbeck.teachers.store.settings import Per, StoreSettings


class StoreWriter:
    """One process's part of a store: batches with their signals in, shards out.

    A shard appears under its name when it is complete, and ends where a batch ends. A writing that was stopped, however
    hard, goes on after its last complete shard when the same batches come again, and leaves the same bytes as one that
    was never stopped.

    Args:
        folder: The store's folder; it is made where it does not exist.
        settings: What is kept.
        teacher: The teacher's name.
        teacher_fingerprint: What it is known by.
        tokenizer: The tokenizer's fingerprint; None where there is none.
        template: The chat template's fingerprint; None where there is none.
        process: Which of the writing processes this is, from 0.
        processes: How many write this store, each its own rows.

    Raises:
        LimbeckError: The folder holds a store of another teacher, tokenizer, template, number of processes or of other
            settings, or is being written by another process.
        OSError: A file cannot be written.

    Example:
        >>> import tempfile
        >>> batch = {"row": torch.arange(4), "x": torch.rand(4, 3)}
        >>> with StoreWriter(Path(tempfile.mkdtemp()) / "store", teacher="toy") as writer:
        ...     if not writer.has(batch):
        ...         writer.add(batch, Signals(logits=batch["x"]))
        ...     manifest = writer.finish()
        >>> manifest.rows, manifest.description.keep
        (4, 'full')
    """

    def __init__(
        self,
        folder: str | Path,
        settings: StoreSettings | None = None,
        *,
        teacher: str,
        teacher_fingerprint: str | None = None,
        tokenizer: str | None = None,
        template: str | None = None,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        if not 0 <= process < processes:
            raise LimbeckError(f"process: got {process} of {processes}; possible: 0 to {processes - 1}")
        self.folder, self.settings = Path(folder), settings or StoreSettings()
        self.known = {
            "teacher": teacher,
            "teacher_fingerprint": teacher_fingerprint,
            "tokenizer": tokenizer,
            "template": template,
            "settings": self.settings.content(),
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        self.part = Part(process, processes, False, None, ())
        self.path = self.folder / part_name(process, processes)
        self.unfinished = self.folder / f".unfinished-{process:05d}"
        self.lock = FileLock(self.folder / f".{self.path.stem}.lock", timeout=0)
        try:
            self.lock.acquire()
        except Timeout:
            raise LimbeckError(f"{self.folder}: part {process} is being written by another process") from None
        try:
            self._go_on()
        except BaseException:
            self.lock.release()
            raise

    def has(self, batch: Batch) -> bool:
        """Whether all rows of a batch are in complete shards already.

        Raises:
            LimbeckError: A row is there, but not with what the batch has now.
        """
        rows = rows_of(batch)
        there = [int(row) in self.done for row in rows]
        if not any(there):
            return False
        assert self.part.description is not None
        hashes = row_hashes(batch, self.part.description.seen)
        for row, known, seen in zip(rows.tolist(), there, hashes.tolist(), strict=True):
            if known and self.done[row] != seen:
                raise LimbeckError(f"{self.folder}: row {row} of the data has changed since the store was begun")
        return all(there)

    def add(self, batch: Batch, signals: Signals) -> None:
        """Keep what the teacher said about a batch; rows that are there already are left out.

        Args:
            batch: With ``row``, with ``mask`` where there is a distribution a position, and with what the teacher saw.
            signals: Logits of all classes, ``(batch, tokens, vocab)`` or ``(batch, classes)``, computed or not yet, and
                the hidden states to keep.

        Raises:
            LimbeckError: The signals are not those that the settings ask for, or are not finite where they count.
            OSError: A shard cannot be written.
        """
        rows = rows_of(batch)
        if not isinstance(logits := signals.logits, Tensor | LinearLogits):
            raise LimbeckError(f"a store is written from dense logits; the teacher gives {type(logits).__name__}")
        if len(rows.unique()) != len(rows):
            raise LimbeckError(f"the batch has a row twice: {rows.tolist()}")
        mask = counted(batch, logits)
        description = self._describe(batch, logits, signals)
        fresh = torch.tensor([row not in self.done for row in rows.tolist()])
        mask = mask & fresh.to(mask.device).view(-1, *[1] * (mask.dim() - 1))
        lengths = counted_lengths(mask)[fresh]
        kept = kept_where(logits.detach(), mask, rows[fresh], lengths, description.keep, self.settings)
        hashes = row_hashes(batch, description.seen)[fresh]
        entries = torch.stack([part.sum() for part in kept.counts.split(lengths.tolist())]) if len(lengths) else lengths
        tensors = {
            "rows": rows[fresh],
            "hashes": hashes,
            "positions": lengths,
            "entries": entries,
            "counts": kept.counts.int(),
            "log_probs": kept.log_probs,
        }
        if kept.ids is not None:
            tensors["ids"] = kept.ids
        where = {"position": mask, "row": fresh.to(mask.device)}
        if "token" in self.settings.hidden.values():
            tokens = attended(batch).to(mask.device) & where["row"].unsqueeze(1)
            where["token"], tensors["tokens"] = tokens, counted_lengths(tokens)[fresh]
        for name, per in self.settings.hidden.items():
            value = signals.hidden[name].detach()
            tensors[f"hidden.{name}"] = value[where[per].to(value.device)].to("cpu", torch.float16)
        self._hold(tensors, description)

    def finish(self) -> Manifest | None:
        """Write the last shard, and say that this part is complete.

        Returns:
            The manifest of the whole store; None while other parts are not complete.

        Raises:
            LimbeckError: Parts contradict one another.
            OSError: A file cannot be written.
        """
        self._write_shard()
        if not self.part.complete:
            self.part = Part(self.part.process, self.part.processes, True, self.part.description, self.part.shards)
            self.part.write(self.folder)
        parts = read_parts(self.folder)
        whole = len(parts) == self.part.processes and all(part.complete for part in parts)
        return merge(self.folder) if whole else None

    def close(self) -> None:
        """Let others write; what is not in a complete shard is forgotten."""
        shutil.rmtree(self.unfinished, ignore_errors=True)
        Path(self.lock.lock_file).unlink(missing_ok=True)
        self.lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _go_on(self) -> None:
        """Find what is there already, and remove what a kill left unfinished."""
        process = self.part.process
        shutil.rmtree(self.unfinished, ignore_errors=True)
        for path in self.folder.glob(f".{self.path.name}.*"):
            path.unlink()
        for part in read_parts(self.folder):
            if part.processes != self.part.processes:
                told = f"the store has {part.processes}, {self.part.processes} were asked for"
                raise LimbeckError(f"{self.folder}: processes: {told}")
            if part.description is not None:
                refuse_difference(self.folder, asdict(part.description), self.known, "was asked for")
        if self.path.exists():
            self.part = read_part(self.path)
        listed = {shard.file for shard in self.part.shards}
        for path in sorted(self.folder.glob(shard_name(process, 0).replace("-00000.", "-*."))):
            # A kill between a shard and the part that names it.
            if path.name not in listed and self.part.description is not None:
                self.part = with_shard(self.part, describe_shard(path), self.part.description)
        self.done: dict[int, int] = {}
        for shard in self.part.shards:
            table = read_shard(self.folder / shard.file)
            self.done.update(zip(table["rows"].tolist(), table["hashes"].tolist(), strict=True))
        self.held: list[dict[str, Tensor]] = []
        self.size = 0

    def _describe(self, batch: Batch, logits: Tensor | LinearLogits, signals: Signals) -> Description:
        """What the store has to say of itself; written before the first shard, and the same for every batch."""
        for name in self.settings.hidden:
            if name not in signals.hidden:
                raise LimbeckError(f"hidden: the teacher gives no {name!r}; {near_matches(name, signals.hidden)}")
        unit: Per = "position" if "mask" in batch else "row"
        shapes = {
            name: list(signals.hidden[name].shape[1 if per == "row" else 2 :])
            for name, per in self.settings.hidden.items()
        }
        for name, per in self.settings.hidden.items():
            if per == "row":
                continue
            lead = tuple(logits.shape[:-1] if per == "position" else attended(batch).shape)
            if len(lead) != 2 or signals.hidden[name].shape[:2] != lead:
                told = f"got {tuple(signals.hidden[name].shape)}, expected {lead} first"
                raise LimbeckError(f"hidden {name!r} is not kept a {per}: {told}")
        values: dict[str, Any] = {
            **self.known,
            "keep": self.settings.keep_of(unit),
            "vocab_size": logits.shape[-1],
            "counted": unit,
            "seen": list(seen_keys(batch, self.settings.seen)),
            "hidden": shapes,
        }
        found = Description(**values)
        if self.part.description is None:
            self.part = Part(self.part.process, self.part.processes, False, found, self.part.shards)
            self.part.write(self.folder)
        elif found != self.part.description:
            refuse_difference(self.folder, asdict(self.part.description), asdict(found), "a batch has")
        return found

    def _hold(self, tensors: dict[str, Tensor], description: Description) -> None:
        if not len(tensors["rows"]):
            return
        self.held.append(tensors)
        self.done.update(zip(tensors["rows"].tolist(), tensors["hashes"].tolist(), strict=True))
        self.size += sum(value.nbytes for value in tensors.values())
        if self.size >= self.settings.shard_megabytes * 1e6:
            self._write_shard()

    def _write_shard(self) -> None:
        if not self.held:
            return
        assert self.part.description is not None
        tensors = {name: torch.cat([one[name] for one in self.held]) for name in self.held[0]}
        for name in {"positions", "entries", "tokens"} & tensors.keys():
            tensors[name] = torch.nn.functional.pad(tensors[name].cumsum(0), (1, 0))
        if self.part.description.keep in ("full", "top-k"):
            # As many everywhere: what the description says is enough.
            del tensors["counts"]
        path = self.folder / shard_name(self.part.process, len(self.part.shards))
        (self.folder / MANIFEST).unlink(missing_ok=True)
        # What a kill leaves of a file must not be mixed up with what another process is writing.
        self.unfinished.mkdir(exist_ok=True)
        write_tensors(self.unfinished / path.name, tensors)
        (self.unfinished / path.name).replace(path)
        sync(self.folder)
        self.part = with_shard(self.part, describe_shard(path), self.part.description)
        self.part.write(self.folder)
        self.held, self.size = [], 0
