import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from limbeck.world import Split, World
from limbeck.world.lexicon import LANGUAGES, lexicon


def test_a_scene_is_the_same_in_any_batch() -> None:
    world = World(seed=3)
    for split in Split:
        whole, part = world.scenes(split, start=0, count=300), world.scenes(split, start=200, count=50)
        np.testing.assert_array_equal(whole.images()[200:250], part.images())
        np.testing.assert_array_equal(whole.masks()[200:250], part.masks())
        np.testing.assert_array_equal(whole.boxes()[200:250], part.boxes())
        np.testing.assert_array_equal(whole.labels()[200:250], part.labels())
        assert whole.ambiguous[200:250] == part.ambiguous
        for language in LANGUAGES:
            assert whole.captions(language)[200:250] == part.captions(language)


def test_another_seed_and_another_split_are_other_scenes() -> None:
    streams = [World(seed=seed).scenes(split, count=400) for seed in (0, 1) for split in ("train", "val", "test")]
    pictures = [scenes.images().reshape(400, -1) for scenes in streams]
    assert len({row.tobytes() for batch in pictures for row in batch}) == 6 * 400


def test_splits_share_hardly_a_sentence() -> None:
    world = World(seed=0)
    train, test = (world.scenes(split, count=3000).captions("en") for split in ("train", "test"))
    assert len(set(train) & set(test)) < 30


def test_shapes_types_and_labels() -> None:
    world = World(seed=1, image_size=24)
    scenes = world.scenes("val", start=7, count=40)
    assert scenes.images().shape == (40, 24, 24, 3)
    assert scenes.images().dtype == np.uint8
    assert scenes.boxes().dtype == np.float32
    assert scenes.boxes().shape == (*scenes.objects.shape, 4)
    assert scenes.masks().shape == (40, 24, 24)
    assert scenes.labels().shape == (40, len(world.label_names))
    assert len(set(world.label_names)) == len(world.label_names)
    for row, labels in enumerate(scenes.labels()):
        named = {world.label_names[column] for column in np.nonzero(labels)[0]}
        kinds = {world.kind_names[kind] for kind in scenes.objects[row] if kind >= 0}
        assert named == kinds | {world.setting_names[scenes.setting[row]]}


def test_the_share_of_ambiguous_sentences_is_what_was_asked_for() -> None:
    for share in (0.0, 0.1, 0.5, 1.0):
        items = World(ambiguous_share=share).scenes("train", count=4000).ambiguous
        assert abs(sum(item is not None for item in items) / 4000 - share) < 0.02


def test_words_can_be_chosen() -> None:
    items = World(ambiguous_words=("bat", "doctor"), ambiguous_share=1.0).scenes("train", count=200).ambiguous
    assert {item.word for item in items if item} == {"bat", "doctor"}


def test_settings_and_senses_are_even() -> None:
    scenes = World(ambiguous_share=1.0).scenes("train", count=8000)
    for word in ("bat", "glasses", "nurse"):
        names = [item.sense for item in scenes.ambiguous if item and item.word == word]
        shares = [names.count(name) / len(names) for name in set(names)]
        assert len(shares) == 2
        assert min(shares) > 0.38
    plain = World(ambiguous_share=0.0).scenes("train", count=8000)
    assert np.bincount(plain.setting).min() > 850


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed must be a whole number"),
        ({"image_size": 8}, "image_size must be a whole number from 16 to 512"),
        ({"image_size": 32.0}, "image_size must be a whole number"),
        ({"ambiguous_share": 1.5}, "ambiguous_share must lie between 0 and 1"),
        ({"context_share": float("nan")}, "context_share must lie between 0 and 1"),
        ({"ambiguous_words": ("bat", "dog")}, r"got \['dog'\]"),
        ({"ambiguous_words": ()}, "must be some of"),
        ({"ambiguous_words": ("doctor",)}, "at least one word that the setting decides"),
    ],
)
def test_wrong_worlds_are_refused(arguments: dict[str, object], message: str) -> None:
    make: Callable[..., World] = World
    with pytest.raises(ValueError, match=message):
        make(**arguments)


def test_wrong_questions_are_refused() -> None:
    world = World()
    with pytest.raises(ValueError, match="no split 'dev': choose from train, val, test, ambiguous"):
        world.scenes("dev")
    with pytest.raises(ValueError, match="count must be a whole number from 1"):
        world.scenes("train", count=0)
    with pytest.raises(ValueError, match="start must be"):
        world.scenes("train", start=-1)
    with pytest.raises(ValueError, match="no language 'es': choose from en, de, fr"):
        world.scenes("train", count=1).captions("es")
    with pytest.raises(ValueError, match="no language 'es'"):
        world.ambiguity_report("es")


def test_the_lexicon_is_large_and_no_translation_gives_another_away() -> None:
    words = lexicon()
    words.check()
    assert len({noun.english.singular for noun in words.nouns} | {verb.english for verb in words.verbs}) > 150


def test_importing_the_world_does_not_import_torch() -> None:
    code = "import sys, limbeck.world; assert not {'torch', 'PIL', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
