import re

import pytest

from limbeck.world import World
from limbeck.world.grammar import SENTENCE, Clause, NounPhrase
from limbeck.world.grammar.clause import Determiner
from limbeck.world.grammar.german import phrase as german_phrase
from limbeck.world.lexicon import LANGUAGES, Adjective, Language, Verb, lexicon
from limbeck.world.scene import Frame

WORDS = lexicon()


def adjective(english: str) -> Adjective:
    return next(one for one in WORDS.adjectives if one.english == english)


def verb(english: str) -> Verb:
    base, _, particle = english.partition(" ")
    return next(one for one in WORDS.verbs if one.english[0] == base and one.english[3] == particle)


def np(kind: str, determiner: Determiner = "a", quality: str = "", colour: str = "", number: int = 1) -> NounPhrase:
    return NounPhrase(
        WORDS.nouns[WORDS.kind_id[kind]],
        number,
        determiner,
        adjective(quality) if quality else None,
        adjective(colour) if colour else None,
    )


SENTENCES = [
    (
        Clause(Frame.PLAIN, np("boy", quality="small"), None, np("ball", colour="red"), np("bridge", "the"), "near",
               verb("throw")),
        "A small boy throws a red ball near the bridge.",
        "Ein kleiner Junge wirft einen roten Ball in der Nähe der Brücke.",
        "Un petit garçon lance un ballon rouge près du pont.",
    ),
    (
        Clause(Frame.REST, np("woman", number=2), place=np("chair", colour="wooden"), preposition="next to",
               verb=verb("sit"), progressive=True),
        "Two women are sitting next to a wooden chair.",
        "Zwei Frauen sitzen neben einem Holzstuhl.",
        "Deux femmes sont assises à côté d'une chaise en bois.",
    ),
    (
        Clause(Frame.GARMENT, np("man", "the"), np("hat", "the"), np("crane:machine"), verb=verb("draw")),
        "The man with the hat draws a crane.",
        "Der Mann mit dem Hut zeichnet einen Kran.",
        "L'homme au chapeau dessine une grue.",
    ),
    (
        Clause(Frame.GARMENT, np("woman", "the"), np("scarf", "the", colour="white"), np("glasses:eyes", quality="old"),
               verb=verb("look for"), progressive=True),
        "The woman with the white scarf is looking for some old glasses.",
        "Die Frau mit dem weißen Schal sucht eine alte Brille.",
        "La femme à l'écharpe blanche cherche de vieilles lunettes.",
    ),
    (
        Clause(Frame.THERE, object=np("glasses:drink", quality="strange"), place=np("lock:canal", "the"),
               preposition="near"),
        "There are some strange glasses near the lock.",
        "In der Nähe der Schleuse befinden sich seltsame Gläser.",
        "Il y a des verres étranges près de l'écluse.",
    ),
    (
        Clause(Frame.THERE, object=np("book", number=2), place=np("glasses:drink"), preposition="near"),
        "There are two books near some glasses.",
        "In der Nähe von Gläsern befinden sich zwei Bücher.",
        "Il y a deux livres près de verres.",
    ),
    (
        Clause(Frame.FRONTED, np("girl", quality="happy"), None, np("bat:animal"), np("waterfall", "the"), "behind",
               verb("look at"), progressive=True),
        "Behind the waterfall, a happy girl is looking at a bat.",
        "Hinter dem Wasserfall sieht ein glückliches Mädchen eine Fledermaus an.",
        "Derrière la cascade, une fille heureuse regarde une chauve-souris.",
    ),
    (
        Clause(Frame.RELATIVE, np("girl"), np("umbrella", colour="blue"), np("bow:weapon", "the", "old"),
               np("tower", colour="stone"), "in front of", verb("look at"), verb("pick up")),
        "A girl who picks up a blue umbrella looks at the old bow in front of a stone tower.",
        "Ein Mädchen, das einen blauen Regenschirm aufhebt, sieht den alten Bogen vor einem Steinturm an.",
        "Une fille qui ramasse un parapluie bleu regarde le vieil arc devant une tour en pierre.",
    ),
    (
        Clause(Frame.PREDICATE, object=np("seal:animal", "the", "old"), place=np("anchor"), preposition="behind"),
        "The seal behind an anchor is very old.",
        "Die Robbe hinter einem Anker ist sehr alt.",
        "Le phoque derrière une ancre est très vieux.",
    ),
    (
        Clause(Frame.PREDICATE, object=np("glasses:eyes", "the", "beautiful"), place=np("boy", "the", "small"),
               preposition="next to"),
        "The glasses next to the small boy are very beautiful.",
        "Die Brille neben dem kleinen Jungen ist sehr schön.",
        "Les lunettes à côté du petit garçon sont très belles.",
    ),
    (
        Clause(Frame.COMPANION, np("nurse:woman", "the"), np("donkey", "her"), place=np("seagull", "the", "small"),
               preposition="next to", verb=verb("sit")),
        "The nurse and her donkey sit next to the small seagull.",
        "Die Krankenschwester und ihr Esel sitzen neben der kleinen Möwe.",
        "L'infirmière et son âne sont assis à côté de la petite mouette.",
    ),
    (
        Clause(Frame.COMPANION, np("woman"), np("goat", "her"), place=np("desk", "the", "old"), preposition="on",
               verb=verb("stand"), progressive=True),
        "A woman and her goat are standing on the old desk.",
        "Eine Frau und ihre Ziege stehen auf dem alten Schreibtisch.",
        "Une femme et sa chèvre sont debout sur le vieux bureau.",
    ),
    (
        Clause(Frame.WHILE, np("farmer:man", quality="old"), np("woman"), np("boat", colour="wooden"),
               np("sailor", "the"), "behind", verb("look at"), verb("sleep"), True),
        "An old farmer is sleeping while a woman is looking at a wooden boat behind the sailor.",
        "Ein alter Bauer schläft, während eine Frau ein Holzboot hinter dem Matrosen ansieht.",
        "Un vieux fermier dort pendant qu'une femme regarde un bateau en bois derrière le marin.",
    ),
    (
        Clause(Frame.MOVE, np("boy", "the", "tired", number=3), place=np("lighthouse", "the"), preposition="to",
               verb=verb("run"), progressive=True),
        "The three tired boys are running to the lighthouse.",
        "Die drei müden Jungen rennen zum Leuchtturm.",
        "Les trois garçons fatigués courent jusqu'au phare.",
    ),
    (
        Clause(Frame.MOVE, np("student:man", quality="tall"), place=np("hurdle", "the", "big"), preposition="to",
               verb=verb("crawl")),
        "A tall student crawls to the big hurdle.",
        "Ein großer Student kriecht zur großen Hürde.",
        "Un étudiant grand rampe jusqu'à la grande haie.",
    ),
    (
        Clause(Frame.MOVE, np("man", quality="old"), place=np("heron", "the"), preposition="around", verb=verb("walk")),
        "An old man walks around the heron.",
        "Ein alter Mann geht um den Reiher.",
        "Un vieil homme marche autour du héron.",
    ),
    (
        Clause(Frame.PLAIN, np("woman", "the", "young"), None, np("student:man", "the"), np("hotel", "the"), "near",
               verb("film")),
        "The young woman films the student near the hotel.",
        "Die junge Frau filmt den Studenten in der Nähe des Hotels.",
        "La jeune femme filme l'étudiant près de l'hôtel.",
    ),
    (
        Clause(Frame.PLAIN, np("man"), None, np("knife", "the", "beautiful", "wooden", number=2),
               np("coach:bus", quality="small"), "next to", verb("clean"), progressive=True),
        "A man is cleaning the two beautiful wooden knives next to a small coach.",
        "Ein Mann putzt die zwei schönen Holzmesser neben einem kleinen Reisebus.",
        "Un homme nettoie les deux beaux couteaux en bois à côté d'un petit autocar.",
    ),
]  # fmt: skip


