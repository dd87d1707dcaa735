"""Listed words are read as in a text: each after its space."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import transformers
from transformers import PreTrainedTokenizerFast

from limbeck.distill.config import DistillConfig
from limbeck.distill.models import load_tokenizer
from limbeck.distill.prepare import prepare
from limbeck.distill.run import distill
from limbeck.distill.splits import space_words
from limbeck.teachers.store.fingerprints import tokenizer_fingerprint
from tests.distill.toys import bert, byte_level, letters, project, tokenizer, write_jsonl

SAID = ["the", "dog", "don't", "and", "far"]
READ = ["Ġthe", "Ġdog", "Ġdon", "'t", "Ġand", "Ġfar"]


def saved(made: PreTrainedTokenizerFast, folder: Path, kind: str) -> Path:
    """A tokenizer as a class of its own, or the general one, loads it."""
    made.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "tokenizer_class": kind}))
    return folder


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        (False, "RobertaTokenizer"),
        (False, "GPT2Tokenizer"),
        (False, "PreTrainedTokenizerFast"),
        (True, "PreTrainedTokenizerFast"),
    ],
)
def test_a_byte_level_tokenizer_reads_them_so_and_is_saved_so(tmp_path: Path, parts: bool, kind: str) -> None:
    made = load_tokenizer(str(saved(byte_level(parts=parts), tmp_path / "given", kind)))
    in_text = [token for token in made.tokenize(f"a {' '.join(SAID)}") if token != "a"]
    before = tokenizer_fingerprint(made)
    space_words(made)
    made.save_pretrained(tmp_path / "saved")
    again = transformers.AutoTokenizer.from_pretrained(tmp_path / "saved")
    for reader in (made, again):
        tokens = reader(SAID, is_split_into_words=True).tokens()
        assert [token for token in tokens if token not in ("<s>", "</s>")] == READ == in_text
    assert tokenizer_fingerprint(again) == tokenizer_fingerprint(made) == before


@pytest.mark.parametrize("made", [tokenizer(marks=True), letters()])
def test_other_tokenizers_stay_as_they_are(made: PreTrainedTokenizerFast) -> None:
    before = made.backend_tokenizer.to_str()
    space_words(made)
    assert made.backend_tokenizer.to_str() == before


def test_a_tagger_learns_words_after_their_spaces(tmp_path: Path) -> None:
    path = project(tmp_path, "token-classification", data={"train": "train.jsonl", "val": "train.jsonl"})
    saved(byte_level(), tmp_path / "teacher", "RobertaTokenizer")
    teacher = bert(transformers.BertForTokenClassification, labels=2)
    teacher.resize_token_embeddings(len(byte_level()))
    teacher.save_pretrained(tmp_path / "teacher")
    write_jsonl(tmp_path / "train.jsonl", [{"tokens": SAID, "labels": [0, 1, 0, 0, 0]}])
    config = DistillConfig.read_changed(path, ["plan.max_steps=1"])
    splits = prepare(config).splits
    (example,) = splits.train.texts()
    assert splits.processor.convert_ids_to_tokens(example.input_ids) == ["<s>", *READ, "</s>"]
    assert example.targets == [-100, 0, 1, 0, -100, 0, 0, -100]
    done = distill(config, tmp_path / "run", progress=False)
    reader = transformers.AutoTokenizer.from_pretrained(done.model)
    assert reader(SAID, is_split_into_words=True).input_ids == example.input_ids
