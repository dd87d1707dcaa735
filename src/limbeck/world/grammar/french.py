"""French: gender, agreement, the place of the adjective, elision and contraction."""

from __future__ import annotations

from functools import lru_cache

from limbeck.world.grammar.clause import Clause, NounPhrase, finish
from limbeck.world.lexicon import Adjective, Verb
from limbeck.world.scene import Frame

_NUMBERS = {2: "deux", 3: "trois"}
# Those in de and à are contracted with the article that follows.
_PREPOSITIONS = {
    "near": "près de",
    "next to": "à côté de",
    "behind": "derrière",
    "in front of": "devant",
    "on": "sur",
    "under": "sous",
    "to": "jusqu'à",
    "around": "autour de",
}
_CONTRACTIONS = {"de le": "du", "de les": "des", "à le": "au", "à les": "aux"}
_VOWELS = tuple("aàâeéèêëiîïoôuùûœ")


def is_plural(phrase: NounPhrase) -> bool:
    """Whether the phrase takes a plural verb."""
    return phrase.number > 1 or phrase.noun.french.plural_only


def agree(adjective: Adjective, gender: str, *, plural: bool, before_vowel: bool = False) -> str:
    """The form of an adjective: *vieux, vieille, vieil*; the phrase of a material stays as it is."""
    if adjective.group == "material":
        return adjective.french[0]
    if before_vowel and gender == "m" and not plural:
        return adjective.french_before_vowel
    return adjective.french[(1 if gender == "f" else 0) + (2 if plural else 0)]


@lru_cache(maxsize=65536)
def phrase(np: NounPhrase) -> str:
    """A noun phrase: *un vieil homme*, *l'écluse*, *de belles lunettes*, *les deux ballons rouges*."""
    noun, plural = np.noun.french, is_plural(np)
    adjectives = [adjective for adjective in (np.colour, np.quality) if adjective]
    before = [agree(one, noun.gender, plural=plural, before_vowel=noun.elides) for one in adjectives if one.before]
    after = [agree(one, noun.gender, plural=plural) for one in adjectives if not one.before]
    core = [*before, noun.plural if plural else noun.singular, *after]
    elides = core[0].startswith(_VOWELS) if before else noun.elides
    rest = " ".join(core)
    if np.number > 1:
        rest = f"{_NUMBERS[np.number]} {rest}"
        return f"les {rest}" if np.determiner == "the" else rest
    if plural:
        # The indefinite des weakens to de before an adjective.
        article = "les" if np.determiner == "the" else ("de" if before else "des")
        return f"d'{rest}" if article == "de" and elides else f"{article} {rest}"
    if np.determiner in ("his", "her"):
        # French agrees with what is owned, and takes the masculine before a vowel.
        return f"{'son' if noun.gender == 'm' or elides else 'sa'} {rest}"
    if np.determiner == "the":
        return f"l'{rest}" if elides else f"{'la' if noun.gender == 'f' else 'le'} {rest}"
    return f"{'une' if noun.gender == 'f' else 'un'} {rest}"


def join(preposition: str, following: str) -> str:
    """A preposition and a noun phrase, contracted or elided: *du phare*, *d'une tour*, *au chapeau*."""
    if preposition.split(" ")[-1] == "de" and following.startswith(("des ", "de ", "d'")):
        return preposition.removesuffix("de") + following.replace("des ", "de ", 1)  # de swallows the indefinite des
    for apart, together in _CONTRACTIONS.items():
        stem, article = apart.split()
        if (preposition == stem or preposition.endswith((" " + stem, "'" + stem))) and following.startswith(
            article + " "
        ):
            return preposition.removesuffix(stem) + together + following[len(article) :]
    if preposition.split(" ")[-1] == "de" and following.startswith(_VOWELS):
        return preposition[:-1] + "'" + following
    return f"{preposition} {following}"


def verb(verb: Verb, gender: str, *, plural: bool) -> str:
    """A finite verb; *assis* and its like agree with the subject."""
    finite = verb.french[1 if plural else 0].replace("_", " ")
    if "+" not in finite:
        return finite
    ending = {("m", False): "", ("f", False): "e", ("m", True): "", ("f", True): "es"}[gender, plural]
    return finite.replace("+", " ") + ending


def sentence(clause: Clause) -> str:
    """The clause in French."""
    frame = clause.frame
    where = join(_PREPOSITIONS[clause.preposition], phrase(clause.place)) if clause.place else ""
    if frame is Frame.THERE:
        return finish("il y a", phrase(clause.need("object")), where)
    if frame is Frame.PREDICATE:
        thing = clause.need("object")
        plural = is_plural(thing)
        quality = f"très {agree(thing.quality, thing.noun.french.gender, plural=plural)}" if thing.quality else ""
        return finish(phrase(thing._replace(quality=None)), where, "sont" if plural else "est", quality)

    actor = clause.need("actor")
    who, gender, plural = phrase(actor), actor.noun.french.gender, is_plural(actor)
    what = phrase(clause.object) if clause.object else ""
    if frame is Frame.COMPANION:
        second = clause.need("second")
        both = "f" if gender == second.noun.french.gender == "f" else "m"
        return finish(who, "et", phrase(second), verb(clause.need_verb(), both, plural=True), where)
    if frame is Frame.WHILE:
        second = clause.need("second")
        first = verb(clause.need_verb("second_verb"), gender, plural=plural)
        does = verb(clause.need_verb(), second.noun.french.gender, plural=is_plural(second))
        other = phrase(second)
        link = "pendant qu'" + other if other.startswith(_VOWELS) else "pendant que " + other
        return finish(who, first, link, does, what, where)
    finite = verb(clause.need_verb(), gender, plural=plural)
    if frame is Frame.FRONTED:
        return finish(f"{where},", who, finite, what)
    if frame is Frame.GARMENT:
        return finish(who, join("à", phrase(clause.need("second"))), finite, what, where)
    if frame is Frame.RELATIVE:
        does = verb(clause.need_verb("second_verb"), gender, plural=plural)
        return finish(who, "qui", does, phrase(clause.need("second")), finite, what, where)
    return finish(who, finite, what, where)
