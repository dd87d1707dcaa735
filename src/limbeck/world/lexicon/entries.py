"""What the lexicon knows of one word in each language."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Language = Literal["en", "de", "fr"]
LANGUAGES: tuple[Language, ...] = ("en", "de", "fr")

_FRENCH_VOWELS = tuple("aàâeéèêëiîïoôuùûœh")


def language_of(name: str) -> Language:
    """The language of a name.

    Raises:
        ValueError: There is no such language.
    """
    for language in LANGUAGES:
        if language == name:
            return language
    raise ValueError(f"no language {name!r}: choose from {', '.join(LANGUAGES)}")


@dataclass(frozen=True, eq=False)
class EnglishNoun:
    """An English noun; ``plural_only`` for *glasses*."""

    singular: str
    plural: str
    plural_only: bool = False

    @cached_property
    def forms(self) -> tuple[str, ...]:
        """All inflected forms."""
        return tuple(dict.fromkeys((self.singular, self.plural)))


@dataclass(frozen=True, eq=False)
class GermanNoun:
    """A German noun with its gender ``m``, ``f`` or ``n``; ``weak`` for *der Junge, den Jungen*."""

    gender: str
    singular: str
    plural: str
    weak: bool = False
    plural_only: bool = False

    @cached_property
    def dative_plural(self) -> str:
        """*Bälle* to *Bällen*; plurals in -n and -s stay."""
        return self.plural if self.plural[-1] in "ns" else self.plural + "n"

    @cached_property
    def genitive(self) -> str:
        """The genitive singular: -n when weak, -es after sibilants and in short words, else -s."""
        if self.gender == "f":
            return self.singular
        if self.weak:
            return self.oblique
        if re.search(r"(s|ß|x|z|sch|st)$", self.singular):
            return self.singular + ("ses" if self.singular.endswith(("bus", "bis")) else "es")
        one_syllable = len(re.findall(r"[aeiouäöüy]+", self.singular.lower())) == 1
        return self.singular + ("es" if one_syllable and re.search(r"([bdgkt]|nn)$", self.singular) else "s")

    @cached_property
    def oblique(self) -> str:
        """The singular outside the nominative, which differs in weak nouns alone."""
        if not self.weak:
            return self.singular
        return self.singular + ("n" if self.singular[-1] in "er" else "en")

    @cached_property
    def forms(self) -> tuple[str, ...]:
        """All inflected forms."""
        forms = (self.singular, self.oblique, self.genitive, self.plural, self.dative_plural)
        return tuple(dict.fromkeys(forms))


@dataclass(frozen=True, eq=False)
class FrenchNoun:
    """A French noun with its gender ``m`` or ``f``; ``elides`` unless it begins with a consonant or an aspirated h."""

    gender: str
    singular: str
    plural: str
    elides: bool
    plural_only: bool = False

    @cached_property
    def forms(self) -> tuple[str, ...]:
        """All inflected forms."""
        return tuple(dict.fromkeys((self.singular, self.plural)))


@dataclass(frozen=True, eq=False)
class Noun:
    """One kind of thing, and its noun in each language.

    Args:
        kind: The name of the kind: the English noun, with the sense where it has several (``bat:animal``).
        group: The setting it belongs to, or ``person``, ``animal``, ``thing``, ``garment``, ``profession``.
        flags: What a scene may do with it: ``hold``, ``on``, ``under``, ``colour``, ``wood``, ``stone``.
    """

    kind: str
    group: str
    english: EnglishNoun
    german: GermanNoun
    french: FrenchNoun
    flags: frozenset[str]

    def entry(self, language: Language) -> EnglishNoun | GermanNoun | FrenchNoun:
        """The noun of a language."""
        match language:
            case "en":
                return self.english
            case "de":
                return self.german
            case "fr":
                return self.french

    def forms(self, language: Language) -> tuple[str, ...]:
        """All inflected forms in a language, in lower case."""
        return tuple(form.lower() for form in self.entry(language).forms)

    @classmethod
    def parse(cls, kind: str | None, group: str, line: str) -> Noun:
        """Read one line of the noun tables (see `limbeck.world.lexicon.nouns`).

        Example:
            >>> noun = Noun.parse(None, "river", "heron | m Reiher Reiher | m *héron | hold")
            >>> noun.english.plural, noun.french.elides
            ('herons', False)
        """
        english, german, french, flags = (column.split() for column in line.split("|"))
        gender_de, singular_de, plural_de = german[:3]
        gender_fr, singular_fr = french[0], french[1].lstrip("*")
        return cls(
            kind or english[0],
            group,
            EnglishNoun(english[0], english[1] if len(english) > 1 else english[0] + "s", english[-1] == "+"),
            GermanNoun(gender_de[0], singular_de, plural_de, gender_de.endswith("*"), german[-1] == "+"),
            FrenchNoun(
                gender_fr,
                singular_fr,
                _french_plural(singular_fr, french[2:]),
                singular_fr.startswith(_FRENCH_VOWELS) and not french[1].startswith("*"),
                french[-1] == "+",
            ),
            frozenset(flags),
        )


def _french_plural(singular: str, given: list[str]) -> str:
    return given[0] if given else singular + "s"


@dataclass(frozen=True, eq=False)
class Verb:
    """A verb in the third person.

    Args:
        english: Base form, third person, -ing form, particle (may be empty).
        german: Singular, plural, separable particle (may be empty).
        french: Singular and plural.
    """

    group: str
    english: tuple[str, str, str, str]
    german: tuple[str, str, str]
    french: tuple[str, str]

    @property
    def particle_words(self) -> int:
        """How many words beyond the verb itself it takes, in the language that needs most."""
        return max(bool(self.english[3]), bool(self.german[2]), "+" in self.french[0] or "_" in self.french[0])

    @classmethod
    def parse(cls, group: str, line: str) -> Verb:
        """Read one line of the verb table (see `limbeck.world.lexicon.verbs`)."""
        english, german, french = (column.split() for column in line.split("|"))
        base, third, ing, *particle = english
        singular, plural, *german_particle = german
        return cls(
            group,
            (base, third, ing, "".join(particle)),
            (singular, plural, "".join(german_particle)),
            (french[0], french[1]),
        )


@dataclass(frozen=True, eq=False)
class Adjective:
    """An adjective or a material.

    Args:
        group: ``any``, ``thing``, ``adult``, ``person``, ``colour`` or ``material``.
        german: Stem before endings, or the first part of a compound for a material.
        german_predicate: The form after *ist*.
        french: Masculine, feminine, masculine plural, feminine plural; a material has its one phrase.
        before: Whether French puts it before its noun.
        french_before_vowel: The masculine singular before a vowel (*vieil*).
    """

    group: str
    english: str
    german: str
    german_predicate: str
    french: tuple[str, ...]
    before: bool
    french_before_vowel: str

    @classmethod
    def parse(cls, group: str, line: str) -> Adjective:
        """Read one line of the adjective table (see `limbeck.world.lexicon.adjectives`)."""
        english, german, french = (column.strip() for column in line.split("|"))
        if group == "material":
            return cls(group, english, german, german, (french,), False, french)
        stem, *predicate = german.split()
        forms = french.split()
        special = forms[5] if len(forms) > 5 else forms[0]
        return cls(
            group, english, stem, predicate[0] if predicate else stem, tuple(forms[:4]), forms[4] == "before", special
        )
