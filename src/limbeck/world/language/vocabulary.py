"""The closed vocabulary of the language."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from limbeck.errors import LimbeckError
from limbeck.world.lexicon import Noun, lexicon
from limbeck.world.scene import PREPOSITIONS, SETTINGS

PAD, START, END = "<pad>", "<s>", "</s>"

_FUNCTION_WORDS = (
    "a an the his her two three is are there very who what where with and while please do not yes no it they in at "
    ". , ? :"
)


@dataclass(frozen=True)
class Vocabulary:
    """Words and their ids; the first three are padding, start and end.

    Args:
        words: By id.

    Example:
        >>> words = vocabulary()
        >>> words.decode(words.encode(["a", "red", "boat"]))
        ['a', 'red', 'boat']
    """

    words: tuple[str, ...]

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of each word."""
        return {word: number for number, word in enumerate(self.words)}

    pad, start, end = 0, 1, 2

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, words: Iterable[str]) -> list[int]:
        """Ids of words.

        Raises:
            LimbeckError: A word is not in the vocabulary.
        """
        try:
            return [self.ids[word] for word in words]
        except KeyError as error:
            raise LimbeckError(f"the language has no word {error.args[0]!r}") from None

    def decode(self, ids: Sequence[int]) -> list[str]:
        """Words of ids, from after the start to before the end; other special words are left as they are."""
        ids = list(ids)
        if ids and ids[0] == self.start:
            ids = ids[1:]
        if self.end in ids:
            ids = ids[: ids.index(self.end)]
        return [self.words[number] for number in ids]


def spoken_nouns() -> list[Noun]:
    """The nouns of the language: all that mean one thing only."""
    words = lexicon()
    ambiguous = {sense.kind for sense in words.senses}
    return [noun for kind, noun in enumerate(words.nouns) if kind not in ambiguous]


@lru_cache(maxsize=8)
def vocabulary(more: tuple[str, ...] = ()) -> Vocabulary:
    """The vocabulary of the world's language, with more words at its end where an experiment needs them.

    Example:
        >>> len(vocabulary(("code",))) - len(vocabulary())
        1
    """
    found = set(_FUNCTION_WORDS.split()) | {word for name in PREPOSITIONS for word in name.split()} | set(SETTINGS)
    for noun in spoken_nouns():
        found.add(noun.english.singular)
        if may_be_several(noun):
            found.add(noun.english.plural)
    for verb in lexicon().verbs:
        found.update(word for part in verb.english for word in part.split())
    found.update(adjective.english for adjective in lexicon().adjectives)
    return Vocabulary((PAD, START, END, *sorted(found), *more))


def may_be_several(noun: Noun) -> bool:
    """Whether there are ever two of them: of people, and of what can be held."""
    return noun.group == "person" or "hold" in noun.flags
