"""Lists: *In the castle: two boys, a red ball and an old tower*."""

from __future__ import annotations

from limbeck.world.grammar import english
from limbeck.world.language.reading import Reader, at_setting
from limbeck.world.language.text import Text
from limbeck.world.language.topics.base import Grammar, Scene

_MOST = 4


def _make(scene: Scene) -> Text:
    told = Text("caption", scene.clause).phrases()
    return Text("list", setting=scene.setting, things=tuple(phrase._replace(determiner="a") for phrase in told))


def _write(text: Text) -> str:
    names = [english.phrase(thing) for thing in text.things]
    said = " , ".join(names[:-1]) + (" and " if names[1:] else "") + names[-1]
    return f"{at_setting(text.setting)} : {said} ."


def _read(reader: Reader) -> Text:
    setting = reader.setting()
    reader.need(":")
    things = [reader.phrase()]
    while reader.take(",") or reader.take("and"):
        things.append(reader.phrase())
    reader.need(".")
    return Text("list", setting=setting, things=tuple(things))


def _possible(text: Text) -> bool:
    return len(text.things) <= _MOST and all(thing.determiner == "a" for thing in text.things)


LIST = Grammar(_make, _write, _read, _possible)
