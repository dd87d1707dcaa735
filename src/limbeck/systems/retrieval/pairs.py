"""Pairs of sentences that mean the same or nearly the same: synonyms, word order, the passive, negation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from limbeck.data.batching import pad_ids
from limbeck.world import World
from limbeck.world.lexicon import lexicon
from limbeck.world.scene import PREPOSITIONS

PAD, CLS, SEP, NOT, BY = range(5)
_NOUNS = BY + 1 + len(PREPOSITIONS)
_VERBS = _NOUNS + len(lexicon().nouns)
_WORDS = _VERBS + len(lexicon().verbs)
TOKENS = 2 * _WORDS
"""Nouns and verbs have a synonym each, ``_WORDS`` above them."""
# Some are easy, without which nothing is learnt of the others.
CHANGES = ("all", "all", "nouns", "actor", "object", "place", "verb", "negation", "roles")
"""What is changed in a pair that does not mean the same; drawn with equal chances."""


class Meaning(NamedTuple):
    """What a sentence says: who does what to what, where, or does not."""

    actor: int
    verb: int
    object: int
    preposition: int
    place: int
    negated: bool


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of sentences.

    Args:
        first: ``(pairs, words)``, padded.
        second: Likewise.
        labels: 1 where both are said to mean the same.
    """

    first: Int[Tensor, "pairs words"]
    second: Int[Tensor, "pairs words"]
    labels: Int[Tensor, " pairs"]

    def __len__(self) -> int:
        return len(self.labels)


def meanings(split: str, count: int, start: int = 0) -> list[Meaning]:
    """Meanings of scenes where somebody does something to a thing somewhere.

    Args:
        split: Of the world.
        count: How many.
        start: How many to leave out.
    """
    facts = World(seed=0, ambiguous_share=0.0).scenes(split, count=20 * (start + count) + 100).facts
    fit = (facts.kind[:, [0, 2, 3]] >= 0).all(axis=1) & (facts.verb >= 0) & (facts.preposition >= 0)
    rows = np.flatnonzero(fit)[start : start + count]
    assert len(rows) == count, "a twentieth of all scenes and more are so"
    columns = facts.kind[rows, 0], facts.verb[rows], facts.kind[rows, 2], facts.preposition[rows], facts.kind[rows, 3]
    negated = np.random.default_rng([start, count]).random(count) < 0.3
    return [Meaning(*row) for row in zip(*(column.tolist() for column in (*columns, negated)), strict=True)]


def say(meaning: Meaning, random: np.random.Generator) -> list[int]:
    """One way of saying it: active, with the place first, or in the passive; any words by their synonyms."""

    def word(number: int) -> int:
        return number + (_WORDS if random.random() < 0.5 else 0)

    actor, thing, place = (word(_NOUNS + noun) for noun in (meaning.actor, meaning.object, meaning.place))
    verb, where = word(_VERBS + meaning.verb), [BY + 1 + meaning.preposition, place]
    maybe_not = [NOT] if meaning.negated else []
    orders = (
        [actor, *maybe_not, verb, thing, *where],
        [*where, actor, *maybe_not, verb, thing],
        [thing, *maybe_not, verb, BY, actor, *where],
    )
    return orders[random.integers(len(orders))]


def changed(meaning: Meaning, what: str, random: np.random.Generator, others: list[Meaning]) -> Meaning:
    """Another meaning: that of another sentence, or one that differs in one respect.

    Args:
        meaning: From this.
        what: One of :data:`CHANGES`; ``"nouns"`` keeps verb and negation alone, ``"roles"`` exchanges the thing and the
            place.
        random: Draws what comes in its place.
        others: From where.
    """
    if what == "negation":
        return meaning._replace(negated=not meaning.negated)
    if what == "roles" and meaning.object != meaning.place:
        return meaning._replace(object=meaning.place, place=meaning.object)
    field = "object" if what == "roles" else what
    while True:
        other = others[random.integers(len(others))]
        if what == "nouns":
            other = other._replace(verb=meaning.verb, negated=meaning.negated)
        elif what != "all":
            other = meaning._replace(**{field: getattr(other, field)})
        if other != meaning:
            return other


def pairs(split: str, count: int, *, seed: int, start: int = 0, wrong: float = 0.0) -> Pairs:
    """Pairs, half of which mean the same.

    Args:
        split: Of the world.
        count: How many.
        seed: Decides how things are said and changed.
        start: How many scenes to leave out.
        wrong: Share of labels that are turned round.
    """
    random, known = np.random.default_rng([seed, start, count]), meanings(split, count, start)
    first, second, labels = [], [], []
    for meaning in known:
        same = random.random() < 0.5
        other = meaning if same else changed(meaning, str(random.choice(CHANGES)), random, known)
        first.append([CLS, *say(meaning, random)])
        second.append([CLS, *say(other, random)])
        labels.append(int(same) ^ int(random.random() < wrong))
    return Pairs(pad_ids(first, PAD)[0], pad_ids(second, PAD)[0], torch.tensor(labels))
