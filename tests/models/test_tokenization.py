from __future__ import annotations

from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from limbeck.models.ikd_mmt.tokenization import BOS, EOS, PAD, UNK, set_bpe_dropout, train_tokenizer

LINES = [
    "A man's dog, in a hat, runs.",
    "Ein Hund läuft über die Brücke (schnell)!",
    "a man &apos;s dog , in a hat , runs .",
    "Deux chiens : l'un dort, l'autre court ...",
]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(LINES * 3, 300)


@pytest.mark.parametrize("line", [*LINES, "a dog runs über die Brücke.", "dog"])
def test_round_trip(tokenizer: PreTrainedTokenizerFast, line: str) -> None:
    ids = tokenizer(line).input_ids
    assert ids[-1] == EOS
    assert ids.count(EOS) == 1
    assert tokenizer.decode(ids, skip_special_tokens=True) == line


def test_special_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    assert (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id) == (PAD, BOS, EOS)
    assert tokenizer.unk_token_id == UNK
    assert tokenizer("").input_ids == [EOS]


def test_unknown_characters(tokenizer: PreTrainedTokenizerFast) -> None:
    ids = tokenizer("a 猫 dog").input_ids
    assert ids.count(UNK) == 1
    assert str(tokenizer.decode(ids, skip_special_tokens=True)).split() == ["a", "dog"]


def test_composed_and_decomposed_letters_are_one(tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer("la\u0308uft").input_ids == tokenizer("läuft").input_ids


def test_punctuation() -> None:
    split, whole = (train_tokenizer(LINES * 9, 1000, split_punctuation=choice) for choice in (True, False))
    assert split.tokenize("dog, runs.") == ["▁dog", ",", "▁runs", "."]
    assert "▁&apos;s" in whole.tokenize("a man &apos;s dog ,")
    assert "▁&apos;s" not in split.tokenize("a man &apos;s dog ,")
    for line in LINES:
        assert whole.decode(whole(line).input_ids, skip_special_tokens=True) == line


def test_saved_and_loaded(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    loaded = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    assert len(loaded) == len(tokenizer)
    ids = tokenizer(LINES).input_ids
    assert loaded(LINES).input_ids == ids
    assert loaded.batch_decode(ids, skip_special_tokens=True) == LINES
    assert (loaded.pad_token_id, loaded.eos_token_id) == (PAD, EOS)


def test_training_is_deterministic(tokenizer: PreTrainedTokenizerFast) -> None:
    assert train_tokenizer(LINES * 3, 300).get_vocab() == tokenizer.get_vocab()
    assert len(train_tokenizer(LINES * 3, 60)) == 60


@pytest.mark.parametrize("size", [0, 4])
def test_vocabulary_too_small(size: int) -> None:
    with pytest.raises(ValueError, match=f"vocab_size must be more than the 4 special tokens, got {size}"):
        train_tokenizer(LINES, size)


@pytest.mark.parametrize("lines", [[], [""]])
def test_no_text(lines: list[str]) -> None:
    with pytest.raises(ValueError, match="no text to train"):
        train_tokenizer(lines, 100)


def test_dropped_merges() -> None:
    tokenizer = train_tokenizer(LINES * 3, 300)
    plain = tokenizer(LINES[1]).input_ids
    set_bpe_dropout(tokenizer, 0.5)
    seen = {tuple(tokenizer(LINES[1]).input_ids) for _ in range(10)}
    assert len(seen) > 1
    assert {tokenizer.decode(list(ids), skip_special_tokens=True) for ids in seen} == {LINES[1]}
    set_bpe_dropout(tokenizer, None)
    assert tokenizer(LINES[1]).input_ids == plain
