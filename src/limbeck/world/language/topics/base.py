"""What a topic is: a small grammar of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from limbeck.world.grammar import Clause
from limbeck.world.language.reading import Reader
from limbeck.world.language.text import Text

Option = TypeVar("Option")


class Scene(NamedTuple):
    """What a text is made of.

    Args:
        clause: What its caption says.
        setting: Index into `SETTINGS`.
        chances: Four numbers in [0, 1) for what the scene leaves open.
    """

    clause: Clause
    setting: int
    chances: Sequence[float]


class Grammar(NamedTuple):
    """The grammar of one topic.

    Args:
        make: A text of a scene.
        write: Its words; the one place where agreement is known.
        read: A text from words that may be one; raises `Unreadable` or `ValueError` where they cannot be.
        possible: Whether the world could be as the text says.
    """

    make: Callable[[Scene], Text]
    write: Callable[[Text], str]
    read: Callable[[Reader], Text]
    possible: Callable[[Text], bool]


def pick(options: Sequence[Option], chance: float) -> Option:
    """One of some, by a number in [0, 1)."""
    return options[int(chance * len(options))]


def clause_of(text: Text) -> Clause:
    """The clause of a text that has one.

    Raises:
        ValueError: It has none.
    """
    if text.clause is None:
        raise ValueError(f"a text of the topic {text.topic} needs its clause")
    return text.clause
