from __future__ import annotations

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from limbeck.batch import IGNORED
from limbeck.data.translation import PictureMaps, TranslationData
from limbeck.errors import LimbeckError
from limbeck.models.ikd_mmt.tokenization import EOS, PAD, train_tokenizer

SOURCE = ["a dog runs", "two cats", "a man sees a dog", "cats"]
TARGET = ["ein hund", "zwei katzen laufen", "ein mann", "katzen laufen"]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer([*SOURCE, *TARGET] * 3, 100)


def maps(rows: list[int]) -> PictureMaps:
    """Each picture's map says its number."""
    number = max([*rows, -1]) + 1
    return PictureMaps({"top": torch.arange(float(number)).view(-1, 1, 1, 1).expand(-1, 2, 3, 3).half()}, rows)


def test_batches(tokenizer: PreTrainedTokenizerFast) -> None:
    data = TranslationData(SOURCE, TARGET, tokenizer, maps([1, -1, 0, 2]))
    assert (len(data), [data[index] for index in range(4)]) == (4, [0, 1, 2, 3])
    assert data.lengths() == [(len(s), len(t)) for s, t in zip(data.source, data.target, strict=True)]
    batch = data.collate([2, 1, 0])
    longest = [max(len(side[index]) for index in (2, 1, 0)) for side in (data.source, data.target)]
    assert batch["input_ids"].shape == (3, longest[0])
    assert batch["labels"].shape == (3, longest[1])
    for row, index in enumerate((2, 1, 0)):
        for name, side, text, filling in (
            ("input_ids", data.source, SOURCE, PAD),
            ("labels", data.target, TARGET, IGNORED),
        ):
            ids = batch[name][row].tolist()
            length = len(side[index])
            assert ids[:length] == side[index]
            assert ids[length - 1] == EOS
            assert ids[length:] == [filling] * (len(ids) - length)
            assert tokenizer.decode(ids[: length - 1]) == text[index]
    assert batch["present"].tolist() == [True, False, True]
    assert batch["maps"]["top"].shape == (2, 2, 3, 3)
    assert batch["maps"]["top"].dtype == torch.float32
    assert batch["maps"]["top"][:, 0, 0, 0].tolist() == [0, 1]


def test_without_pictures_there_are_no_maps(tokenizer: PreTrainedTokenizerFast) -> None:
    assert TranslationData(SOURCE, TARGET, tokenizer).collate([0]).keys() == {"input_ids", "labels"}


def test_no_sentence_of_a_batch_with_a_picture(tokenizer: PreTrainedTokenizerFast) -> None:
    batch = TranslationData(SOURCE, TARGET, tokenizer, maps([0, -1, -1, -1])).collate([1, 3])
    assert batch["present"].tolist() == [False, False]
    assert batch["maps"]["top"].shape == (0, 2, 3, 3)


@pytest.mark.parametrize("shuffle", [False, True])
def test_loader_gives_every_sentence_within_the_bound(tokenizer: PreTrainedTokenizerFast, shuffle: bool) -> None:
    data = TranslationData(SOURCE * 5, TARGET * 5, tokenizer, maps(list(range(20))))
    seen = []
    for batch in data.loader(24, seed=3, shuffle=shuffle):
        assert max(batch["input_ids"].numel(), batch["labels"].numel()) <= 24
        seen += batch["maps"]["top"][:, 0, 0, 0].int().tolist()
    assert sorted(seen) == list(range(20))


@pytest.mark.parametrize(
    ("side", "source", "target"),
    [("source, line 2", ["a", " \t", "c"], ["a", "b", "c"]), ("target, line 3", ["a", "b", "c"], ["a", "b", ""])],
)
def test_empty_sentences_are_named(
    tokenizer: PreTrainedTokenizerFast, side: str, source: list[str], target: list[str]
) -> None:
    with pytest.raises(LimbeckError, match=f"{side}: the sentence is empty"):
        TranslationData(source, target, tokenizer)


@pytest.mark.parametrize("pictures", [None, maps([0, 1])])
def test_sides_that_do_not_pair(tokenizer: PreTrainedTokenizerFast, pictures: PictureMaps | None) -> None:
    with pytest.raises(LimbeckError, match=r"3 source sentences, (2|3) target sentences"):
        TranslationData(["a", "b", "c"], ["a", "b"] if pictures is None else ["a"] * 3, tokenizer, pictures)


@pytest.mark.parametrize(
    "rows",
    [
        list(range(30)),
        [0, 1],
        [3, -1, 1, -1, 0, 2],
        [0, 0, 1, 1],
        [0, 0, 0, 1, 2, 1],
        [0, 1, 2] * 9,
        [-1, 5, -1, 2, 5, 2],
    ],
)
def test_shuffled_pictures_are_never_ones_own(rows: list[int]) -> None:
    pictures = maps(rows)
    seen = set()
    for seed in range(20):
        turned = pictures.shuffled(torch.Generator().manual_seed(seed))
        found = turned.rows.tolist()
        assert all((new == -1) == (old == -1) for new, old in zip(found, rows, strict=True))
        assert all(new != old for new, old in zip(found, rows, strict=True) if old >= 0)
        assert sorted(found) == sorted(rows)
        again = pictures.shuffled(torch.Generator().manual_seed(seed))
        assert again.rows.tolist() == found
        seen.add(tuple(found))
    assert pictures.rows.tolist() == rows
    assert len(seen) > (1 if len(set(rows) - {-1}) > 2 else 0)


def test_shuffling_what_cannot_be() -> None:
    assert maps([-1, -1]).shuffled(torch.Generator()).rows.tolist() == [-1, -1]
    for rows, message in (([0], "1 of 1"), ([0, 0, 1], "2 of 3")):
        with pytest.raises(LimbeckError, match=f"{message} sentences have the same picture"):
            maps(rows).shuffled(torch.Generator())
