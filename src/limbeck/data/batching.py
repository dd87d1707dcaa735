"""Batches of sentences of like length, bounded by their padded tokens; and the padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Sampler

from limbeck.errors import LimbeckError


class TokenBatchSampler(Sampler[list[int]]):
    """Batches of sentences of like length, none of more than ``max_tokens`` tokens once padded.

    In each epoch the sentences are shuffled, cut into pools, sorted by length within each pool, filled into batches,
    and the batches are shuffled. The order depends on (seed, epoch) alone. The number of batches may differ a little
    from epoch to epoch.

    Args:
        lengths: One length a sentence, ``(sentences,)``; or several (source and target), ``(sentences, sides)``.
        max_tokens: The most that ``sentences x longest side of the batch`` may be.
        seed: Seed of the order.
        shuffle: Off: one pool of all sentences, and batches from short to long; the same in each epoch.
        pool: Sentences that are sorted together; the fewer, the more random are the batches and the more is padded.
        max_sentences: The most sentences of a batch.
        drop_long: Leave sentences of more than ``max_tokens`` out rather than refuse them; ``dropped`` tells which.
        rank: Which process this is; of every ``world`` batches each process gets one. ``fit`` shares batches out by
            itself, so it is given the sampler as it is.
        world: How many processes there are; all get equally many batches.

    Raises:
        LimbeckError: A sentence is longer than ``max_tokens``, or the lengths are not what they should be.

    Example:
        >>> sampler = TokenBatchSampler([3, 9, 4, 2, 8], max_tokens=18, seed=0, shuffle=False)
        >>> list(sampler)
        [[3, 0, 2], [4, 1]]
    """

    def __init__(
        self,
        lengths: Sequence[int] | Sequence[Sequence[int]] | NDArray[np.integer],
        max_tokens: int,
        *,
        seed: int = 0,
        shuffle: bool = True,
        pool: int = 8192,
        max_sentences: int | None = None,
        drop_long: bool = False,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        sides = np.asarray(lengths)
        if sides.ndim not in (1, 2) or not np.issubdtype(sides.dtype, np.integer) or not sides.size:
            raise LimbeckError(f"lengths: got shape {sides.shape} of {sides.dtype}, expected integers, at least one")
        least = {"max_tokens": max_tokens, "pool": pool, "max_sentences": max_sentences or 1, "world": world}
        for name, value in least.items():
            if value < 1:
                raise LimbeckError(f"{name}: got {value}, expected at least 1")
        if not 0 <= rank < world:
            raise LimbeckError(f"rank: got {rank}, expected 0 to {world - 1}")
        sides = sides.reshape(len(sides), -1)
        self.longest: NDArray[np.integer] = sides.max(axis=1)
        self.total: NDArray[np.integer] = sides.sum(axis=1)
        self.dropped = [int(index) for index in np.flatnonzero(self.longest > max_tokens)]
        if self.dropped and not drop_long:
            index = self.dropped[0]
            raise LimbeckError(
                f"sentence {index} has {self.longest[index]} tokens, and a batch holds {max_tokens} at most "
                f"({len(self.dropped)} such in all); raise max_tokens, or leave them out with drop_long=True"
            )
        self.max_tokens, self.max_sentences, self.pool = max_tokens, max_sentences, pool
        self.seed, self.shuffle, self.rank, self.world = seed, shuffle, rank, world
        self.epoch = 0
        self._batches: tuple[int, list[list[int]]] | None = None

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self._share())

    def __len__(self) -> int:
        return len(self._share())

    def _share(self) -> list[list[int]]:
        if self._batches is None or self._batches[0] != self.epoch:
            batches = self._all_batches()
            whole = len(batches) - len(batches) % self.world
            self._batches = (self.epoch, batches[self.rank : whole : self.world])
        return self._batches[1]

    def _all_batches(self) -> list[list[int]]:
        kept = np.flatnonzero(self.longest <= self.max_tokens)
        if not self.shuffle:
            return self._filled(kept)
        random = np.random.default_rng([self.seed, self.epoch])
        order = random.permutation(kept)
        batches = [
            batch
            for start in range(0, len(order), self.pool)
            for batch in self._filled(order[start : start + self.pool])
        ]
        return [batches[index] for index in random.permutation(len(batches))]

    def _filled(self, pool: NDArray[np.integer]) -> list[list[int]]:
        """Sort by length, and cut where one sentence more would be too much."""
        ordered = pool[np.lexsort((self.total[pool], self.longest[pool]))]
        limit = self.max_sentences or len(ordered)
        batches: list[list[int]] = []
        batch: list[int] = []
        for index, length in zip(ordered.tolist(), self.longest[ordered].tolist(), strict=True):
            # Sorted from short to long, the newest sentence is the longest of its batch.
            if batch and (length * (len(batch) + 1) > self.max_tokens or len(batch) == limit):
                batches.append(batch)
                batch = []
            batch.append(index)
        return [*batches, batch] if batch else batches


def pad_ids(
    rows: Sequence[Sequence[int]], pad: int, *, side: Literal["left", "right"] = "right"
) -> tuple[Int[Tensor, "sentences tokens"], Bool[Tensor, "sentences tokens"]]:
    """Put lists of ids into one tensor.

    Args:
        rows: Ids of each sentence.
        pad: The id that fills the rest.
        side: Where the filling goes: ``"right"`` for encoders and training, ``"left"`` for generation by decoders.

    Returns:
        The ids, and where they are real; the mask does not depend on ``pad``, which may be a real id, too.

    Example:
        >>> ids, mask = pad_ids([[5, 6, 7], [8]], pad=0, side="left")
        >>> ids.tolist(), mask.tolist()
        ([[5, 6, 7], [0, 0, 8]], [[True, True, True], [False, False, True]])
    """
    lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
    width = int(lengths.max()) if len(rows) else 0
    mask = torch.arange(width) < lengths[:, None]
    if side == "left":
        mask = mask.flip(1)
    ids = torch.full((len(rows), width), pad, dtype=torch.int64)
    ids[mask] = torch.tensor([token for row in rows for token in row], dtype=torch.int64)
    return ids, mask
