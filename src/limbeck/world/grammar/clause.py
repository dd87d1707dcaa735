"""What a sentence says, before any language says it."""

from __future__ import annotations

from typing import Literal, NamedTuple

from limbeck.world.lexicon import Adjective, Noun, Verb
from limbeck.world.scene import Frame

Determiner = Literal["a", "the", "his", "her"]


class NounPhrase(NamedTuple):
    """A noun with what stands around it.

    Args:
        noun: The noun.
        number: 1, 2 or 3; from 2 on the number is said and takes the determiner's place unless that is ``the``.
        determiner: ``a``, ``the``, ``his`` or ``her``.
        quality: An adjective such as *old*, or ``None``.
        colour: A colour or material, or ``None``.
    """

    noun: Noun
    number: int = 1
    determiner: Determiner = "a"
    quality: Adjective | None = None
    colour: Adjective | None = None


class Clause(NamedTuple):
    """One sentence; which fields are set depends on the `Frame`."""

    frame: Frame
    actor: NounPhrase | None = None
    second: NounPhrase | None = None
    object: NounPhrase | None = None
    place: NounPhrase | None = None
    preposition: str = ""
    verb: Verb | None = None
    second_verb: Verb | None = None
    progressive: bool = False

    def need(self, role: Literal["actor", "second", "object", "place"]) -> NounPhrase:
        """The phrase in a role that the frame cannot do without.

        Raises:
            ValueError: The clause lacks it.
        """
        phrase: NounPhrase | None = getattr(self, role)
        if phrase is None:
            raise ValueError(f"a clause of the shape {self.frame.name} needs its {role}")
        return phrase

    def need_verb(self, which: Literal["verb", "second_verb"] = "verb") -> Verb:
        """A verb that the frame cannot do without.

        Raises:
            ValueError: The clause lacks it.
        """
        verb: Verb | None = getattr(self, which)
        if verb is None:
            raise ValueError(f"a clause of the shape {self.frame.name} needs its {which}")
        return verb


def finish(*words: str) -> str:
    """Join words into a sentence with a capital and a full stop; empty ones leave no gap.

    Example:
        >>> finish("a boy", "", "sleeps")
        'A boy sleeps.'
    """
    text = " ".join(filter(None, words)).replace(" ,", ",")
    return text[0].upper() + text[1:] + "."