@pytest.mark.parametrize("row", range(len(SENTENCES)))
@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_read_as_a_native_would_write_them(row: int, language: Language) -> None:
    clause, *expected = SENTENCES[row]
    assert SENTENCE[language](clause) == expected[LANGUAGES.index(language)]


@pytest.mark.parametrize(
    ("phrase", "cases"),
    [
        (np("ball", "the", "old"), "der alte Ball/den alten Ball/dem alten Ball/des alten Balls"),
        (np("boy", "a", "big"), "ein großer Junge/einen großen Jungen/einem großen Jungen/eines großen Jungen"),
        (np("cat", "a", "old"), "eine alte Katze/eine alte Katze/einer alten Katze/einer alten Katze"),
        (np("book", "a", "new"), "ein neues Buch/ein neues Buch/einem neuen Buch/eines neuen Buchs"),
        (
            np("apple", "a", "", "red", 2),
            "zwei rote Äpfel/zwei rote Äpfel/zwei roten Äpfeln/zwei roter Äpfel",
        ),
        (np("man", "the", number=3), "die drei Männer/die drei Männer/den drei Männern/der drei Männer"),
        (np("coach:bus", "the"), "der Reisebus/den Reisebus/dem Reisebus/des Reisebusses"),
        (np("pumpkin", "the"), "der Kürbis/den Kürbis/dem Kürbis/des Kürbisses"),
        (np("man", "the"), "der Mann/den Mann/dem Mann/des Mannes"),
        (np("chair", "the", "", "metal"), "der Metallstuhl/den Metallstuhl/dem Metallstuhl/des Metallstuhls"),
    ],
)
def test_german_declines(phrase: NounPhrase, cases: str) -> None:
    got = [german_phrase(phrase, "nom"), german_phrase(phrase, "acc"), german_phrase(phrase, "dat"),
           german_phrase(phrase, "gen")]  # fmt: skip
    assert got == cases.split("/")


