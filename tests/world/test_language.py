"""The language: what is said is valid and can be read back, and what is broken is not."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from limbeck.errors import LimbeckError
from limbeck.world import World
from limbeck.world.language import TOPICS, Language, Topic, noise, repetitions, vocabulary
from limbeck.world.scene import SETTINGS

LANGUAGE = Language(seed=3)


def valid(sentence: str) -> bool:
    words = vocabulary()
    return LANGUAGE.is_valid([words.start, *words.encode(sentence.split()), words.end])


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_what_is_said_is_read_back_whole(split: str) -> None:
    texts, sequences = LANGUAGE.texts(split, count=2000), LANGUAGE.sequences(split, count=2000)
    assert [LANGUAGE.read_ids(ids) for ids in sequences] == texts
    assert {text.topic for text in texts} == set(TOPICS)
    assert max(map(len, sequences)) <= 40


def test_facts_of_the_scene_are_in_the_text() -> None:
    scenes = World(3, ambiguous_share=0.0).scenes("test", count=600)
    captions = Language(3, topics=("caption",)).sequences("test", count=600)
    places = Language(3, topics=("place",)).sequences("test", count=600)
    lists = Language(3, topics=("list",)).sequences("test", count=600)
    for clause, setting, caption, place, listed in zip(
        scenes.clauses, scenes.setting.tolist(), captions, places, lists, strict=True
    ):
        read = LANGUAGE.read_ids(caption)
        assert read is not None
        assert read.clause == clause
        assert LANGUAGE.mode_of(place) == f"place/{SETTINGS[setting]}"
        inventory = LANGUAGE.read_ids(listed)
        assert inventory is not None
        told = [phrase.noun for phrase in (clause.actor, clause.second, clause.object, clause.place) if phrase]
        assert [thing.noun for thing in inventory.things] == told


def test_each_text_depends_on_seed_and_number_alone() -> None:
    whole = LANGUAGE.sequences("train", count=50)
    assert LANGUAGE.sequences("train", start=20, count=10) == whole[20:30]
    assert Language(seed=4).sequences("train", count=50) != whole
    assert LANGUAGE.sequences("val", count=50) != whole


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("a boy throws a ball near the bridge .", "a boy throw a ball near the bridge ."),
        ("two boys throw a ball near the bridge .", "two boys throws a ball near the bridge ."),
        ("an old man is running around the statue .", "a old man is running around the statue ."),
        ("a boy and his dog are waiting behind the fence .", "a boy and her dog are waiting behind the fence ."),
        ("is the hat red ? no , it is blue .", "is the hat red ? yes , it is blue ."),
        ("are the two balls red ? yes , they are red .", "are the two balls red ? yes , it is red ."),
        ("where is the heron ? the heron is at the river .", "where is the heron ? the heron is in the kitchen ."),
        ("where is the oven ? the oven is in the kitchen .", "where is the oven ? the fridge is in the kitchen ."),
        ("who throws the ball ? a boy throws the ball .", "who throws the ball ? a boy throws the hat ."),
        ("who throws the ball ? two boys throw the ball .", "who throws the ball ? two boys throws the ball ."),
        ("in the castle : a boy and a tower .", "in the castle : a boy and an oven ."),
        ("do not carry the ball , carry the bag .", "do not carry the ball , throw the bag ."),
        ("please look at the tower near a boy .", "please carry the tower near a boy ."),
        ("a boy looks at the tower near a cat .", "a boy carries the tower near a cat ."),
        ("the box next to the shovel is very small .", "the box next to the shovel is very tired ."),
    ],
)
def test_agreement_truth_and_what_can_be(right: str, wrong: str) -> None:
    assert valid(right)
    assert not valid(wrong)


def test_unfinished_and_empty_are_no_texts() -> None:
    ids = LANGUAGE.sequences("test", count=1)[0]
    assert LANGUAGE.is_valid(ids)
    assert not LANGUAGE.is_valid(ids[:-1])
    assert not LANGUAGE.is_valid([])
    assert LANGUAGE.topic_of(ids[:-1]) is LANGUAGE.mode_of(ids[:-1]) is None


def test_corrupted_texts_are_seldom_texts() -> None:
    """Some changes make another text: a colour left out, one noun for another."""
    chance, left = random.Random(1), 0
    sequences = LANGUAGE.sequences("test", count=1500)
    for ids in sequences:
        at = chance.randrange(1, len(ids) - 2)
        kind = chance.choice(("swap", "drop", "replace"))
        changed = list(ids)
        if kind == "swap":
            changed[at], changed[at + 1] = changed[at + 1], changed[at]
        elif kind == "drop":
            del changed[at]
        else:
            changed[at] = chance.randrange(3, len(vocabulary()))
        left += changed != ids and LANGUAGE.is_valid(changed)
    assert left < 0.05 * len(sequences)


def test_topics_are_as_frequent_as_they_are_weighed() -> None:
    language = Language(topics=("caption", "colour"), weights=(3.0, 1.0))
    topics = Counter(text.topic for text in language.texts("train", count=4000))
    assert topics["caption"] / 4000 == pytest.approx(0.75, abs=0.03)
    assert set(topics) == {"caption", "colour"}


@pytest.mark.parametrize(
    ("topics", "weights", "message"),
    [
        (("captions",), (), "topics: there is no 'captions'; did you mean 'caption'"),
        ((), (), "topics: got"),
        (("caption",), (1.0, 2.0), "weights: got"),
    ],
)
def test_mistakes(topics: tuple[Topic, ...], weights: tuple[float, ...], message: str) -> None:
    with pytest.raises(LimbeckError, match=message):
        Language(topics=topics, weights=weights)


def test_words_that_the_language_lacks() -> None:
    with pytest.raises(LimbeckError, match="no word 'zebra'"):
        vocabulary().encode(["zebra"])


def test_fillers_are_no_language() -> None:
    random_words, repeated = noise("train", count=300), repetitions("train", count=300)
    assert not any(map(LANGUAGE.is_valid, [*random_words, *repeated]))
    assert noise("train", start=100, count=5) == random_words[100:105]
    assert repetitions("train", start=100, count=5) == repeated[100:105]
    assert len({word for ids in repeated for word in ids[1:-1]}) == 8
    assert all(len(set(ids[1:-1])) == 1 for ids in repeated)
    assert len({word for ids in random_words for word in ids[1:-1]}) > 350
    assert noise("val", count=3) != random_words[:3]


def test_thousands_of_texts_have_thousands_of_forms() -> None:
    """Texts are as many as scenes: a model cannot learn them by heart."""
    sequences = Language(seed=0).sequences("train", count=10_000)
    assert len(set(map(tuple, sequences))) > 7000
