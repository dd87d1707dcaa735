from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from limbeck.data.multi30k import LANGUAGES, SPLITS, Multi30k
from limbeck.errors import LimbeckError
from tests.real_data import REAL_DATA, needs


def write(folder: Path, split: str, **lines: list[str]) -> None:
    """One split; ``images`` beside the languages."""
    for language in lines.keys() - {"images"}:
        for style, middle in (("tok", "lc.norm.tok."), ("raw", "")):
            text = "".join(f"{line.lower() if style == 'tok' else line}\n" for line in lines[language])
            (folder / style).mkdir(exist_ok=True)
            (folder / style / f"{split}.{middle}{language}.gz").write_bytes(gzip.compress(text.encode()))
    (folder / "image_splits").mkdir(exist_ok=True)
    (folder / "image_splits" / f"{split}.txt").write_text("".join(f"{name}\n" for name in lines["images"]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    names = ["1007129816.jpg", "22439193117_4183a49ec2.jpg", "COCO_train2014_000000117071.jpg#367178", "12.jpg#3"]
    write(tmp_path, "train", en=["A", "B", "C", "D"], de=["W", "X", "Ä", "Z"], images=names)
    write(tmp_path, "val", en=["A"], images=["1.jpg"])
    return tmp_path


def test_reads_both_sides_and_the_pictures(folder: Path) -> None:
    read = Multi30k(folder).read("train")
    assert (read.split, read.source, read.target) == ("train", list("abcd"), list("wxäz"))
    assert read.image_ids == [1007129816, -1, -1, 12]
    turned = Multi30k(folder, "de-en", "raw").read("train")
    assert (turned.source, turned.target) == (list("WXÄZ"), list("ABCD"))


def test_splits_are_those_of_both_languages(folder: Path) -> None:
    assert Multi30k(folder).splits() == ["train"]
    assert Multi30k(folder, "en-fr").splits() == []


@pytest.mark.parametrize("pair", ["en", "en-en", "en-it", "en-de-fr", "", "EN-DE"])
def test_pairs(folder: Path, pair: str) -> None:
    with pytest.raises(LimbeckError, match="expected two different ones of en, de, fr, cs, as 'en-de'"):
        Multi30k(folder, pair)


def test_what_is_missing(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(LimbeckError, match="no folder 'tok' in it"):
        Multi30k(tmp_path / "image_splits")
    with pytest.raises(LimbeckError, match=r"no such file: .*val\.lc\.norm\.tok\.de\.gz"):
        Multi30k(folder).read("val")
    with pytest.raises(LimbeckError, match="split: got 'test', possible: train, val, test_2016_flickr"):
        Multi30k(folder).read("test")
    (folder / "image_splits" / "train.txt").unlink()
    with pytest.raises(LimbeckError, match=r"no such file: .*image_splits/train\.txt"):
        Multi30k(folder).read("train")


@pytest.mark.parametrize(
    ("en", "de", "images", "message"),
    [
        (2, 1, 2, "2 lines in en, 1 in de and 2 pictures"),
        (2, 2, 3, "2 lines in en, 2 in de and 3 pictures"),
    ],
)
def test_sides_that_do_not_pair(tmp_path: Path, en: int, de: int, images: int, message: str) -> None:
    write(tmp_path, "train", en=["a"] * en, de=["b"] * de, images=["1.jpg"] * images)
    with pytest.raises(LimbeckError, match=message):
        Multi30k(tmp_path).read("train")


@needs("multi30k")
@pytest.mark.data
def test_the_real_one() -> None:
    folder = REAL_DATA / "multi30k"
    for target in LANGUAGES[1:]:
        data = Multi30k(folder, f"en-{target}")
        splits = data.splits()
        assert splits == [split for split in SPLITS if target != "cs" or "2017" not in split]
        assert len(data.read("test_2016_flickr").source) == 1000
    train = Multi30k(folder).read("train")
    assert len(train.source) == len(set(train.image_ids)) == 29_000
    assert min(train.image_ids) > 0
    assert set(Multi30k(folder).read("test_2017_mscoco").image_ids) == {-1}
