from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import ResNetBackbone, ResNetConfig

from limbeck.errors import LimbeckError
from limbeck.systems.lab import Lab
from limbeck.systems.translation.corpus import WorldCorpus
from limbeck.systems.translation.files import FileCorpus, ParallelFiles, PictureFiles
from limbeck.systems.translation.pictures import Pictures, PictureSource, load_pictures, world_pictures
from limbeck.systems.translation.recipe import Recipe
from limbeck.training.plan import Plan

RECIPE = Recipe(plan=Plan(lr=1e-3, max_steps=1))


def colour(path: Path, value: tuple[int, int, int], *, wide: bool = False) -> None:
    Image.new("RGB", (60, 20) if wide else (20, 20), value).save(path)


@pytest.fixture
def corpus(tmp_path: Path) -> FileCorpus:
    """Two splits share a picture; a file is named twice, by two ways of writing."""
    for split, pictures in (("train", ["a.png", "", "b.png", "a.png"]), ("val", ["b.png", "", "", "c.png"])):
        (tmp_path / f"{split}.en").write_text("a dog\na cat\na man\na boy\n")
        (tmp_path / f"{split}.de").write_text("ein hund\neine katze\nein mann\nein junge\n")
        (tmp_path / f"{split}.pictures").write_text("".join(f"{name}\n" for name in pictures))
    for name, value in (("a", (250, 10, 10)), ("b", (10, 250, 10)), ("c", (10, 10, 250))):
        colour(tmp_path / f"{name}.png", value)
    ResNetBackbone(
        ResNetConfig(embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic")
    ).save_pretrained(tmp_path / "network")
    train, val = (
        ParallelFiles(
            source=tmp_path / f"{split}.en", target=tmp_path / f"{split}.de", pictures=tmp_path / f"{split}.pictures"
        )
        for split in ("train", "val")
    )
    return FileCorpus("en-de", train, val)


def load(corpus: FileCorpus, tmp_path: Path) -> Pictures:
    lab = Lab(cache=tmp_path / "cache", quiet=True)
    source = PictureSource("files", network=str(tmp_path / "network"), size=32)
    return load_pictures(lab, source, corpus, corpus.read(), RECIPE)


def test_pictures_are_numbered_once(corpus: FileCorpus) -> None:
    read = corpus.read()
    assert read.train.pictures == [0, -1, 1, 0]
    assert read.val.pictures == [1, -1, -1, 2]
    assert list(read.tests) == ["val"]
    assert [path.name for path in corpus.pictures()] == ["a.png", "b.png", "c.png"]


def test_a_photo_is_turned_as_it_is_meant(tmp_path: Path) -> None:
    picture = Image.new("RGB", (32, 32), (0, 0, 0))
    picture.paste((255, 255, 255), (0, 0, 32, 16))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    picture.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    Image.new("L", (4, 4), 77).save(tmp_path / "grey.png")
    files = PictureFiles({tmp_path / "turned.jpg": "list, line 1", tmp_path / "grey.png": "list, line 2"})
    read = files.read(0, 16)
    assert read.shape == (3, 16, 16)
    assert read[:, :7].max() < 20
    assert read[:, 9:].min() > 235
    assert (files.read(1, 8) == 77).all()
    assert [number in files for number in (-1, 0, 1, 2)] == [False, True, True, False]


def test_maps_are_standardised_kept_and_made_again_when_a_picture_changes(corpus: FileCorpus, tmp_path: Path) -> None:
    first = load(corpus, tmp_path)
    assert first.rows == {0: 0, 1: 1, 2: 2}
    training = first.values["image"][:2].float()
    assert training.mean((0, 2, 3)).abs().max() < 1e-2
    (kept,) = (tmp_path / "cache" / "maps").iterdir()
    before = kept.stat().st_mtime_ns
    again = load(corpus, tmp_path)
    assert all(torch.equal(again.values[name], value) for name, value in first.values.items())
    assert kept.stat().st_mtime_ns == before
    colour(tmp_path / "c.png", (200, 200, 200))
    os.utime(tmp_path / "c.png", ns=(1, 1))
    changed = load(corpus, tmp_path)
    assert torch.equal(changed.values["image"][:2], first.values["image"][:2])
    assert not torch.equal(changed.values["image"][2], first.values["image"][2])


def test_what_does_not_fit_is_refused(corpus: FileCorpus, tmp_path: Path) -> None:
    bare = FileCorpus("en-de", ParallelFiles(source=corpus.train.source, target=corpus.train.target), corpus.val)
    with pytest.raises(LimbeckError, match="none of the pictures belongs to a training sentence"):
        load(bare, tmp_path)
    with pytest.raises(LimbeckError, match="pictures of the kind 'world' belong to another corpus"):
        load_pictures(Lab(quiet=True), PictureSource("world"), corpus, corpus.read(), RECIPE)


def test_the_world_s_network_does_not_depend_on_what_was_drawn_before(tmp_path: Path) -> None:
    kept = []
    for state in (1, 2):
        torch.manual_seed(state)
        lab = Lab(cache=tmp_path / str(state), quiet=True)
        world_pictures(lab, WorldCorpus("en-de", sentences=8, held_out=2), RECIPE, steps=1)
        (weights,) = lab.cache.glob("teachers/*/model.safetensors")
        kept.append((weights.parent.name, weights.read_bytes()))
    assert kept[0] == kept[1]
