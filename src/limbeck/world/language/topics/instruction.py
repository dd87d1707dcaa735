"""Instructions: *Please look at the boat near a tree*, or *Do not carry the ball, carry the hat*."""

from __future__ import annotations

from functools import lru_cache

from limbeck.world.grammar import Clause, NounPhrase, english
from limbeck.world.language.reading import Reader, Unreadable
from limbeck.world.language.text import Text
from limbeck.world.language.topics.base import Grammar, Scene, clause_of, pick
from limbeck.world.language.vocabulary import spoken_nouns
from limbeck.world.lexicon import Noun, Verb, lexicon
from limbeck.world.scene import Frame


def _make(scene: Scene) -> Text:
    clause = scene.clause
    what = clause.object or clause.need("place")
    verb = clause.verb if clause.object else None
    wanted = Clause(
        Frame.PLAIN,
        object=what._replace(determiner="the", number=1),
        verb=verb or pick(_regarding(), scene.chances[0]),
    )
    if clause.object and clause.place and scene.chances[1] < 0.5:
        return Text("instruction", wanted._replace(place=clause.place, preposition="near"))
    others = [noun for noun in _handy() if noun is not what.noun]
    return Text("instruction", wanted, things=(NounPhrase(pick(others, scene.chances[2]), 1, "the"),))


def _write(text: Text) -> str:
    clause = clause_of(text)
    verb = english.verb(clause.need_verb(), plural=True, progressive=False)
    what = english.phrase(clause.need("object"))
    if text.things:
        return f"do not {verb} {what} , {verb} {english.phrase(text.things[0])} ."
    return f"please {verb} {what} near {english.phrase(clause.need('place'))} ."


def _read(reader: Reader) -> Text:
    if not reader.take("please"):
        return _read_instead(reader)
    verb, _ = reader.verb()
    what = reader.phrase()
    preposition, place = reader.place()
    reader.need(".")
    if place is None:
        raise Unreadable
    return Text("instruction", Clause(Frame.PLAIN, object=what, place=place, preposition=preposition, verb=verb))


def _read_instead(reader: Reader) -> Text:
    reader.need("do", "not")
    verb, _ = reader.verb()
    what = reader.phrase()
    reader.need(",")
    reader.verb()
    other = reader.phrase()
    reader.need(".")
    return Text("instruction", Clause(Frame.PLAIN, object=what, verb=verb), things=(other,))


def _possible(text: Text) -> bool:
    clause = clause_of(text)
    verb, told = clause.need_verb(), [clause.need("object"), *text.things]
    if any(phrase.determiner != "the" or phrase.number > 1 for phrase in told):
        return False
    if any(thing.quality or thing.colour or thing.noun.group != "thing" for thing in text.things):
        return False
    return verb.group == "regard" or (verb.group == "handle" and all("hold" in one.noun.flags for one in told))


@lru_cache(maxsize=1)
def _regarding() -> list[Verb]:
    return [verb for verb in lexicon().verbs if verb.group == "regard"]


@lru_cache(maxsize=1)
def _handy() -> list[Noun]:
    return [noun for noun in spoken_nouns() if noun.group == "thing" and "hold" in noun.flags]


INSTRUCTION = Grammar(_make, _write, _read, _possible)
