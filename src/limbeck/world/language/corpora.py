"""Corpora that are no language: noise that nobody can learn, and repetitions that anybody learns at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np

from limbeck.world.language.vocabulary import Vocabulary, vocabulary
from limbeck.world.splits import Split
from limbeck.world.streams import Draws, Ints, hashed

Filler = Literal["noise", "repetition"]
FILLERS: tuple[Filler, ...] = get_args(Filler)

_SPECIAL = 3
_STREAM = 2000


def noise(
    split: Split | str, start: int = 0, count: int = 1000, *, seed: int = 0, words: Vocabulary | None = None
) -> list[list[int]]:
    """Words drawn at random, 8 to 20 of them, between start and end.

    Args:
        split: ``train``, ``val`` or ``test``.
        start: Number of the first sequence.
        count: How many.
        seed: Each sequence depends on it, the split and its own number alone.
        words: What is drawn from.
    """
    words = words or vocabulary()
    index, lengths = _lengths(split, start, count, seed, _STREAM)
    drawn = hashed(seed, _STREAM, Split.of(split).stream, index[:, None], np.arange(lengths.max()))
    ids = _SPECIAL + (drawn % np.uint64(len(words) - _SPECIAL)).astype(np.int64)
    return [[words.start, *row[:length], words.end] for row, length in zip(ids.tolist(), lengths.tolist(), strict=True)]


def repetitions(
    split: Split | str, start: int = 0, count: int = 1000, *, seed: int = 0, words: Vocabulary | None = None
) -> list[list[int]]:
    """One word of the first eight, 8 to 20 times, between start and end.

    Args:
        split: ``train``, ``val`` or ``test``.
        start: Number of the first sequence.
        count: How many.
        seed: Each sequence depends on it, the split and its own number alone.
        words: What is drawn from.
    """
    words = words or vocabulary()
    index, lengths = _lengths(split, start, count, seed, _STREAM + 10)
    which = Draws(seed, _STREAM + 20 + Split.of(split).stream, index).pick(range(_SPECIAL, _SPECIAL + 8))
    return [
        [words.start, *[word] * length, words.end]
        for word, length in zip(which.tolist(), lengths.tolist(), strict=True)
    ]


def _lengths(split: Split | str, start: int, count: int, seed: int, stream: int) -> tuple[Ints, Ints]:
    index = np.arange(start, start + count)
    return index, Draws(seed, stream + Split.of(split).stream, index).pick(range(8, 21))


MAKE_FILLER: dict[Filler, Callable[..., list[list[int]]]] = {"noise": noise, "repetition": repetitions}
