"""Reading words: noun phrases, verbs and places, from left to right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from limbeck.world.grammar import NounPhrase
from limbeck.world.grammar.clause import Determiner
from limbeck.world.language.vocabulary import spoken_nouns
from limbeck.world.lexicon import Adjective, Noun, Verb, lexicon
from limbeck.world.scene import PREPOSITIONS, SETTINGS

_NUMBERS = {"two": 2, "three": 3}
_DETERMINERS: dict[str, Determiner] = {"a": "a", "an": "a", "the": "the", "his": "his", "her": "her"}
_PREPOSITIONS = tuple((name, tuple(name.split())) for name in PREPOSITIONS)


class Unreadable(Exception):
    """The words are no text of the language."""


class Reader:
    """A place in a sequence of words.

    It reads generously (*a apples* is a phrase to it); whoever has read a whole text writes it again and compares, so
    that all rules of agreement stand in the grammar that writes and nowhere else.

    Args:
        words: What is read.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words, self.at = words, 0

    def peek(self) -> str:
        """The next word; empty at the end."""
        return self.words[self.at] if self.at < len(self.words) else ""

    def take(self, *words: str) -> bool:
        """Go past these words if they come next."""
        if tuple(self.words[self.at : self.at + len(words)]) != words:
            return False
        self.at += len(words)
        return True

    def need(self, *words: str) -> None:
        """Go past these words.

        Raises:
            Unreadable: Others come next.
        """
        if not self.take(*words):
            raise Unreadable

    def next(self) -> str:
        """The next word, and past it."""
        word = self.peek()
        self.at += 1
        return word

    def end(self) -> None:
        """Be at the end.

        Raises:
            Unreadable: There is more.
        """
        if self.at != len(self.words):
            raise Unreadable

    def phrase(self) -> NounPhrase:
        """A noun phrase."""
        began, number = self.at, 1
        determiner: Determiner = "a"
        if self.peek() in _DETERMINERS:
            determiner = _DETERMINERS[self.next()]
        if self.peek() in _NUMBERS:
            number = _NUMBERS[self.next()]
        if self.at == began:
            raise Unreadable
        quality = self.adjective("any", "thing", "adult", "person")
        colour = self.adjective("colour", "material")
        noun = _nouns().get((self.next(), number > 1))
        if noun is None:
            raise Unreadable
        return NounPhrase(noun, number, determiner, quality, colour)

    def adjective(self, *groups: str) -> Adjective | None:
        """An adjective of some groups, if one comes next."""
        found = _adjectives().get(self.peek())
        if found is None or found.group not in groups:
            return None
        self.at += 1
        return found

    def verb(self) -> tuple[Verb, bool]:
        """A finite verb with its particle, and whether it is in the progressive."""
        progressive = self.peek() in ("is", "are")
        self.at += progressive
        forms = _verbs("progressive" if progressive else "simple").get(self.next(), [])
        # With a particle first: *look at* before a bare *look*.
        for verb in forms:
            particle = verb.english[3].split()
            if (particle and self.take(*particle)) or not particle:
                return verb, progressive
        raise Unreadable

    def place(self) -> tuple[str, NounPhrase | None]:
        """A preposition with its phrase, or neither."""
        for name, words in _PREPOSITIONS:
            if self.take(*words):
                return name, self.phrase()
        return "", None

    def setting(self) -> int:
        """*in the castle*, as an index into `SETTINGS`."""
        if not (self.take("in", "the") or self.take("at", "the")) or self.peek() not in SETTINGS:
            raise Unreadable
        return SETTINGS.index(self.next())


def at_setting(setting: int) -> str:
    """*at the river*, *in the castle*."""
    return f"{'at' if SETTINGS[setting] in ('river', 'harbour') else 'in'} the {SETTINGS[setting]}"


@lru_cache(maxsize=1)
def _nouns() -> dict[tuple[str, bool], Noun]:
    found = {}
    for noun in spoken_nouns():
        found[noun.english.singular, False] = noun
        found[noun.english.plural, True] = noun
    return found


@lru_cache(maxsize=1)
def _adjectives() -> dict[str, Adjective]:
    return {adjective.english: adjective for adjective in lexicon().adjectives}


@lru_cache(maxsize=2)
def _verbs(kind: Literal["simple", "progressive"]) -> dict[str, list[Verb]]:
    found: dict[str, list[Verb]] = defaultdict(list)
    for verb in sorted(lexicon().verbs, key=lambda verb: not verb.english[3]):
        base, third, ing, _ = verb.english
        for form in (ing,) if kind == "progressive" else (base, third):
            found[form].append(verb)
    return dict(found)
