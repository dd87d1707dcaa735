"""The door to the world: a handful of numbers that fix every scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from limbeck.world.ambiguity import AmbiguityRow
from limbeck.world.lexicon import Language, Noun, language_of, lexicon
from limbeck.world.sampling import sample
from limbeck.world.scene import SETTINGS
from limbeck.world.scenes import Scenes
from limbeck.world.splits import Split


@dataclass(frozen=True)
class World:
    """A world of scenes, each rendered into an image, boxes, masks and captions in three languages.

    Args:
        seed: Another seed is another world: other scenes, and other nouns that are rare or held out.
        image_size: Side of the square images in pixels, 16 to 512.
        ambiguous_share: Share of scenes of ``train``, ``val`` and ``test`` with an ambiguous word.
        context_share: Of the sentences with a word that the setting decides, the share that also names a thing of that
            setting (in ``train``, ``val`` and ``test``; the split ``ambiguous`` always does). The rest only the picture
            can settle.
        ambiguous_words: The ambiguous English words in use (see `words`); ``None`` for all.

    Raises:
        ValueError: An argument is out of its range.

    Example:
        >>> world = World(seed=0)
        >>> scenes = world.scenes("train", count=2)
        >>> scenes.images().shape
        (2, 32, 32, 3)
        >>> len(scenes.captions("de"))
        2
    """

    seed: int = 0
    image_size: int = 32
    ambiguous_share: float = 0.1
    context_share: float = 0.45
    ambiguous_words: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        _whole("seed", self.seed, 0, 2**62)
        _whole("image_size", self.image_size, 16, 512)
        for name in ("ambiguous_share", "context_share"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} must lie between 0 and 1, got {value!r}")
        if self.ambiguous_words is not None:
            object.__setattr__(self, "ambiguous_words", tuple(self.ambiguous_words))
            unknown = sorted(set(self.ambiguous_words) - set(self._all_words))
            if unknown or not self.ambiguous_words:
                raise ValueError(
                    f"ambiguous_words must be some of {', '.join(self._all_words)}; got {unknown or 'none'}"
                )
            if not set(self.ambiguous_words) & set(lexicon().senses_by_word(by_setting=True)):
                raise ValueError("ambiguous_words must have at least one word that the setting decides, e.g. 'bat'")

    @property
    def _all_words(self) -> tuple[str, ...]:
        return tuple(lexicon().senses_by_word())

    @property
    def words(self) -> tuple[str, ...]:
        """The ambiguous English words in use."""
        return self._all_words if self.ambiguous_words is None else self.ambiguous_words

    @property
    def setting_names(self) -> tuple[str, ...]:
        """The settings, by their number in `Scenes.setting`."""
        return SETTINGS

    @property
    def kind_names(self) -> tuple[str, ...]:
        """The kinds of things, by their number in `Scenes.objects`; each sense of an ambiguous word is one."""
        return tuple(noun.kind for noun in lexicon().nouns)

    @property
    def label_names(self) -> tuple[str, ...]:
        """The columns of `Scenes.labels`: the settings, then the kinds."""
        return (*SETTINGS, *self.kind_names)

    def scenes(self, split: Split | str, start: int = 0, count: int = 1000) -> Scenes:
        """Scenes ``start`` to ``start + count`` of a split.

        Args:
            split: ``train``, ``val``, ``test`` or ``ambiguous`` (see `Split`).
            start: Number of the first scene.
            count: How many.

        Raises:
            ValueError: There is no such split, or a number is out of its range.
        """
        split = Split.of(split)
        _whole("start", start, 0, 2**62)
        _whole("count", count, 1, 2**31)
        index = np.arange(start, start + count)
        facts = sample(
            self.seed,
            split,
            index,
            ambiguous_share=self.ambiguous_share,
            context_share=self.context_share,
            ambiguous_words=self.words,
        )
        return Scenes(self, split, index, facts)

    def ambiguity_report(self, language: str, sample_size: int = 20_000) -> list[AmbiguityRow]:
        """How each ambiguous word stands in the generated sentences.

        The text settles a word that the setting decides when it names a thing of the setting, and a profession when it
        has *his* or *her*; that is counted over the generator's own sentences.

        Args:
            language: ``de`` or ``fr`` (``en`` gives the English surfaces themselves).
            sample_size: How many sentences of ``train`` are counted.

        Raises:
            ValueError: The language is unknown.
        """
        known = language_of(language)
        lexemes = lexicon()
        scenes = self.scenes("train", count=sample_size)
        facts, settled = scenes.facts, scenes.settled_by_text
        rows = []
        for word in self.words:
            senses = lexemes.senses_by_word()[word]
            here = np.isin(facts.sense, [lexemes.senses.index(sense) for sense in senses])
            translations = tuple(_lemma(lexemes.nouns[sense.kind], known) for sense in senses)
            rows.append(
                AmbiguityRow(
                    word,
                    tuple(sense.name for sense in senses),
                    translations,
                    float(settled[here].mean()) if here.any() else 0.0,
                    int(here.sum()),
                )
            )
        return rows


def _lemma(noun: Noun, language: Language) -> str:
    entry = noun.entry(language)
    return entry.plural if entry.plural_only else entry.singular


def _whole(name: str, value: Any, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not low <= value <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}, got {value!r}")
