"""A batch of scenes, and every modality it can be shown in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from limbeck.world.ambiguity import AmbiguousItem, item_of
from limbeck.world.grammar import SENTENCE, Clause, NounPhrase
from limbeck.world.image import draw, draw_masks
from limbeck.world.layout import Layout, lay_out
from limbeck.world.lexicon import language_of, lexicon
from limbeck.world.scene import PREPOSITIONS, SETTINGS, Facts, Frame, Role
from limbeck.world.splits import Split
from limbeck.world.streams import Bools, Ints

if TYPE_CHECKING:
    from limbeck.world.grammar.clause import Determiner
    from limbeck.world.world import World

_FRAMES = tuple(Frame)


@dataclass(frozen=True)
class Scenes:
    """Scenes of one split, as arrays; made by `World.scenes`.

    Args:
        world: The world they are of.
        split: The split they are of.
        index: Their numbers in the split. Shape ``(count,)``.
        facts: What happens in them.

    Example:
        >>> from limbeck.world import World
        >>> scenes = World(seed=0).scenes("test", start=5, count=3)
        >>> len(scenes), scenes.images().dtype, len(scenes.captions("fr"))
        (3, dtype('uint8'), 3)
    """

    world: World
    split: Split
    index: Ints
    facts: Facts

    def __len__(self) -> int:
        return len(self.index)

    @property
    def setting(self) -> Ints:
        """Index into `World.setting_names`. Shape ``(count,)``."""
        return self.facts.setting

    @property
    def objects(self) -> Ints:
        """Kind ids of what is in the picture, -1 for none. Shape ``(count, max_objects)``."""
        return self._layout.kind

    @property
    def present(self) -> Bools:
        """Which objects there are. Shape ``(count, max_objects)``."""
        return self._layout.kind >= 0

    @cached_property
    def _layout(self) -> Layout:
        return lay_out(self.facts, self.world.seed, self.split.stream, self.index, self.world.image_size)

    def images(self) -> npt.NDArray[np.uint8]:
        """RGB images. Shape ``(count, size, size, 3)``."""
        return draw(self._layout, self.facts.setting)

    def boxes(self) -> npt.NDArray[np.float32]:
        """Boxes around the objects, whole where another object hides a part: x0, y0, x1, y1 in pixels, 0 where absent.

        Shape ``(count, max_objects, 4)``.
        """
        return self._layout.boxes()

    def masks(self) -> npt.NDArray[np.uint8]:
        """Which object is seen at each pixel: its column in `objects` plus 1, or 0. Shape ``(count, size, size)``."""
        return draw_masks(self._layout)

    def labels(self) -> npt.NDArray[np.float32]:
        """Multi-hot: the setting and the kinds in the picture, as in `World.label_names`. Shape ``(count, labels)``."""
        labels = np.zeros((len(self), len(self.world.label_names)), np.float32)
        labels[np.arange(len(self)), self.setting] = 1.0
        row, column = np.nonzero(self.present)
        labels[row, len(SETTINGS) + self.objects[row, column]] = 1.0
        return labels

    def captions(self, language: str) -> list[str]:
        """One sentence a scene.

        Args:
            language: ``en``, ``de`` or ``fr``.

        Raises:
            ValueError: There is no such language.
        """
        sentence = SENTENCE[language_of(language)]
        return [sentence(clause) for clause in self.clauses]

    @cached_property
    def clauses(self) -> list[Clause]:
        """What the captions say, before any language says it."""
        words, facts = lexicon(), self.facts
        nouns, verbs, adjectives = words.nouns, (*words.verbs, None), (*words.adjectives, None)
        clauses = []
        for frame, verb, second_verb, progressive, preposition, *columns in zip(
            facts.frame.tolist(),
            facts.verb.tolist(),
            facts.second_verb.tolist(),
            facts.progressive.tolist(),
            facts.preposition.tolist(),
            facts.kind.tolist(),
            facts.number.tolist(),
            facts.definite.tolist(),
            facts.quality.tolist(),
            facts.colour.tolist(),
            strict=True,
        ):
            phrases: list[NounPhrase | None] = [
                NounPhrase(nouns[kind], number, "the" if definite else "a", adjectives[quality], adjectives[colour])
                if kind >= 0
                else None
                for kind, number, definite, quality, colour in zip(*columns, strict=True)
            ]
            actor, second = phrases[Role.ACTOR], phrases[Role.SECOND]
            if frame == Frame.COMPANION and actor and second:
                owner: Determiner = "her" if actor.noun.french.gender == "f" else "his"
                phrases[Role.SECOND] = second._replace(determiner=owner)
            clauses.append(
                Clause(
                    _FRAMES[frame],
                    actor,
                    phrases[Role.SECOND],
                    phrases[Role.OBJECT],
                    phrases[Role.PLACE],
                    preposition=PREPOSITIONS[preposition] if preposition >= 0 else "",
                    verb=verbs[verb],
                    second_verb=verbs[second_verb],
                    progressive=progressive,
                )
            )
        return clauses

    @cached_property
    def ambiguous(self) -> list[AmbiguousItem | None]:
        """The ambiguous word of each scene, or ``None``."""
        items = [item_of(sense) for sense in lexicon().senses]
        return [items[sense] if sense >= 0 else None for sense in self.facts.sense.tolist()]

    @property
    def settled_by_text(self) -> Bools:
        """Where some other word of the sentence tells the sense of the ambiguous word. Shape ``(count,)``.

        A noun that belongs to one setting tells the setting; *his* and *her* tell the figure.
        """
        facts, words = self.facts, lexicon()
        settings = np.array([noun.group in SETTINGS for noun in words.nouns])
        decided_by_setting = np.array([sense.decided_by in SETTINGS for sense in words.senses])[facts.sense]
        told = facts.kind[:, : Role.DECOR]
        names_setting = (settings[told] & (told >= 0)).any(axis=1)
        by_text = np.where(decided_by_setting, names_setting, facts.frame == Frame.COMPANION)
        return by_text & (facts.sense >= 0)
