"""Questions as prompts and answers as what is learnt; and noise in what is learnt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from limbeck.distill.examples import Example, next_tokens
from limbeck.world.language import Language, Vocabulary
from limbeck.world.language.vocabulary import may_be_several, spoken_nouns
from limbeck.world.lexicon import lexicon
from limbeck.world.streams import hashed

_SPECIAL = 3


def answers(language: Language, sequences: Sequence[Sequence[int]]) -> list[Example]:
    """Texts with a question mark, of which what comes after it is learnt."""
    mark = language.vocabulary.ids["?"]
    return [next_tokens(ids, prompt=list(ids).index(mark) + 1) for ids in sequences]


def with_noise(examples: Sequence[Example], share: float, vocabulary: Vocabulary, *, seed: int = 0) -> list[Example]:
    """Some of the words that are learnt, but for the end, replaced by any words.

    Args:
        examples: With prompts.
        share: Of the words.
        vocabulary: What words are drawn from.
        seed: Which and by what depends on it, on the row and on the place alone.
    """
    found = []
    for row, example in enumerate(examples):
        ids = list(example.input_ids)
        drawn = hashed(seed, 3000, row, np.arange(2 * len(ids))).reshape(2, -1)
        for at in range(example.prompt, len(ids) - 1):
            if int(drawn[0, at]) < share * 2**64:
                ids[at] = _SPECIAL + int(drawn[1, at]) % (len(vocabulary) - _SPECIAL)
        found.append(next_tokens(ids, prompt=example.prompt))
    return found


def span_words(vocabulary: Vocabulary) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The words of noun phrases, and those of them that begin one."""
    begins = ("a", "an", "the", "his", "her")
    inside = {"two", "three", *(adjective.english for adjective in lexicon().adjectives)}
    for noun in spoken_nouns():
        inside |= {noun.english.singular} | ({noun.english.plural} if may_be_several(noun) else set())
    return tuple(sorted(vocabulary.encode({*begins, *inside}))), tuple(vocabulary.encode(begins))
