"""A language of the world, for language models of a few thousand parameters.

A `Language` gives texts about scenes as ids, and judges what a model says: whether it is a text of the language at all,
and of which topic and setting.
"""

from limbeck.world.language.corpora import noise, repetitions
from limbeck.world.language.language import Language
from limbeck.world.language.text import TOPICS, Text, Topic
from limbeck.world.language.vocabulary import END, PAD, START, Vocabulary, vocabulary

__all__ = [
    "END",
    "PAD",
    "START",
    "TOPICS",
    "Language",
    "Text",
    "Topic",
    "Vocabulary",
    "noise",
    "repetitions",
    "vocabulary",
]