@pytest.fixture(scope="module")
def captions() -> dict[str, list[str]]:
    many: dict[str, list[str]] = {language: [] for language in LANGUAGES}
    for share in (0.1, 1.0):
        scenes = World(seed=11, ambiguous_share=share).scenes("train", count=3000)
        for language in LANGUAGES:
            many[language] += scenes.captions(language)
    scenes = World(seed=11).scenes("ambiguous", count=1000)
    for language in LANGUAGES:
        many[language] += scenes.captions(language)
    return many


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_caption_is_one_well_formed_sentence(captions: dict[str, list[str]], language: str) -> None:
    for caption in captions[language]:
        assert caption[0].isupper()
        assert caption.endswith(".")
        assert caption.count(".") == 1
        assert "  " not in caption
        assert " ," not in caption
        assert 6 <= len(caption.split()) <= 16, caption


def test_english_articles_agree(captions: dict[str, list[str]]) -> None:
    text = " ".join(captions["en"]).lower()
    assert not re.search(r"\ba [aeio]", text)
    assert not re.search(r"\ban [^aeiou]", text)
    assert not re.search(r"\b(two|three) (the|a|an)\b", text)


def test_french_elides_and_contracts(captions: dict[str, list[str]]) -> None:
    vowel = "[aeiouâéèêîôû]"
    text = " ".join(captions["fr"]).lower()
    assert not re.search(rf"\b(le|la|de|que) {vowel}", text)
    assert not re.search(r"\b(de|à) (le|les)\b|\bde des\b", text)
    assert not re.search(rf"\b(beau|vieux) {vowel}[a-zé-]+ (est|devant|derrière)\b", text)
    assert not re.search(r"\b[ld]'[^aeiouâéèêîôûh]", text)
    assert not re.search(r"\b[ld]'(héron|hérisson|haie|homard)", text)


def test_french_articles_have_the_gender_of_their_noun(captions: dict[str, list[str]]) -> None:
    gender = {noun.french.singular: noun.french.gender for noun in WORDS.nouns}
    before = [one for one in WORDS.adjectives if one.before]
    singular_adjectives = {form: i for one in before for i, form in enumerate(one.french[:2])}
    checked = 0
    for caption in captions["fr"]:
        words = caption.lower().rstrip(".").replace(",", "").split()
        for article, first, second in zip(words, words[1:], [*words[2:], ""], strict=False):
            if article not in ("un", "une", "le", "la", "du", "au"):
                continue
            noun = second if first in singular_adjectives or first in ("vieil", "bel") else first
            if noun in gender:
                checked += 1
                assert gender[noun] == ("f" if article in ("une", "la") else "m"), caption
                if first in singular_adjectives and first != "jeune":
                    assert singular_adjectives[first] == (gender[noun] == "f"), caption
    assert checked > 5000


