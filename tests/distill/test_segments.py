"""Both texts of a pair, as the tokenizer tells them apart."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForSequenceClassification,
    BertTokenizer,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from limbeck.cli.app import execute
from limbeck.distill.config import DistillConfig
from limbeck.distill.prepare import prepare
from limbeck.models.quiet import quiet_transformers
from limbeck.teachers.store.seen import row_hashes, seen_keys
from tests.distill.toys import WORDS, bert, project, sentence, write_jsonl

TOKENS = ["[PAD]", "[SEP]", "[UNK]", "[CLS]", "user", "assistant", *WORDS]


def pairs(folder: Path, **changes: Any) -> Path:
    """Pairs of sentences, and a BERT that attends much to which of the two a token is of."""
    drawn = random.Random(0)
    path = project(folder, "sequence-classification", **changes)
    for name in ("train", "val"):
        made = [
            {"text": sentence(drawn), "text_pair": sentence(drawn), "label": "yes" if at % 2 else "no"}
            for at in range(16)
        ]
        write_jsonl(folder / f"{name}.jsonl", made)
    torch.manual_seed(0)
    teacher = bert(BertForSequenceClassification)
    with torch.no_grad():
        for parameter in teacher.parameters():
            if parameter.ndim == 2:
                parameter.normal_(0, 0.5)
    with quiet_transformers():
        teacher.save_pretrained(folder / "teacher")
        BertTokenizer(vocab={name: at for at, name in enumerate(TOKENS)}).save_pretrained(folder / "teacher")
    return path


@pytest.mark.parametrize("most", [24, 8])
def test_a_teacher_sees_what_transformers_alone_would_show_it(tmp_path: Path, most: int) -> None:
    path = pairs(tmp_path, data={"train": "train.jsonl", "val": "val.jsonl", "max_length": most})
    ready = prepare(DistillConfig.read_changed(path))
    model: Any = AutoModelForSequenceClassification.from_pretrained(tmp_path / "teacher").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "teacher")
    assert ready.task.teacher is not None
    held = ready.splits.rows["train"]
    texts = [[row.values[name] for row in held] for name in ("text", "text_pair")]
    encoded = tokenizer(*texts, padding=True, truncation=True, max_length=most, return_tensors="pt")
    assert encoded["token_type_ids"].max() == 1
    with torch.no_grad():
        wanted = model(**encoded).logits
        for batch in ready.splits.train.loader(shuffle=False):
            logits = ready.task.teacher(batch).logits
            assert isinstance(logits, torch.Tensor)
            torch.testing.assert_close(logits, wanted[batch["row"]])


def test_a_store_knows_rows_by_their_segments(tmp_path: Path) -> None:
    ready = prepare(DistillConfig.read_changed(pairs(tmp_path)))
    batch = dict(next(iter(ready.splits.train.loader(shuffle=False))))
    keys = seen_keys(batch)
    before = row_hashes(batch, keys)
    batch["token_type_ids"] = batch["token_type_ids"].clone()
    batch["token_type_ids"][0, 1] = 1
    assert (row_hashes(batch, keys) != before).tolist() == [True] + [False] * (len(before) - 1)


def distil_bert() -> DistilBertForSequenceClassification:
    return DistilBertForSequenceClassification(
        DistilBertConfig(vocab_size=len(TOKENS), dim=16, hidden_dim=32, n_layers=1, n_heads=4, pad_token_id=0)
    )


def roberta() -> RobertaForSequenceClassification:
    return RobertaForSequenceClassification(
        RobertaConfig(
            vocab_size=len(TOKENS),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=4,
            intermediate_size=32,
            max_position_embeddings=64,
            pad_token_id=0,
            type_vocab_size=1,
        )
    )


@pytest.mark.parametrize("make", [distil_bert, roberta])
@pytest.mark.parametrize("lora", ["", ", lora: {rank: 2}"])
def test_a_student_without_segments_learns_all_the_same(tmp_path: Path, make: Any, lora: str) -> None:
    path = pairs(tmp_path)
    with quiet_transformers():
        make().save_pretrained(tmp_path / "student")
        AutoTokenizer.from_pretrained(tmp_path / "teacher").save_pretrained(tmp_path / "student")
    changes = [f"student={{name: student{lora}}}", "plan.max_steps=1"]
    assert execute(["distill", str(path), *changes, "--out", str(tmp_path / "run")]) == 0
