"""The same clause in several languages."""

from __future__ import annotations

from collections.abc import Callable

from limbeck.world.grammar import english, french, german
from limbeck.world.grammar.clause import Clause, NounPhrase
from limbeck.world.lexicon import Language

__all__ = ["SENTENCE", "Clause", "NounPhrase"]

SENTENCE: dict[Language, Callable[[Clause], str]] = {
    "en": english.sentence,
    "de": german.sentence,
    "fr": french.sentence,
}
