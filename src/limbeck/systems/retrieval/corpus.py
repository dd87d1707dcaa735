"""Documents, queries and relevance out of the world: what a scene's caption says, asked for in other words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from limbeck.data.batching import pad_ids
from limbeck.world import Scenes, World
from limbeck.world.language import vocabulary

Ints = NDArray[np.int64]
_STOP_WORDS = "a an the two three his her is are there very who with and while at of on in to near under behind around"
STOP_WORDS = frozenset(_STOP_WORDS.split())
WORDS = len(vocabulary())
TOKENS = 2 * WORDS
"""Every word has a synonym, ``WORDS`` above it, that stands in queries only."""
PAD = vocabulary().pad


@dataclass(frozen=True, eq=False)
class Queries:
    """Queries, each with candidates of which the first is labelled as relevant.

    Args:
        words: ``(queries, words)``, padded.
        candidates: Numbers of documents, ``(queries, candidates)``.
        grades: True relevance of each, from 0 to 3, ``(queries, candidates)``.
    """

    words: Int[Tensor, "queries words"]
    candidates: Int[Tensor, "queries candidates"]
    grades: Int[Tensor, "queries candidates"]

    def __len__(self) -> int:
        return len(self.words)


@dataclass(frozen=True, eq=False)
class Corpus:
    """Captions of scenes without words such as *the* and *near*.

    Args:
        split: Of the world.
        count: How many documents.
    """

    split: str
    count: int

    @cached_property
    def words(self) -> list[list[int]]:
        """Each document's words."""
        sentences = [re.findall(r"[a-z]+", caption.lower()) for caption in self._scenes.captions("en")]
        ids = vocabulary()
        return [ids.encode(word for word in sentence if word not in STOP_WORDS) for sentence in sentences]

    @cached_property
    def documents(self) -> Int[Tensor, "documents words"]:
        """The same, padded."""
        return pad_ids(self.words, PAD)[0]

    def grade(self, source: int, others: Ints) -> Ints:
        """How relevant documents are to a query that was made of one.

        Returns:
            3 for the document itself, 2 where at least two nouns of the scenes are the same, 1 where one is and it is
            not the actor, else 0.
        """
        nouns = self._nouns[others]
        same = ((nouns[:, :, None] == self._nouns[source]) & (nouns[:, :, None] >= 0)).any(axis=2)
        grades = np.where(same.sum(axis=1) >= 2, 2, same[:, 1:].any(axis=1).astype(np.int64))
        return np.where(others == source, 3, grades)

    def queries(self, count: int, *, seed: int, related: int, others: int, wrong: float = 0.0) -> Queries:
        """Paraphrases of documents: some words left out, most replaced by their synonyms, in any order.

        No document is twice among the candidates of a query.

        Args:
            count: How many.
            seed: Decides all.
            related: Candidates that share a noun with the document.
            others: Candidates drawn from all documents.
            wrong: Share of queries where a related document is labelled in place of the right one, which is then not
                among the candidates.

        Raises:
            ValueError: There are too few documents.
        """
        random = np.random.default_rng([seed, count, self._scenes.split.stream])
        words, candidates, grades = [], [], []
        for source in random.integers(0, self.count, count).tolist():
            kept = [word for word in self.words[source] if random.random() > 0.25] or self.words[source][:1]
            order = random.permutation(len(kept))
            words.append([kept[at] + (WORDS if random.random() < 0.7 else 0) for at in order])
            near, labelled = self._related(source, related + 1, random), source
            if random.random() < wrong:
                labelled = near.pop()
            row = np.array([labelled, *near[:related]])
            row = np.append(row, random.choice(self._without([source, *row]), others, replace=False))
            candidates.append(row)
            grades.append(self.grade(source, row))
        return Queries(pad_ids(words, PAD)[0], torch.tensor(np.stack(candidates)), torch.tensor(np.stack(grades)))

    @cached_property
    def _scenes(self) -> Scenes:
        return World(seed=0, ambiguous_share=0.0).scenes(self.split, count=self.count)

    @cached_property
    def _nouns(self) -> Ints:
        """Actor, second, object and place."""
        return np.asarray(self._scenes.facts.kind[:, :4])

    @cached_property
    def _with_noun(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for document, row in enumerate(self._nouns[:, 1:].tolist()):
            for noun in row:
                if noun >= 0:
                    found.setdefault(noun, []).append(document)
        return found

    def _related(self, source: int, count: int, random: np.random.Generator) -> list[int]:
        """Different documents with a noun of this one, and any others where too few have one."""
        nouns = {noun for noun in self._nouns[source, 1:].tolist() if noun >= 0}
        alike = sorted({document for noun in nouns for document in self._with_noun[noun]} - {source})
        drawn = random.permutation(np.array(alike, dtype=np.int64))[:count].tolist()
        return drawn + random.choice(self._without([source, *drawn]), count - len(drawn), replace=False).tolist()

    def _without(self, documents: Sequence[int]) -> Ints:
        return np.delete(np.arange(self.count), documents)
