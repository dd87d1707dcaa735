"""Words that the picture settles: how a translation of one is judged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from limbeck.world.lexicon import LANGUAGES, Language, Sense, lexicon

_TOKEN = re.compile(r"[^\W_]+(?:-[^\W_]+)*")


@dataclass(frozen=True)
class AmbiguousItem:
    """An ambiguous word in a sentence, and the forms by which a translation of it is judged.

    Args:
        word: The English surface, e.g. ``bat``.
        sense: The sense in this scene, e.g. ``animal``.
        decided_by: The setting, or the figure (``man``, ``woman``), that decides.
        expected: For each language, all inflected forms of the right sense, in lower case.
        rejected: For each language, the forms of the other senses that are not expected; empty where the language has
            one word for all of them.

    Example:
        >>> from limbeck.world import World
        >>> item = World(ambiguous_words=("bat",)).scenes("ambiguous", count=1).ambiguous[0]
        >>> item.word, item.is_right("Eine Fledermaus.", "de") == (item.sense == "animal")
        ('bat', True)
    """

    word: str
    sense: str
    decided_by: str
    expected: dict[Language, tuple[str, ...]]
    rejected: dict[Language, tuple[str, ...]]

    def is_right(self, hypothesis: str, language: Language) -> bool:
        """Whether a hypothesis has an expected form as a word of its own, and no rejected form."""
        tokens = set(_TOKEN.findall(hypothesis.lower()))
        return not tokens.isdisjoint(self.expected[language]) and tokens.isdisjoint(self.rejected[language])


class AmbiguityRow(NamedTuple):
    """One ambiguous word in a language.

    Args:
        word: The English surface.
        senses: Its senses.
        translations: The translation of each sense.
        share_settled_by_text: Share of generated sentences with the word in which some other word tells the sense.
        train_count: How many of the first sentences of ``train`` have the word.
    """

    word: str
    senses: tuple[str, ...]
    translations: tuple[str, ...]
    share_settled_by_text: float
    train_count: int


def item_of(sense: Sense) -> AmbiguousItem:
    """The item of a sense: what is expected, and what its rivals would be."""
    words = lexicon()
    rivals = [one for one in words.senses_by_word()[sense.word] if one != sense]
    expected = {language: words.nouns[sense.kind].forms(language) for language in LANGUAGES}
    rejected = {
        language: tuple(
            form
            for rival in rivals
            for form in words.nouns[rival.kind].forms(language)
            if form not in expected[language]
        )
        for language in LANGUAGES
    }
    return AmbiguousItem(sense.word, sense.name, sense.decided_by, expected, rejected)
