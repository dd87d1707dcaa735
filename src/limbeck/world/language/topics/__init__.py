"""The topics of the language, one file each."""

from __future__ import annotations

from limbeck.world.language.text import Topic
from limbeck.world.language.topics.base import Grammar, Scene
from limbeck.world.language.topics.caption import CAPTION
from limbeck.world.language.topics.colour import COLOUR
from limbeck.world.language.topics.instruction import INSTRUCTION
from limbeck.world.language.topics.inventory import LIST
from limbeck.world.language.topics.place import PLACE
from limbeck.world.language.topics.question import QUESTION

__all__ = ["GRAMMARS", "Grammar", "Scene"]

GRAMMARS: dict[Topic, Grammar] = {
    "caption": CAPTION,
    "question": QUESTION,
    "colour": COLOUR,
    "place": PLACE,
    "list": LIST,
    "instruction": INSTRUCTION,
}
