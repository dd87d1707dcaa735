"""*Where is the heron? The heron is at the river.* Who answers must know what is found where."""

from __future__ import annotations

from functools import lru_cache

from limbeck.world.grammar import NounPhrase, english
from limbeck.world.language.reading import Reader, at_setting
from limbeck.world.language.text import Text
from limbeck.world.language.topics.base import Grammar, Scene, pick
from limbeck.world.language.vocabulary import spoken_nouns
from limbeck.world.lexicon import Noun
from limbeck.world.scene import SETTINGS


def _make(scene: Scene) -> Text:
    told = [phrase.noun for phrase in Text("caption", scene.clause).phrases() if phrase.noun.group in SETTINGS]
    noun = told[0] if told else pick(_found_in(scene.setting), scene.chances[0])
    return Text("place", setting=scene.setting, things=(NounPhrase(noun, 1, "the"),))


def _write(text: Text) -> str:
    thing = english.phrase(text.things[0])
    return f"where is {thing} ? {thing} is {at_setting(text.setting)} ."


def _read(reader: Reader) -> Text:
    reader.need("where", "is")
    thing = reader.phrase()
    reader.need("?")
    reader.phrase()
    reader.need("is")
    setting = reader.setting()
    reader.need(".")
    return Text("place", setting=setting, things=(thing,))


def _possible(text: Text) -> bool:
    (thing,) = text.things
    bare = thing.determiner == "the" and thing.number == 1 and not (thing.quality or thing.colour)
    return bare and thing.noun.group == SETTINGS[text.setting]


@lru_cache(maxsize=len(SETTINGS))
def _found_in(setting: int) -> list[Noun]:
    return [noun for noun in spoken_nouns() if noun.group == SETTINGS[setting]]


PLACE = Grammar(_make, _write, _read, _possible)
