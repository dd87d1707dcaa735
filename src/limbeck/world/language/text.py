"""What one text says, before it is put into words."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from limbeck.world.grammar import Clause, NounPhrase
from limbeck.world.lexicon import Adjective

Topic = Literal["caption", "question", "colour", "place", "list", "instruction"]
TOPICS: tuple[Topic, ...] = get_args(Topic)


class Text(NamedTuple):
    """A text of one topic; which fields are set depends on the topic.

    Args:
        topic: What kind of text it is.
        clause: What a caption tells, a question asks or an instruction wants.
        setting: Index into `SETTINGS` of the setting that a place or a list names; -1 elsewhere.
        things: What a place, a colour or a list speaks of; in an instruction, what is wanted instead.
        asked: The colour that is asked for.
        answered: The colour that it has.
    """

    topic: Topic
    clause: Clause | None = None
    setting: int = -1
    things: tuple[NounPhrase, ...] = ()
    asked: Adjective | None = None
    answered: Adjective | None = None

    def phrases(self) -> list[NounPhrase]:
        """All that it names."""
        clause = self.clause
        told = (clause.actor, clause.second, clause.object, clause.place) if clause else ()
        return [phrase for phrase in (*told, *self.things) if phrase]


def words_of(sentence: str) -> list[str]:
    """The words of a sentence in lower case, punctuation apart.

    Example:
        >>> words_of("Behind the fence, a boy sleeps.")
        ['behind', 'the', 'fence', ',', 'a', 'boy', 'sleeps', '.']
    """
    return sentence.lower().replace(".", " .").replace(",", " ,").split()
