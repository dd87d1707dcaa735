"""The words of the world in English, German and French."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from limbeck.world.lexicon.adjectives import ADJECTIVES
from limbeck.world.lexicon.ambiguous import BY_FIGURE, BY_SETTING
from limbeck.world.lexicon.entries import LANGUAGES, Adjective, Language, Noun, Verb, language_of
from limbeck.world.lexicon.nouns import NEUTRAL_NOUNS, SETTING_NOUNS
from limbeck.world.lexicon.verbs import VERBS

__all__ = ["LANGUAGES", "Adjective", "Language", "Lexicon", "Noun", "Sense", "Verb", "language_of", "lexicon"]


@dataclass(frozen=True)
class Sense:
    """One sense of an ambiguous English word.

    Args:
        word: The English surface, singular, or plural where it has no singular.
        name: The sense (``animal``).
        decided_by: The setting, or the figure (``man``, ``woman``), that decides for this sense.
        kind: Index of the noun in `Lexicon.nouns`.
    """

    word: str
    name: str
    decided_by: str
    kind: int


@dataclass(frozen=True)
class Lexicon:
    """All words: nouns by kind id, verbs and adjectives by id, and the senses of the ambiguous words."""

    nouns: tuple[Noun, ...]
    verbs: tuple[Verb, ...]
    adjectives: tuple[Adjective, ...]
    senses: tuple[Sense, ...]

    @cached_property
    def kind_id(self) -> dict[str, int]:
        """The id of each kind's name."""
        return {noun.kind: index for index, noun in enumerate(self.nouns)}

    def kinds(self, group: str) -> list[int]:
        """The ids of the nouns of a group."""
        return [index for index, noun in enumerate(self.nouns) if noun.group == group]

    def verb_ids(self, *groups: str) -> list[int]:
        """The ids of the verbs of some groups."""
        return [index for index, verb in enumerate(self.verbs) if verb.group in groups]

    def adjective_ids(self, *groups: str) -> list[int]:
        """The ids of the adjectives of some groups."""
        return [index for index, adjective in enumerate(self.adjectives) if adjective.group in groups]

    def senses_by_word(self, *, by_setting: bool | None = None) -> dict[str, list[Sense]]:
        """The senses of each ambiguous word; ``by_setting`` keeps the words a setting (or a figure) decides."""
        words: dict[str, list[Sense]] = defaultdict(list)
        for sense in self.senses:
            if by_setting is None or by_setting == (sense.decided_by in SETTING_NOUNS):
                words[sense.word].append(sense)
        return dict(words)

    def check(self) -> None:
        """Raise if the words contradict one another.

        Raises:
            ValueError: Two nouns share a kind, or a noun outside an ambiguous word has a form of one of its
                translations, so that a translation could no longer be judged by the forms in it.
        """
        if len(self.kind_id) != len(self.nouns):
            raise ValueError("two nouns of the lexicon have the same kind")
        owner = {self.nouns[sense.kind].kind: sense.word for sense in self.senses}
        for language in LANGUAGES:
            claimed = {form: sense.word for sense in self.senses for form in self.nouns[sense.kind].forms(language)}
            for noun in self.nouns:
                for form in noun.forms(language):
                    if form in claimed and owner.get(noun.kind) != claimed[form]:
                        raise ValueError(f"{language} {form!r} is both {noun.kind!r} and {claimed[form]!r}")


def _lines(block: str) -> Iterator[str]:
    return (line for line in block.strip().splitlines() if line.strip())


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """Read and check all words; the same object each time.

    Example:
        >>> words = lexicon()
        >>> words.nouns[words.kind_id["bat:animal"]].german.plural
        'Fledermäuse'
    """
    nouns = [
        Noun.parse(None, group, line)
        for groups in (SETTING_NOUNS, NEUTRAL_NOUNS)
        for group, block in groups.items()
        for line in _lines(block)
    ]
    senses = []
    for block, group in ((BY_SETTING, None), (BY_FIGURE, "profession")):
        for line in _lines(block):
            head, rest = line.split("|", 1)
            kind, decided_by = head.split()
            noun = Noun.parse(kind, group or f"sense in {decided_by}", rest)
            word = noun.english.plural if noun.english.plural_only else noun.english.singular
            senses.append(Sense(word, kind.split(":")[1], decided_by, len(nouns)))
            nouns.append(noun)
    words = Lexicon(
        tuple(nouns),
        tuple(Verb.parse(group, line) for group, block in VERBS.items() for line in _lines(block)),
        tuple(Adjective.parse(group, line) for group, block in ADJECTIVES.items() for line in _lines(block)),
        tuple(senses),
    )
    words.check()
    return words
