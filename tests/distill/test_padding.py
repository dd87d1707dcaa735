"""Decoders judge a text by its last token; batches are filled up with what they do not take for one."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers import Tokenizer, models
from transformers import GPT2Config, GPT2ForSequenceClassification, PreTrainedTokenizerFast

from limbeck.distill.config import DistillConfig
from limbeck.distill.models import load_tokenizer
from limbeck.distill.prepare import prepare
from limbeck.distill.run import distill
from limbeck.errors import LimbeckError
from tests.distill.toys import project, save, sentence, tokenizer, write_jsonl

LAST = "dog"


@pytest.mark.parametrize("pad", [None, 11])
def test_a_text_is_judged_alike_alone_and_in_a_filled_batch(tmp_path: Path, pad: int | None) -> None:
    path = project(tmp_path, "sequence-classification", batch_size=40)
    drawn = random.Random(0)
    texts = [f"{sentence(drawn, 9)} {LAST}" for _ in range(40)]
    write_jsonl(tmp_path / "train.jsonl", [{"text": text, "label": at % 2} for at, text in enumerate(texts)])
    torch.manual_seed(0)
    names: dict[str, Any] = {"vocab_size": len(tokenizer()), "n_embd": 16, "n_head": 2, "n_layer": 2, "n_positions": 64}
    model: Any = GPT2ForSequenceClassification(GPT2Config(**names, eos_token_id=1, bos_token_id=3, pad_token_id=pad))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    save(model.eval(), tmp_path / "teacher")
    config = DistillConfig.read_changed(path, ["data.val=train.jsonl", "plan.max_steps=1"])
    ready = prepare(config)
    assert ready.task.teacher is not None
    (batch,) = ready.splits.train.loader(shuffle=False)
    logits = ready.task.teacher(batch).logits
    assert isinstance(logits, torch.Tensor)
    with torch.no_grad():
        for row, said in zip(batch["row"].tolist(), logits, strict=True):
            alone = model(input_ids=torch.tensor([ready.splits.train.texts()[row].input_ids])).logits[0]
            torch.testing.assert_close(said, alone)
    done = distill(config, tmp_path / "run", progress=False)
    assert transformers.AutoConfig.from_pretrained(done.model).pad_token_id == tokenizer().pad_token_id


def test_a_tokenizer_must_have_something_to_fill_up_with(tmp_path: Path) -> None:
    made = Tokenizer(models.WordLevel({"a": 0, "<unk>": 1}, unk_token="<unk>"))
    PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>").save_pretrained(tmp_path)
    with pytest.raises(LimbeckError, match="its tokenizer has neither pad_token nor eos_token"):
        load_tokenizer(str(tmp_path))
