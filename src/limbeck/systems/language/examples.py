"""Sequences of ids as what a language model is trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from limbeck.distill.batches import Collator, ExampleLoader
from limbeck.distill.examples import Example, next_tokens
from limbeck.world.language.vocabulary import Vocabulary


def all_words(sequences: Iterable[Sequence[int]]) -> list[Example]:
    """Several sequences."""
    return [next_tokens(ids) for ids in sequences]


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
