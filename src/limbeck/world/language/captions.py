"""Captions read back: the clause behind a sentence, and whether a scene could be like that."""

from __future__ import annotations

from limbeck.world.grammar import Clause, NounPhrase
from limbeck.world.language.reading import Reader
from limbeck.world.language.vocabulary import may_be_several
from limbeck.world.lexicon import Noun, Verb
from limbeck.world.scene import SETTINGS, Frame

_ALONE = (Frame.GARMENT, Frame.RELATIVE, Frame.COMPANION, Frame.WHILE)
_MAY_LACK_PLACE = (Frame.PLAIN, Frame.GARMENT, Frame.RELATIVE, Frame.WHILE)
_MAY_LACK_OBJECT = (Frame.REST, Frame.MOVE, Frame.COMPANION)


def read_clause(reader: Reader) -> Clause:
    """Read a caption, without its full stop.

    Raises:
        Unreadable: It has none of the shapes of `Frame`.
    """
    if reader.take("there"):
        reader.next()
        thing = reader.phrase()
        preposition, place = reader.place()
        return Clause(Frame.THERE, object=thing, place=place, preposition=preposition)
    preposition, place = reader.place()
    if place is not None:
        reader.need(",")
        actor = reader.phrase()
        verb, progressive = reader.verb()
        what = reader.phrase()
        return Clause(
            Frame.FRONTED,
            actor,
            object=what,
            place=place,
            preposition=preposition,
            verb=verb,
            progressive=progressive,
        )
    first = reader.phrase()
    preposition, place = reader.place()
    if place is not None:
        reader.next()
        reader.need("very")
        quality = reader.adjective("any", "thing", "adult", "person")
        return Clause(Frame.PREDICATE, object=first._replace(quality=quality), place=place, preposition=preposition)
    return _about(reader, first)


def _about(reader: Reader, actor: NounPhrase) -> Clause:
    """What follows the actor."""
    if reader.take("with"):
        second = reader.phrase()
        verb, progressive = reader.verb()
        return _done(reader, Clause(Frame.GARMENT, actor, second, verb=verb, progressive=progressive))
    if reader.take("who"):
        second_verb, _ = reader.verb()
        second = reader.phrase()
        verb, progressive = reader.verb()
        clause = Clause(Frame.RELATIVE, actor, second, verb=verb, second_verb=second_verb, progressive=progressive)
        return _done(reader, clause)
    if reader.take("and"):
        second = reader.phrase()
        verb, progressive = reader.verb()
        return _done(reader, Clause(Frame.COMPANION, actor, second, verb=verb, progressive=progressive))
    verb, progressive = reader.verb()
    if reader.take("while"):
        second = reader.phrase()
        other, progressive = reader.verb()
        clause = Clause(Frame.WHILE, actor, second, verb=other, second_verb=verb, progressive=progressive)
        return _done(reader, clause)
    frame = {"rest": Frame.REST, "act": Frame.REST, "move": Frame.MOVE}.get(verb.group, Frame.PLAIN)
    return _done(reader, Clause(frame, actor, verb=verb, progressive=progressive))


def _done(reader: Reader, clause: Clause) -> Clause:
    """With the object and the place that may follow the verb."""
    what = None if clause.frame in _MAY_LACK_OBJECT else reader.phrase()
    preposition, place = reader.place()
    return clause._replace(object=what, place=place, preposition=preposition)


def possible_clause(clause: Clause) -> bool:
    """Whether a scene could be as a clause says: people act, only what can be held is held, colours fit the thing."""
    frame, actor, second, what, place = clause.frame, clause.actor, clause.second, clause.object, clause.place
    told = [phrase for phrase in (actor, second, what, place) if phrase]
    if len({phrase.noun.kind for phrase in told}) < len(told) or not all(map(possible_phrase, told)):
        return False
    if place is None:
        if frame not in _MAY_LACK_PLACE:
            return False
    elif place.number > 1 or place.noun.group == "garment" or not _stands(frame, clause.preposition, place.noun):
        return False
    if what and (what.noun.group not in ("thing", *SETTINGS) or (what.number > 1 and frame in _NEVER_TWO)):
        return False
    if frame is Frame.THERE and what and what.determiner != "a":
        return False
    if frame is Frame.PREDICATE:
        return bool(what and what.quality and what.determiner == "the")
    if frame is Frame.THERE:
        return True
    return bool(actor) and _acts(clause) and _accompanied(clause)


_NEVER_TWO = (Frame.RELATIVE, Frame.PREDICATE, Frame.WHILE)


def possible_phrase(phrase: NounPhrase) -> bool:
    """Whether there can be so many of the thing, of such a quality and colour."""
    noun = phrase.noun
    if phrase.number > 1 and not may_be_several(noun):
        return False
    if phrase.colour and not _may_be(noun, phrase.colour.english, phrase.colour.group):
        return False
    return phrase.quality is None or _fits(noun, phrase.quality.english, phrase.quality.group)


def _may_be(noun: Noun, colour: str, group: str) -> bool:
    if group == "colour":
        return "colour" in noun.flags
    return ("stone" if colour == "stone" else "wood") in noun.flags


def _fits(noun: Noun, quality: str, group: str) -> bool:
    if noun.group != "person":
        return group == "any" or (group == "thing" and noun.group == "thing")
    if noun.kind in ("man", "woman"):
        return group in ("person", "adult") or quality == "old"
    return group == "person" or quality in ("small", "big")


def _stands(frame: Frame, preposition: str, noun: Noun) -> bool:
    if frame is Frame.MOVE:
        return preposition in ("to", "around")
    if preposition in ("on", "under"):
        return preposition in noun.flags and frame in (Frame.REST, Frame.COMPANION, Frame.THERE)
    return preposition not in ("to", "around")


def _acts(clause: Clause) -> bool:
    """Whether the actor is somebody, who does what such a clause says."""
    actor, verb, frame = clause.need("actor"), clause.need_verb(), clause.frame
    if actor.noun.group != "person" or (actor.number > 1 and frame in _ALONE):
        return False
    if clause.object:
        holds = verb.group == "handle" and "hold" in clause.object.noun.flags
        # Several people hold one thing, and look at one.
        return (verb.group == "regard" or holds) and not (clause.object.number > 1 and actor.number > 1)
    allowed = {Frame.REST: ("rest", "act"), Frame.COMPANION: ("rest",), Frame.MOVE: ("move",)}
    return verb.group in allowed.get(frame, ())


def _accompanied(clause: Clause) -> bool:
    """Whether the second phrase is what the frame wants there."""
    frame, actor, second = clause.frame, clause.need("actor"), clause.second
    if second is None:
        return True
    if second.number > 1:
        return False
    group, verb = second.noun.group, clause.second_verb
    if frame is Frame.GARMENT:
        return group == "garment" and actor.determiner == second.determiner == "the"
    if frame is Frame.COMPANION:
        owner = "his" if actor.noun.kind in ("man", "boy") else "her"
        return group == "animal" and second.determiner == owner
    if frame is Frame.WHILE:
        return group == "person" and _of(verb, "rest", "act")
    return group == "thing" and _of(verb, "handle") and "hold" in second.noun.flags


def _of(verb: Verb | None, *groups: str) -> bool:
    return verb is not None and verb.group in groups
