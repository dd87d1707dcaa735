"""German: gender, four cases, three declensions of the adjective, compounds, verb second and verb last."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from limbeck.world.grammar.clause import Clause, Determiner, NounPhrase, finish
from limbeck.world.lexicon import Adjective, Verb
from limbeck.world.lexicon.entries import GermanNoun
from limbeck.world.scene import Frame

Case = Literal["nom", "acc", "dat", "gen"]

# Columns: masculine, feminine, neuter, plural.
_COLUMN = {"m": 0, "f": 1, "n": 2, "p": 3}
_THE = {
    "nom": ("der", "die", "das", "die"),
    "acc": ("den", "die", "das", "die"),
    "dat": ("dem", "der", "dem", "den"),
    "gen": ("des", "der", "des", "der"),
}
_A = {
    "nom": ("ein", "eine", "ein"),
    "acc": ("einen", "eine", "ein"),
    "dat": ("einem", "einer", "einem"),
    "gen": ("eines", "einer", "eines"),
}
_AFTER_THE = {
    "nom": ("e", "e", "e", "en"),
    "acc": ("en", "e", "e", "en"),
    "dat": ("en", "en", "en", "en"),
    "gen": ("en", "en", "en", "en"),
}
_AFTER_A = {
    "nom": ("er", "e", "es"),
    "acc": ("en", "e", "es"),
    "dat": ("en", "en", "en"),
    "gen": ("en", "en", "en"),
}
_ALONE = {"nom": "e", "acc": "e", "dat": "en", "gen": "er"}  # plural only
_WHO = ("der", "die", "das", "die")  # relative pronoun, nominative
_NUMBERS = {2: "zwei", 3: "drei"}
_OWNERS = {"his": "sein", "her": "ihr"}
_PREPOSITIONS: dict[str, tuple[str, Case]] = {
    "near": ("in der Nähe", "gen"),
    "next to": ("neben", "dat"),
    "behind": ("hinter", "dat"),
    "in front of": ("vor", "dat"),
    "on": ("auf", "dat"),
    "under": ("unter", "dat"),
    "to": ("zu", "dat"),
    "around": ("um", "acc"),
}
_CONTRACTIONS = {"zu dem": "zum", "zu der": "zur"}


def is_plural(phrase: NounPhrase) -> bool:
    """Whether the phrase takes a plural verb."""
    return phrase.number > 1 or phrase.noun.german.plural_only


def inflect(noun: GermanNoun, case: Case, *, plural: bool) -> str:
    """The noun in a case: *Junge, Jungen*; *Ball, Balls, Bällen*."""
    if plural:
        return noun.dative_plural if case == "dat" else noun.plural
    if case == "nom":
        return noun.singular
    return noun.genitive if case == "gen" else noun.oblique


@lru_cache(maxsize=65536)
def phrase(np: NounPhrase, case: Case) -> str:
    """A noun phrase in a case: *einen alten roten Ball*, *den zwei Bällen*, *ihr Hund*."""
    noun, plural = np.noun.german, is_plural(np)
    column = 3 if plural else _COLUMN[noun.gender]
    definite = np.determiner == "the"
    words = []
    if definite:
        words.append(_THE[case][column])
        ending = _AFTER_THE[case][column]
    elif plural:
        ending = _ALONE[case]
    else:
        article = _A[case][column]
        if np.determiner in _OWNERS:
            article = _OWNERS[np.determiner] + article.removeprefix("ein")
        words.append(article)
        ending = _AFTER_A[case][column]
    if np.number > 1:
        words.append(_NUMBERS[np.number])
    head = inflect(noun, case, plural=plural)
    for adjective in (np.quality, np.colour):
        if adjective is None:
            continue
        if adjective.group == "material":
            head = compound(adjective, head)
        else:
            words.append(adjective.german + ending)
    return " ".join([*words, head])


def compound(material: Adjective, head: str) -> str:
    """*Holz* and *Stuhl* make *Holzstuhl*; the head keeps its gender, its plural and its case."""
    return material.german + head[0].lower() + head[1:]


def place(clause: Clause) -> str:
    """The prepositional phrase, with the case that the preposition governs; empty without one."""
    if clause.place is None:
        return ""
    preposition, case = _PREPOSITIONS[clause.preposition]
    if case == "gen" and is_plural(clause.place) and clause.place.determiner != "the":
        # Without an article nothing would show the genitive.
        preposition, case = f"{preposition} von", "dat"
    text = f"{preposition} {phrase(clause.place, case)}"
    for long, short in _CONTRACTIONS.items():
        if text.startswith(long + " "):
            return short + text[len(long) :]
    return text


def verb_last(verb: Verb, *, plural: bool) -> str:
    """The verb at the end of a subordinate clause, its particle joined to it: *ansieht*."""
    return verb.german[2] + verb.german[1 if plural else 0]


def sentence(clause: Clause) -> str:
    """The clause in German."""
    frame, where = clause.frame, place(clause)
    if frame is Frame.THERE:
        thing = clause.need("object")
        return finish(where, "befinden" if is_plural(thing) else "befindet", "sich", phrase(thing, "nom"))
    if frame is Frame.PREDICATE:
        thing = clause.need("object")
        quality = f"sehr {thing.quality.german_predicate}" if thing.quality else ""
        be = "sind" if is_plural(thing) else "ist"
        return finish(phrase(thing._replace(quality=None), "nom"), where, be, quality)

    actor, verb = clause.need("actor"), clause.need_verb()
    who, plural = phrase(actor, "nom"), is_plural(actor)
    finite, particle = verb.german[1 if plural or frame is Frame.COMPANION else 0], verb.german[2]
    what = phrase(clause.object, "acc") if clause.object else ""
    if frame is Frame.FRONTED:
        return finish(where, finite, who, what, particle)
    if frame is Frame.GARMENT:
        return finish(who, "mit", phrase(clause.need("second"), "dat"), finite, what, where, particle)
    if frame is Frame.RELATIVE:
        pronoun = _WHO[3 if plural else _COLUMN[actor.noun.german.gender]]
        does = verb_last(clause.need_verb("second_verb"), plural=plural)
        held = phrase(clause.need("second"), "acc")
        return finish(f"{who},", pronoun, held, f"{does},", finite, what, where, particle)
    if frame is Frame.COMPANION:
        # The possessive goes by the owner's gender in the grammar: ein Mädchen und sein Hund.
        owner: Determiner = "her" if actor.noun.german.gender == "f" else "his"
        second = clause.need("second")._replace(determiner=owner)
        return finish(who, "und", phrase(second, "nom"), finite, where, particle)
    if frame is Frame.WHILE:
        first = clause.need_verb("second_verb").german[1 if plural else 0]
        second = clause.need("second")
        last = verb_last(verb, plural=is_plural(second))
        return finish(who, f"{first},", "während", phrase(second, "nom"), what, where, last)
    return finish(who, finite, what, where, particle)
