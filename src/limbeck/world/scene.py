"""What happens in a scene: the facts of a whole batch, before any modality shows them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np

from limbeck.world.lexicon import lexicon
from limbeck.world.lexicon.nouns import SETTING_NOUNS
from limbeck.world.streams import Bools, Floats, Ints, hashed

SETTINGS = tuple(SETTING_NOUNS)


class Role(IntEnum):
    """The places of a scene that a noun can fill; columns of the arrays in `Facts`."""

    ACTOR = 0
    SECOND = 1  # the actor's garment, animal or burden, or a second actor: see `Frame`
    OBJECT = 2
    PLACE = 3
    DECOR = 4  # drawn, never told


class Frame(IntEnum):
    """The shapes of sentences."""

    PLAIN = 0  # Two tall women are painting a red boat near the tower.
    REST = 1  # Three happy boys are sitting on a wooden stool.
    MOVE = 2  # An old man is running around the statue.
    GARMENT = 3  # The man with the red hat holds a crane.
    THERE = 4  # There is a big bat behind the waterfall.
    FRONTED = 5  # Behind the waterfall, a young girl is drawing a bat.
    RELATIVE = 6  # The woman who holds an umbrella looks at the bat near the waterfall.
    PREDICATE = 7  # The bat next to the waterfall is very old.
    COMPANION = 8  # A boy and his dog are waiting behind the fence.
    WHILE = 9  # A girl is dancing while a boy is painting the bat near the waterfall.


PREPOSITIONS = ("near", "next to", "behind", "in front of", "on", "under", "to", "around")


@dataclass(frozen=True)
class Facts:
    """The facts of a batch of scenes.

    Args:
        setting: Index into `SETTINGS`. Shape ``(count,)``.
        frame: A `Frame`. Shape ``(count,)``.
        verb: The verb on the object, or the only verb; -1 for none. Shape ``(count,)``.
        second_verb: What the relative clause or the first half of *while* says; -1 for none. Shape ``(count,)``.
        progressive: Whether English says *is painting*. Shape ``(count,)``.
        preposition: Index into `PREPOSITIONS`, -1 without a place. Shape ``(count,)``.
        sense: Index into `Lexicon.senses` of the ambiguous item, or -1. Shape ``(count,)``.
        kind: Kind ids by `Role`, -1 for none. Shape ``(count, 5)``.
        number: How many of each, 1 to 3. Shape ``(count, 5)``.
        definite: Whether the noun has the definite article. Shape ``(count, 5)``.
        quality: Adjective ids, -1 for none. Shape ``(count, 5)``.
        colour: Ids of colours and materials, -1 for none told. Shape ``(count, 5)``.
    """

    setting: Ints
    frame: Ints
    verb: Ints
    second_verb: Ints
    progressive: Bools
    preposition: Ints
    sense: Ints
    kind: Ints
    number: Ints
    definite: Bools
    quality: Ints
    colour: Ints


@dataclass(frozen=True)
class ContextNouns:
    """The nouns each setting is known by, the frequent ones first.

    Args:
        kind: Kind ids. Shape ``(settings, nouns)``.
        familiar: Which may stand beside an ambiguous word outside the ``ambiguous`` split; the others stand beside one
            in that split alone. Shape ``(settings, nouns)``.
    """

    kind: Ints
    familiar: Bools

    @property
    def weights(self) -> Floats:
        """How often each occurs: a few are frequent, several rare. Shape ``(nouns,)``."""
        return 1.0 / np.arange(2, self.kind.shape[1] + 2, dtype=np.float64)


@lru_cache(maxsize=8)
def context_nouns(seed: int) -> ContextNouns:
    """Which context nouns are frequent and which familiar, drawn from the seed.

    Example:
        >>> nouns = context_nouns(0)
        >>> nouns.kind.shape, nouns.familiar.sum(axis=1).tolist()
        ((8, 14), [7, 7, 7, 7, 7, 7, 7, 7])
    """
    words = lexicon()
    kinds = np.array([words.kinds(setting) for setting in SETTINGS])
    order = np.argsort(hashed(seed, -1, kinds), axis=1)
    # Neighbours in frequency go to opposite sides, so that neither side is the rarer one.
    swap = hashed(seed, -2, np.arange(len(SETTINGS)))[:, None] % np.uint64(2)
    familiar = (np.arange(kinds.shape[1])[None].astype(np.uint64) + swap) % np.uint64(2) == 0
    return ContextNouns(np.take_along_axis(kinds, order, axis=1), familiar)
