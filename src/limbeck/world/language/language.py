"""The door to the language: texts of scenes as ids, and the grammar that judges what a model says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from limbeck.errors import LimbeckError, near_matches
from limbeck.world.language.captions import possible_phrase
from limbeck.world.language.reading import Reader, Unreadable
from limbeck.world.language.text import TOPICS, Text, Topic, words_of
from limbeck.world.language.topics import GRAMMARS, Scene
from limbeck.world.language.vocabulary import Vocabulary, vocabulary
from limbeck.world.scene import SETTINGS
from limbeck.world.splits import Split
from limbeck.world.streams import Draws
from limbeck.world.world import World

_STREAM = 1000  # apart from the scenes' own draws
_ANYWHERE = "anywhere"


@dataclass(frozen=True)
class Language:
    """Texts of several topics about the scenes of a world, in English of a few hundred words.

    Text ``i`` of a split is about scene ``i`` of that split, and depends on the seed and on ``i`` alone. Words with two
    senses are left out.

    Args:
        seed: Of the world.
        topics: What texts are about.
        weights: How often each topic comes; equally often by default.

    Raises:
        LimbeckError: A topic is unknown or twice there, or weights are not one positive number a topic.

    Example:
        >>> language = Language(seed=0, topics=("place",))
        >>> ids = language.sequences("train", count=1)[0]
        >>> " ".join(language.vocabulary.decode(ids))
        'where is the printer ? the printer is in the office .'
        >>> language.is_valid(ids), language.topic_of(ids), language.mode_of(ids)
        (True, 'place', 'place/office')
    """

    seed: int = 0
    topics: tuple[Topic, ...] = TOPICS
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for topic in self.topics:
            if topic not in TOPICS:
                raise LimbeckError(f"topics: there is no {topic!r}; {near_matches(topic, TOPICS)}")
        if not self.topics or len(set(self.topics)) < len(self.topics):
            raise LimbeckError(f"topics: got {self.topics}, expected at least one, and none twice")
        if self.weights and (len(self.weights) != len(self.topics) or min(self.weights) <= 0):
            raise LimbeckError(f"weights: got {self.weights}, expected {len(self.topics)} positive numbers")

    @property
    def vocabulary(self) -> Vocabulary:
        """The words."""
        return vocabulary()

    @cached_property
    def mode_names(self) -> tuple[str, ...]:
        """All modes: a topic with the setting that a text names, or with none."""
        return tuple(f"{topic}/{setting}" for topic in self.topics for setting in (*SETTINGS, _ANYWHERE))

    def texts(self, split: Split | str, start: int = 0, count: int = 1000) -> list[Text]:
        """Texts ``start`` to ``start + count`` of a split.

        Args:
            split: ``train``, ``val`` or ``test``.
            start: Number of the first.
            count: How many.

        Raises:
            ValueError: There is no such split, or a number is out of its range.
        """
        scenes = World(self.seed, ambiguous_share=0.0).scenes(split, start, count)
        draws = Draws(self.seed, _STREAM + scenes.split.stream, scenes.index)
        which = draws.weighted(np.array(self.weights or [1.0] * len(self.topics)))
        chances = np.stack([draws.uniform() for _ in range(4)], axis=1)
        return [
            GRAMMARS[self.topics[number]].make(Scene(clause, setting, open_to))
            for number, clause, setting, open_to in zip(
                which.tolist(), scenes.clauses, scenes.setting.tolist(), chances.tolist(), strict=True
            )
        ]

    def write(self, text: Text) -> list[str]:
        """The words of a text."""
        return words_of(GRAMMARS[text.topic].write(text))

    def sequences(self, split: Split | str, start: int = 0, count: int = 1000) -> list[list[int]]:
        """The same texts as ids, between start and end."""
        words = self.vocabulary
        return [[words.start, *words.encode(self.write(text)), words.end] for text in self.texts(split, start, count)]

    def read(self, words: Sequence[str]) -> Text | None:
        """What some words say; None where they are no text of the language.

        A text is read generously and written again: only if the same words come out, all agreement is right. Then the
        world must be able to be like that: nobody throws a tower, and nothing is in two settings.
        """
        for topic in self.topics:
            grammar, reader = GRAMMARS[topic], Reader(words)
            try:
                text = grammar.read(reader)
                reader.end()
                if words_of(grammar.write(text)) == list(words) and _possible(text):
                    return text
            except (Unreadable, ValueError):
                continue
        return None

    def read_ids(self, ids: Sequence[int]) -> Text | None:
        """:meth:`read` of a sequence of ids; one without an end is unfinished, and no text."""
        if self.vocabulary.end not in ids:
            return None
        return self.read(self.vocabulary.decode(ids))

    def is_valid(self, ids: Sequence[int]) -> bool:
        """Whether ids are a whole text of the language."""
        return self.read_ids(ids) is not None

    def topic_of(self, ids: Sequence[int]) -> Topic | None:
        """The topic of a text; None where it is none."""
        text = self.read_ids(ids)
        return None if text is None else text.topic

    def mode_of(self, ids: Sequence[int]) -> str | None:
        """The mode of a text, one of :attr:`mode_names`; None where it is none."""
        text = self.read_ids(ids)
        if text is None:
            return None
        settings = _settings(text)
        return f"{text.topic}/{settings.pop() if settings else _ANYWHERE}"


def _settings(text: Text) -> set[str]:
    """The settings that a text names, or whose things it names."""
    named = {phrase.noun.group for phrase in text.phrases() if phrase.noun.group in SETTINGS}
    return named | ({SETTINGS[text.setting]} if text.setting >= 0 else set())


def _possible(text: Text) -> bool:
    phrases = text.phrases()
    kinds = {phrase.noun.kind for phrase in phrases}
    if len(kinds) < len(phrases) or len(_settings(text)) > 1:
        return False
    return all(map(possible_phrase, phrases)) and GRAMMARS[text.topic].possible(text)
