"""Sequences of ids as what a language model is trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from limbeck.batch import IGNORED
from limbeck.distill.batches import Collator, ExampleLoader
from limbeck.distill.examples import Example
from limbeck.world.language.vocabulary import Vocabulary


def next_words(ids: Sequence[int], *, prompt: int = 0) -> Example:
    """One sequence, of which every word after the first is learnt, or every word after the prompt.

    Args:
        ids: From start to end.
        prompt: How many of them are given, and not to be learnt.

    Example:
        >>> next_words([1, 7, 8, 2]).targets, next_words([1, 7, 8, 2], prompt=3).targets
        ([7, 8, 2, -100], [-100, -100, 2, -100])
    """
    ids = list(ids)
    targets = [IGNORED] * max(0, prompt - 1) + ids[max(1, prompt) :] + [IGNORED]
    return Example(ids, targets, prompt=prompt)


def all_words(sequences: Iterable[Sequence[int]]) -> list[Example]:
    """Several sequences."""
    return [next_words(ids) for ids in sequences]


@dataclass(frozen=True, eq=False)
class Splits:
    """What arms are trained on, chosen by and judged by.

    Args:
        train: Learnt from.
        val: For whatever is chosen.
        test: Looked at when all is trained.
        vocabulary: The words.
    """

    train: list[Example]
    val: list[Example]
    test: list[Example]
    vocabulary: Vocabulary

    def loader(self, examples: Sequence[Example], batch_size: int) -> ExampleLoader:
        """Batches of examples of like length."""
        return ExampleLoader(examples, Collator("causal-lm", self.vocabulary.pad), batch_size)
