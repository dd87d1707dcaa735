"""*Is the hat red? No, it is blue.* The answer goes by the two colours."""

from __future__ import annotations

from functools import lru_cache

from limbeck.world.grammar import NounPhrase, english
from limbeck.world.language.reading import Reader, Unreadable
from limbeck.world.language.text import Text
from limbeck.world.language.topics.base import Grammar, Scene, pick
from limbeck.world.language.vocabulary import spoken_nouns
from limbeck.world.lexicon import Adjective, Noun, lexicon


def _make(scene: Scene) -> Text:
    told = Text("caption", scene.clause).phrases()
    coloured = [phrase for phrase in told if phrase.colour and phrase.colour.group == "colour"]
    if coloured:
        noun, number, answered = coloured[0].noun, coloured[0].number, coloured[0].colour
    else:
        noun, number, answered = pick(_things(), scene.chances[0]), 1, pick(_colours(), scene.chances[1])
    others = [colour for colour in _colours() if colour is not answered]
    asked = answered if scene.chances[2] < 0.5 else pick(others, scene.chances[3])
    return Text("colour", things=(NounPhrase(noun, number, "the"),), asked=asked, answered=answered)


def _write(text: Text) -> str:
    (thing,), asked, answered = text.things, text.asked, text.answered
    if asked is None or answered is None:
        raise ValueError("a text of the topic colour needs both colours")
    be, it = ("are", "they") if english.is_plural(thing) else ("is", "it")
    answer = "yes" if asked is answered else "no"
    return f"{be} {english.phrase(thing)} {asked.english} ? {answer} , {it} {be} {answered.english} ."


def _read(reader: Reader) -> Text:
    reader.next()
    thing, asked = reader.phrase(), reader.adjective("colour")
    reader.need("?")
    for _ in ("yes", ",", "it", "is"):
        reader.next()
    answered = reader.adjective("colour")
    reader.need(".")
    if asked is None or answered is None:
        raise Unreadable
    return Text("colour", things=(thing,), asked=asked, answered=answered)


def _possible(text: Text) -> bool:
    (thing,) = text.things
    return "colour" in thing.noun.flags and thing.determiner == "the" and not (thing.quality or thing.colour)


@lru_cache(maxsize=1)
def _things() -> list[Noun]:
    return [noun for noun in spoken_nouns() if "colour" in noun.flags]


@lru_cache(maxsize=1)
def _colours() -> list[Adjective]:
    return [adjective for adjective in lexicon().adjectives if adjective.group == "colour"]


COLOUR = Grammar(_make, _write, _read, _possible)
