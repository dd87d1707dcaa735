"""No sequence is longer than both models can read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    LEDConfig,
    LEDForConditionalGeneration,
    LlamaForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    PreTrainedModel,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from limbeck.distill.cache import cache_teacher
from limbeck.distill.config import DistillConfig
from limbeck.distill.lengths import most_positions
from limbeck.distill.prepare import prepare
from limbeck.errors import LimbeckError
from limbeck.models.quiet import quiet_transformers
from tests.distill.toys import causal, letters, project, save, seq2seq, tokenizer, write_jsonl

VOCABULARY = len(tokenizer())
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 32,
    "num_labels": 2,
    "pad_token_id": 0,
}
SIDES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "bos_token_id": 3,
    "decoder_start_token_id": 1,
}


def roberta(most: int, pad: int = 0) -> RobertaForSequenceClassification:
    return RobertaForSequenceClassification(
        RobertaConfig(**SIZES | {"max_position_embeddings": most, "pad_token_id": pad})
    )


def bart(most: int) -> BartForConditionalGeneration:
    return BartForConditionalGeneration(BartConfig(**SIDES, max_position_embeddings=most))


def short_llama(most: int) -> LlamaForCausalLM:
    model = causal()
    model.config.max_position_embeddings = most
    return model


def opt() -> OPTForCausalLM:
    names: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "ffn_dim": 16}
    return OPTForCausalLM(OPTConfig(**names, vocab_size=30, max_position_embeddings=9, word_embed_proj_dim=16))


@pytest.mark.parametrize("pad", [0, 1])
def test_places_that_are_counted_from_the_padding_are_fewer(pad: int) -> None:
    model = roberta(10, pad).eval()
    most = most_positions(model)
    assert most == 10 - pad - 1
    ids = torch.full((1, most + 1), 7)
    model(input_ids=ids[:, :most])
    with pytest.raises((IndexError, RuntimeError)):
        model(input_ids=ids)


@pytest.mark.parametrize(
    ("make", "inputs", "targets"),
    [
        (lambda: GPT2LMHeadModel(GPT2Config(vocab_size=30, n_embd=16, n_layer=1, n_head=2, n_positions=5)), 5, 5),
        (opt, 9, 9),
        (seq2seq, None, None),
        (lambda: bart(7), 7, 7),
        (
            lambda: LEDForConditionalGeneration(
                LEDConfig(
                    **SIDES,
                    attention_window=4,
                    max_encoder_position_embeddings=64,
                    max_decoder_position_embeddings=8,
                )
            ),
            64,
            8,
        ),
    ],
)
def test_limits_of_either_side(make: Any, inputs: int | None, targets: int | None) -> None:
    model = make()
    assert (most_positions(model), most_positions(model, decoder=True)) == (inputs, targets)


def told(path: Path, *changes: str) -> str:
    with pytest.raises(LimbeckError) as caught:
        prepare(DistillConfig.read_changed(path, changes))
    return str(caught.value)


def test_student_and_teacher_are_asked(tmp_path: Path) -> None:
    path = project(tmp_path, "sequence-classification")
    for name, most in (("wide", 32), ("short", 8)):
        save(roberta(most), tmp_path / name, marks=True)
    prepare(DistillConfig.read_changed(path, ["teacher=wide", "student=wide"]))
    # 8 tokens are the most in these rows, and the first place is taken by the padding.
    assert told(path, "teacher=short", "student=wide").endswith("8 tokens, and the teacher reads 7 at most")
    assert told(path, "teacher=wide", "student=short").endswith("8 tokens, and the student reads 7 at most")
    with pytest.raises(LimbeckError, match="the teacher reads 7 at most"):
        cache_teacher(DistillConfig.read_changed(path, ["teacher=short"]), tmp_path / "store", progress=False)


def test_targets_are_asked(tmp_path: Path) -> None:
    path = project(tmp_path, "seq2seq", student={"layers": 1})
    save(bart(8), tmp_path / "teacher", marks=True)
    made = [{"source": "a dog", "target": "a dog sees the red cat and runs far"}] * 4
    write_jsonl(tmp_path / "train.jsonl", made)
    write_jsonl(tmp_path / "val.jsonl", made)
    assert told(path).endswith("a target has 11 tokens, and the student writes 8 at most")


def test_what_a_teacher_reads_by_its_own_tokenizer_is_asked(tmp_path: Path) -> None:
    path = project(tmp_path, data={"train": "train.jsonl", "val": "val.jsonl", "max_length": 64})
    student: PreTrainedModel = causal(1)
    student.resize_token_embeddings(len(letters()))
    with quiet_transformers():
        student.save_pretrained(tmp_path / "student")
    letters().save_pretrained(tmp_path / "student")
    save(short_llama(8), tmp_path / "teacher")
    assert told(path, "student=student", "method=uld").endswith("13 tokens, and the teacher reads 8 at most")
    small = causal()
    small.resize_token_embeddings(12)
    save(small, tmp_path / "teacher")
    assert "and the teacher knows 12 tokens" in told(path, "student=student", "method=uld")


def test_a_longer_student_of_a_shorter_bert(tmp_path: Path) -> None:
    path = project(tmp_path, "sequence-classification")
    short: Any = BertForSequenceClassification.from_pretrained(tmp_path / "teacher").config
    short.max_position_embeddings = 4
    save(BertForSequenceClassification(short), tmp_path / "short", marks=True)
    assert "the teacher reads 4 at most" in told(path, "teacher=short", "student=teacher")
