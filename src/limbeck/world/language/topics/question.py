"""*Who throws the ball? Two small boys throw the ball.* What is asked is said again, and agrees again."""

from __future__ import annotations

from limbeck.world.grammar import Clause, english
from limbeck.world.language.captions import possible_clause, read_clause
from limbeck.world.language.reading import Reader, Unreadable
from limbeck.world.language.text import Text
from limbeck.world.language.topics.base import Grammar, Scene, clause_of
from limbeck.world.scene import Frame

_FRAMES = (Frame.PLAIN, Frame.REST, Frame.MOVE, Frame.THERE)


def _make(scene: Scene) -> Text:
    clause = scene.clause
    if clause.actor is None:
        return Text("question", clause._replace(frame=Frame.THERE))
    actor = clause.need("second") if clause.frame is Frame.WHILE else clause.actor
    frame = Frame.PLAIN if clause.object else Frame.REST if clause.frame is Frame.COMPANION else clause.frame
    return Text("question", clause._replace(frame=frame, actor=actor, second=None, second_verb=None))


def _write(text: Text) -> str:
    clause = clause_of(text)
    place = f"{clause.preposition} {english.phrase(clause.place)}" if clause.place else ""
    if clause.actor is None:
        thing = clause.need("object")
        be = "are" if english.is_plural(thing) else "is"
        return f"what is {place} ? {english.phrase(thing)} {be} {place} ."
    what = english.phrase(clause.object) if clause.object else ""
    asks, says = (
        english.verb(clause.need_verb(), plural=plural, progressive=clause.progressive)
        for plural in (False, english.is_plural(clause.actor))
    )
    return f"who {asks} {what} {place} ? {english.phrase(clause.actor)} {says} {what} {place} ."


def _read(reader: Reader) -> Text:
    asked = reader.next()
    if asked not in ("who", "what") or "?" not in reader.words:
        raise Unreadable
    reader.at = list(reader.words).index("?") + 1  # the answer tells all
    if asked == "who":
        clause = read_clause(reader)
    else:
        thing = reader.phrase()
        reader.next()
        preposition, place = reader.place()
        clause = Clause(Frame.THERE, object=thing, place=place, preposition=preposition)
    reader.need(".")
    return Text("question", clause)


def _possible(text: Text) -> bool:
    clause = clause_of(text)
    if clause.frame not in _FRAMES:
        return False
    if clause.actor is None:  # in a caption *there is* nothing that is known already; in an answer it may be
        clause = clause._replace(object=clause.need("object")._replace(determiner="a"))
    return possible_clause(clause)


QUESTION = Grammar(_make, _write, _read, _possible)