def test_german_articles_and_endings_agree_with_the_noun(captions: dict[str, list[str]]) -> None:
    """Every article before a singular noun, with its adjectives' ending, is one its gender allows in some case."""
    gender = {noun.german.singular: noun.german.gender for noun in WORDS.nouns if not noun.german.plural_only}
    same_in_plural = {noun.german.singular for noun in WORDS.nouns if noun.german.singular == noun.german.plural}
    allowed = {
        "m": {("der", "e"), ("den", "en"), ("dem", "en"), ("ein", "er"), ("einen", "en"), ("einem", "en"),
              ("zum", "en")},
        "f": {("die", "e"), ("der", "en"), ("eine", "e"), ("einer", "en"), ("zur", "en")},
        "n": {("das", "e"), ("dem", "en"), ("ein", "es"), ("einem", "en"), ("zum", "en")},
    }  # fmt: skip
    stems = {one.german for one in WORDS.adjectives if one.group != "material"}
    weak = {noun.german.oblique for noun in WORDS.nouns if noun.german.weak}
    checked = 0
    pattern = r"\b(der|die|das|den|dem|ein|eine|einen|einem|einer|zum|zur) ((?:[a-zäöüß]+ )*)([A-ZÄÖÜ][\w-]+)"
    for caption in captions["de"]:
        for article, adjectives, noun in re.findall(
            pattern, re.sub(", (der|die|das) ", ", ", caption[0].lower() + caption[1:])
        ):
            if noun not in gender or noun in weak or noun in same_in_plural:
                continue
            for adjective in adjectives.split():
                match = re.fullmatch(r"(.*?)(e|en|er|es)", adjective)
                assert match, caption
                assert match[1] in stems, caption
                assert (article, match[2]) in allowed[gender[noun]], caption
            assert article in {one for one, _ in allowed[gender[noun]]}, caption
            checked += 1
    assert checked > 5000


def test_german_verbs_stand_second_and_last(captions: dict[str, list[str]]) -> None:
    finite = {form for one in WORDS.verbs for form in one.german[:2]} | {"befindet", "befinden", "ist", "sind"}
    joined = {one.german[2] + form for one in WORDS.verbs for form in one.german[:2]}
    for caption in captions["de"]:
        if ", während " in caption:
            assert caption.rstrip(".").split()[-1] in joined, caption
        if match := re.search(r", (der|die|das) [^,]* (\w+), (\w+) ", caption):
            assert match[2] in joined, caption
            assert match[3] in finite, caption
        if caption.split()[0] in ("Hinter", "Vor", "Neben", "In"):
            assert sum(word in finite for word in caption.rstrip(".").split()) == 1, caption


def test_every_word_is_in_the_lexicon(captions: dict[str, list[str]]) -> None:
    function = {
        "en": "a an the some two three his her and with who while very there is are near next to behind in front of on "
        "under around",
        "de": "der die das den dem des ein eine einen einem einer eines zwei drei sein seine ihr ihre und mit während "
        "sehr befindet befinden sich ist sind in nähe von neben hinter vor auf unter zum zur zu um",
        "fr": "un une le la les l d de des du deux trois son sa et à au aux qui pendant que qu très il y a est sont "
        "près côté derrière devant sur sous jusqu autour assis assise assises debout en",
    }
    for language in LANGUAGES:
        known = set(function[language].split())
        for noun in WORDS.nouns:
            known |= set(noun.forms(language))
            if language == "de":
                known |= {m.german.lower() + form for m in WORDS.adjectives if m.group == "material"
                          for form in noun.forms("de")}  # fmt: skip
        for one in WORDS.verbs:
            joined = {one.german[2] + form for form in one.german[:2]}
            forms = {"en": one.english, "de": (*one.german, *joined), "fr": one.french}[language]
            known |= {form.lower() for form in forms}
        for adjective in WORDS.adjectives:
            if language == "en":
                known.add(adjective.english)
            elif language == "de":
                known |= {adjective.german + ending for ending in ("e", "en", "er", "es")}
                known.add(adjective.german_predicate)
            else:
                known |= {*" ".join(adjective.french).split(), adjective.french_before_vowel}
        used = set(re.findall(r"[^\W_]+(?:-[^\W_]+)*", " ".join(captions[language]).lower()))
        assert used <= known, sorted(used - known)
