"""English: a or an, plurals, the third person, the progressive."""

from __future__ import annotations

from functools import lru_cache

from limbeck.world.grammar.clause import Clause, NounPhrase, finish
from limbeck.world.lexicon import Verb
from limbeck.world.scene import Frame

_NUMBERS = {2: "two", 3: "three"}


def is_plural(phrase: NounPhrase) -> bool:
    """Whether the phrase takes a plural verb."""
    return phrase.number > 1 or phrase.noun.english.plural_only


@lru_cache(maxsize=65536)
def phrase(np: NounPhrase) -> str:
    """A noun phrase: *an old red boat*, *the two boats*, *some glasses*."""
    noun = np.noun.english
    words = [adjective.english for adjective in (np.quality, np.colour) if adjective]
    words.append(noun.plural if is_plural(np) else noun.singular)
    if np.number > 1:
        words.insert(0, _NUMBERS[np.number])
        return " ".join(["the", *words] if np.determiner == "the" else words)
    if np.determiner != "a":
        return " ".join([np.determiner, *words])
    if noun.plural_only:
        return " ".join(["some", *words])
    return " ".join(["an" if words[0][0] in "aeiou" else "a", *words])


def verb(verb: Verb, *, plural: bool, progressive: bool) -> str:
    """A finite verb with its particle: *picks up*, *are looking at*."""
    base, third, ing, particle = verb.english
    if progressive:
        finite = f"{'are' if plural else 'is'} {ing}"
    else:
        finite = base if plural else third
    return f"{finite} {particle}" if particle else finite


def sentence(clause: Clause) -> str:
    """The clause in English."""
    frame = clause.frame
    place = f"{clause.preposition} {phrase(clause.place)}" if clause.place else ""
    if frame is Frame.THERE:
        thing = clause.need("object")
        return finish("there", "are" if is_plural(thing) else "is", phrase(thing), place)
    if frame is Frame.PREDICATE:
        thing = clause.need("object")
        quality = f"very {thing.quality.english}" if thing.quality else ""
        be = "are" if is_plural(thing) else "is"
        return finish(phrase(thing._replace(quality=None)), place, be, quality)

    actor = clause.need("actor")
    who, plural = phrase(actor), is_plural(actor)
    finite = verb(clause.need_verb(), plural=plural or frame is Frame.COMPANION, progressive=clause.progressive)
    what = phrase(clause.object) if clause.object else ""
    if frame is Frame.FRONTED:
        return finish(f"{place},", who, finite, what)
    if frame is Frame.GARMENT:
        return finish(who, "with", phrase(clause.need("second")), finite, what, place)
    if frame is Frame.RELATIVE:
        does = verb(clause.need_verb("second_verb"), plural=plural, progressive=False)
        return finish(who, "who", does, phrase(clause.need("second")), finite, what, place)
    if frame is Frame.COMPANION:
        return finish(who, "and", phrase(clause.need("second")), finite, place)
    if frame is Frame.WHILE:
        does = verb(clause.need_verb("second_verb"), plural=plural, progressive=clause.progressive)
        return finish(who, does, "while", phrase(clause.need("second")), finite, what, place)
    return finish(who, finite, what, place)
