"""What an arm learns from and is tested on: sentence pairs, their pictures, and ambiguous words."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from limbeck.data.multi30k import Multi30k
from limbeck.evaluation.ambiguity import Ambiguity
from limbeck.world import AmbiguousItem, Scenes, World
from limbeck.world.lexicon import language_of, lexicon


@dataclass(frozen=True)
class Part:
    """One split.

    Args:
        source: Sentences to translate.
        target: Their translations.
        pictures: For each sentence the number of its picture, -1 where it has none.
        ambiguous: For each sentence its ambiguous word, where that is known.
    """

    source: list[str]
    target: list[str]
    pictures: list[int]
    ambiguous: list[Ambiguity | None] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.source)


@dataclass(frozen=True)
class Corpus:
    """All splits of a language pair.

    Args:
        pair: As ``"en-de"``.
        train: To learn from.
        val: To choose by.
        tests: To report, by name.
        tokenized: Whether the text is tokenised: then subwords never split punctuation off, and scores do not either.
        origin: Where it came from, for those who meet the model later.
        name: What a model's card calls it.
    """

    pair: str
    train: Part
    val: Part
    tests: dict[str, Part]
    tokenized: bool = False
    origin: tuple[str, ...] = ()
    name: str = "own text"

    @property
    def target_language(self) -> str:
        """The language that is translated into."""
        return self.pair.split("-")[1]


@dataclass(frozen=True)
class WorldCorpus:
    """How the world's corpus is made: plain values, so that any process can make it again.

    Args:
        pair: English into German or French.
        sentences: Training sentences.
        held_out: Sentences of validation and of each test.
        seed: Of the world.
        ambiguous_share: Share of training captions with an ambiguous word.
        context_share: Share of these that also name a thing of the setting; the others only the picture settles.
        words: Use only so many ambiguous words; ``None`` takes all that the setting decides.
    """

    pair: str
    sentences: int
    held_out: int
    seed: int = 0
    ambiguous_share: float = 0.1
    context_share: float = 0.45
    words: int | None = None

    @property
    def world(self) -> World:
        """The world itself."""
        lexemes = lexicon()
        by_setting = tuple(lexemes.senses_by_word(by_setting=True))[: self.words]
        return World(
            seed=self.seed,
            ambiguous_share=self.ambiguous_share,
            context_share=self.context_share,
            ambiguous_words=by_setting,
        )

    def scenes(self) -> dict[str, Scenes]:
        """The scenes of every split."""
        counts = {"train": self.sentences, "val": self.held_out, "test": self.held_out, "ambiguous": self.held_out}
        return {split: self.world.scenes(split, count=count) for split, count in counts.items()}

    def read(self) -> Corpus:
        """Make the sentences. Pictures are numbered through all splits, in the order of :meth:`scenes`."""
        source, target = self.pair.split("-")
        parts, first = {}, 0
        for split, scenes in self.scenes().items():
            pictures = list(range(first, first + len(scenes)))
            words = [_ambiguity(item, target) for item in scenes.ambiguous]
            parts[split] = Part(scenes.captions(source), scenes.captions(target), pictures, words)
            first += len(scenes)
        tests = {name: parts[name] for name in ("ambiguous", "test")}
        origin = f"captions of Limbeck's invented world, seed {self.seed}"
        return Corpus(self.pair, parts["train"], parts["val"], tests, origin=(origin,), name="Limbeck world")


@dataclass(frozen=True)
class Multi30kCorpus:
    """Where the real corpus lies.

    Args:
        folder: Of Multi30k.
        pair: As ``"en-de"``.
        limit: Use only so many sentences of each split; ``None`` takes all.
    """

    folder: Path
    pair: str
    limit: int | None = None

    def read(self) -> Corpus:
        """Read the tokenised, lower-cased sentences. A picture's number is the one in its file name."""
        data = Multi30k(self.folder, self.pair)
        parts = {}
        # Those that must be there are asked for by name, so that one that is missing is named.
        for split in dict.fromkeys(("train", "val", *data.splits())):
            captions = data.read(split)
            kept = slice(self.limit)
            parts[split] = Part(captions.source[kept], captions.target[kept], captions.image_ids[kept])
        train, val = parts.pop("train"), parts.pop("val")
        origin = f"Multi30k in {self.folder}"
        return Corpus(self.pair, train, val, parts, tokenized=True, origin=(origin,), name="Multi30k")


def _ambiguity(item: AmbiguousItem | None, language: str) -> Ambiguity | None:
    """The item's forms in one language; none where the language has one word for all senses."""
    if item is None:
        return None
    tongue = language_of(language)
    return Ambiguity(item.expected[tongue], item.rejected[tongue]) if item.rejected[tongue] else None
