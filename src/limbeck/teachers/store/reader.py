"""A teacher that is read from disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from limbeck.batch import Batch
from limbeck.errors import LimbeckError, near_matches
from limbeck.files import sha256_of
from limbeck.signals import Signals, SparseLogits
from limbeck.teachers.store.batches import attended, counted_lengths, rows_of
from limbeck.teachers.store.fingerprints import Tokenizer, template_fingerprint, tokenizer_fingerprint
from limbeck.teachers.store.manifest import read_manifest, read_shard, refuse_difference
from limbeck.teachers.store.seen import row_hashes
from limbeck.teachers.store.settings import Per

_SIGNED = {torch.uint16: (torch.int16, 0xFFFF)}


class StoredTeacher:
    """A teacher whose outputs were written by :class:`~limbeck.teachers.store.writer.StoreWriter`.

    Rows are found by their numbers, in whatever order and company they come. Shards are mapped into memory: of a store
    larger than the memory only what the batches need is read.

    Its signals have sparse logits over the axes of ``batch["mask"]``, with unused slots where the mask is false; or, of
    a store that keeps all classes, dense log-probabilities, which are 0 there.

    Args:
        folder: The store.
        hidden: Names of the hidden states to give; by default all that the store has.
        check_rows: Whether each row is compared with what the teacher saw.
        verify: Whether every file is read and compared with the manifest now.

    Raises:
        LimbeckError: There is no store, it is not finished, its format is not known, a file is absent or damaged, or a
            hidden state was not kept.
    """

    def __init__(
        self,
        folder: str | Path,
        hidden: Sequence[str] | None = None,
        *,
        check_rows: bool = True,
        verify: bool = False,
    ) -> None:
        self.folder = Path(folder)
        self.manifest = read_manifest(self.folder)
        self.description = self.manifest.description
        self.hidden = tuple(self.description.hidden if hidden is None else hidden)
        self.check_rows = check_rows
        for name in self.hidden:
            if name not in self.description.hidden:
                told = near_matches(name, self.description.hidden)
                raise LimbeckError(f"{self.folder}: hidden: the store has no {name!r}; {told}")
        for shard in self.manifest.shards:
            path = self.folder / shard.file
            if not path.exists():
                raise LimbeckError(f"{path}: is absent")
            if (size := path.stat().st_size) != shard.bytes:
                raise LimbeckError(f"{path}: is truncated or changed: {size} bytes, was written with {shard.bytes}")
            if verify and sha256_of(path) != shard.sha256:
                raise LimbeckError(f"{path}: is damaged: it has not the bytes that were written")
        self._shards: dict[int, dict[str, Tensor]] = {}

    def __len__(self) -> int:
        return self.manifest.rows

    def check(
        self,
        *,
        teacher_fingerprint: str | None = None,
        tokenizer: Tokenizer | str | None = None,
        template: str | None = None,
        vocab_size: int | None = None,
        rows: int | None = None,
        data: str | None = None,
    ) -> None:
        """Refuse a store that was written for something else; what is not given is not checked.

        Args:
            teacher_fingerprint: What the teacher should be known by.
            tokenizer: The student's tokenizer, or its fingerprint.
            template: The text of the chat template.
            vocab_size: Classes of the student.
            rows: How many rows the data set has, numbered from 0.
            data: The data set's fingerprint.

        Raises:
            LimbeckError: One of them differs; the message names it, what the store has and what was asked for.
        """
        if tokenizer is not None and not isinstance(tokenizer, str):
            tokenizer = tokenizer_fingerprint(tokenizer)
        asked = {
            "teacher_fingerprint": teacher_fingerprint,
            "tokenizer": tokenizer,
            "template": None if template is None else template_fingerprint(template),
            "vocab_size": vocab_size,
            "data": data,
        }
        had = {**vars(self.description), "data": self.manifest.data_fingerprint}
        refuse_difference(self.folder, had, {k: value for k, value in asked.items() if value is not None}, "asked was")
        if rows is not None:
            missing = torch.ones(rows, dtype=torch.bool)
            missing[self._index.rows[self._index.rows < rows]] = False
            if missing.any():
                told = f"the store has {len(self)}, asked were {rows}; the first that is missing is"
                raise LimbeckError(f"{self.folder}: rows: {told} {int(missing.nonzero()[0])}")

    def __call__(self, batch: Batch) -> Signals:
        """What the teacher said about the batch's rows.

        Args:
            batch: With ``row``, with ``mask`` where the store has a distribution a position, and with what the teacher
                saw.

        Raises:
            LimbeckError: A row is not in the store, or is not what the teacher saw.
        """
        rows = rows_of(batch)
        device = batch["row"].device
        mask = self._mask(batch, len(rows))
        found = self._index.find(rows, self.folder)
        if self.check_rows:
            self.check_batch(batch)
        lengths = counted_lengths(mask)
        tokens = attended(batch).cpu() if self._by_token else torch.zeros(len(rows), 0, dtype=torch.bool)
        widths = counted_lengths(tokens)
        shards, inside = self._index.shard[found], self._index.place[found]
        # Where each row's positions begin among those of the batch, and its tokens.
        places, begins = lengths.cumsum(0) - lengths, widths.cumsum(0) - widths
        parts = []
        for number in shards.unique().tolist():
            here = (shards == number).nonzero().squeeze(-1)
            part = self._read(number, inside[here])
            if (wrong := (part.lengths != lengths[here]) | (part.widths != widths[here])).any():
                row = int(rows[here][wrong][0])
                raise LimbeckError(f"{self.folder}: row {row} has other counted positions than the teacher saw")
            at = {"position": ranges(places[here], lengths[here]), "token": ranges(begins[here], widths[here])}
            parts.append(({**at, "row": here}, part))
        logits: Tensor | SparseLogits
        if self.description.keep == "full":
            logits = _spread([(at["position"], part.log_probs) for at, part in parts], mask, 0.0).to(device)
        else:
            width = max([1, *(part.log_probs.shape[-1] for _, part in parts)])
            ids = _spread([(at["position"], part.ids) for at, part in parts], mask, 0, width)
            log_probs = _spread([(at["position"], part.log_probs) for at, part in parts], mask, -torch.inf, width)
            logits = SparseLogits(ids, log_probs, sampled=self.description.keep == "sample").to(device)
        where = {"position": mask, "token": tokens, "row": torch.ones(len(rows), dtype=torch.bool)}
        hidden = {}
        for name in self.hidden:
            per = self._per(name)
            values = [(at[per], part.hidden[name]) for at, part in parts]
            hidden[name] = _spread(values, where[per], 0.0).to(device)
        return Signals(logits=logits, hidden=hidden, mask=batch.get("mask"))

    def check_batch(self, batch: Batch) -> None:
        """Refuse rows that are not what the teacher saw, without reading what it said of them.

        Args:
            batch: As the store is called with.

        Raises:
            LimbeckError: A row is not in the store, or has changed; it is named.
        """
        rows = rows_of(batch)
        changed = self._index.hashes[self._index.find(rows, self.folder)] != row_hashes(batch, self.description.seen)
        if changed.any():
            row = int(rows[changed][0])
            raise LimbeckError(f"{self.folder}: row {row} of the data is not what the teacher saw; it has changed")

    def _per(self, name: str) -> Per:
        per: Per = self.description.settings["hidden"][name]
        return per

    @property
    def _by_token(self) -> bool:
        return any(self._per(name) == "token" for name in self.hidden)

    def _mask(self, batch: Batch, rows: int) -> Tensor:
        if self.description.counted == "row":
            return torch.ones(rows, dtype=torch.bool)
        if not isinstance(mask := batch.get("mask"), Tensor):
            raise LimbeckError(f"{self.folder}: has a distribution a position; the batch has no 'mask' that says where")
        return mask.cpu().bool()

    def _shard(self, number: int) -> dict[str, Tensor]:
        if number not in self._shards:
            self._shards[number] = read_shard(self.folder / self.manifest.shards[number].file)
        return self._shards[number]

    def _read(self, number: int, places: Tensor) -> _Rows:
        """Rows of one shard."""
        shard = self._shard(number)
        begins, lengths = shard["positions"][places], shard["positions"][places + 1] - shard["positions"][places]
        at = ranges(begins, lengths)
        ids: Tensor | None = None
        if "counts" in shard:
            counts = shard["counts"][at].long()
            first = shard["entries"][places]
            flat = ranges(first, shard["entries"][places + 1] - first)
            used = torch.arange(max(1, int(counts.max()) if len(counts) else 1)) < counts[:, None]
            log_probs = torch.full(used.shape, -torch.inf)
            log_probs[used] = shard["log_probs"][flat].float()
            ids = torch.zeros(used.shape, dtype=torch.long)
            ids[used] = _longs(shard["ids"], flat)
        else:
            width = len(shard["log_probs"]) // max(int(shard["positions"][-1]), 1)
            log_probs = shard["log_probs"].view(-1, max(width, 1))[at].float()
            if "ids" in shard:
                ids = _longs(shard["ids"].view(-1, max(width, 1)), at)
        if self.description.keep in ("full", "sample"):
            # They have all the mass; what rounding took away is no class that was left out.
            log_probs = log_probs.log_softmax(-1)
        widths = torch.zeros_like(lengths)
        lines = {"position": at, "row": places}
        if self._by_token:
            widths = shard["tokens"][places + 1] - shard["tokens"][places]
            lines["token"] = ranges(shard["tokens"][places], widths)
        hidden = {name: shard[f"hidden.{name}"][lines[self._per(name)]].float() for name in self.hidden}
        return _Rows(lengths, widths, torch.empty(0, 0, dtype=torch.long) if ids is None else ids, log_probs, hidden)

    @cached_property
    def _index(self) -> _Index:
        return _Index.of([self._shard(number) for number in range(len(self.manifest.shards))])


@dataclass(frozen=True)
class _Rows:
    """What was read of some rows of one shard: a line a counted position, a token or a row."""

    lengths: Tensor
    widths: Tensor
    ids: Tensor
    log_probs: Tensor
    hidden: dict[str, Tensor]


@dataclass(frozen=True)
class _Index:
    """Where each row is: sorted by number."""

    rows: Int[Tensor, " rows"]
    hashes: Int[Tensor, " rows"]
    shard: Int[Tensor, " rows"]
    place: Int[Tensor, " rows"]

    @classmethod
    def of(cls, shards: Sequence[dict[str, Tensor]]) -> _Index:
        rows, hashes = (torch.cat([shard[name] for shard in shards]) for name in ("rows", "hashes"))
        sizes = torch.tensor([len(shard["rows"]) for shard in shards])
        order = rows.argsort()
        number = torch.arange(len(shards)).repeat_interleave(sizes)
        return cls(rows[order], hashes[order], number[order], ranges(torch.zeros_like(sizes), sizes)[order])

    def find(self, rows: Tensor, folder: Path) -> Tensor:
        """Where in the index rows are."""
        at = torch.searchsorted(self.rows, rows).clamp(max=len(self.rows) - 1)
        if (missing := self.rows[at] != rows).any():
            told = f"it has {len(self.rows)}, numbered {int(self.rows[0])} to {int(self.rows[-1])}"
            raise LimbeckError(f"{folder}: row {int(rows[missing][0])} is not in the store ({told})")
        return at


def ranges(starts: Int[Tensor, " n"], lengths: Int[Tensor, " n"]) -> Int[Tensor, " total"]:
    """Several ranges of numbers, one after another.

    Example:
        >>> ranges(torch.tensor([10, 0]), torch.tensor([2, 3])).tolist()
        [10, 11, 0, 1, 2]
    """
    offsets = (starts - (lengths.cumsum(0) - lengths)).repeat_interleave(lengths)
    return offsets + torch.arange(len(offsets))


def _longs(values: Tensor, at: Tensor) -> Tensor:
    """Unsigned 16-bit numbers are not indexed everywhere; their bits are."""
    if values.dtype in _SIGNED:
        signed, bits = _SIGNED[values.dtype]
        return values.view(signed)[at].long() & bits
    return values[at].long()


def _spread(parts: Sequence[tuple[Tensor, Tensor]], mask: Tensor, empty: float, width: int | None = None) -> Tensor:
    """Lines of several shards to where they belong: in the batch's order, and there where the mask is true."""
    like = parts[0][1]
    shape = like.shape[1:] if width is None else (width,)
    lines = like.new_full((int(mask.sum()), *shape), empty)
    for at, values in parts:
        if width is None:
            lines[at] = values
        else:
            lines[at, : values.shape[1]] = values
    spread = like.new_full((*mask.shape, *shape), empty)
    spread[mask] = lines
    return spread
