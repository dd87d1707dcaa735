"""Changes to a configuration that make no model are told before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, Qwen2Config, Qwen2ForCausalLM

from limbeck.cli.app import execute
from tests.distill.toys import project, save, seq2seq, tokenizer


@pytest.mark.parametrize(
    ("task", "student", "message"),
    [
        ("sequence-classification", "{config: {num_attention_heads: 0}}", "{'num_attention_heads': 0} makes no model"),
        (
            "sequence-classification",
            "{config: {hidden_act: foo}}",
            "{'hidden_act': 'foo'} makes no model that runs (KeyE",
        ),
        ("sequence-classification", "{config: {hidden_size: null}}", "student.config.hidden_size: got None"),
        ("sequence-classification", "{config: {num_hidden_layers: -1}}", "num_hidden_layers is -1, expected a whole"),
        ("sequence-classification", "{config: {num_hidden_layers: 0}}", "num_hidden_layers is 0, expected a whole"),
        ("sequence-classification", "{config: {num_hidden_layers: 1.5}}", "student.config.num_hidden_layers: got 1.5"),
        ("sequence-classification", "{layers: 1, config: {num_hidden_layers: 0}}", "num_hidden_layers is 0"),
        ("sequence-classification", "{layers: 1, config: {num_hidden_layers: 2}}", "is 2, and student.layers keeps 1"),
        ("sequence-classification", "{config: {to_dict: 3}}", "student.config: no setting 'to_dict'"),
        ("causal-lm", "{config: {num_attention_heads: 3}}", "{'num_attention_heads': 3} makes no model that runs (Run"),
        ("causal-lm", "{config: {num_key_value_heads: 3}}", "{'num_key_value_heads': 3} makes no model that runs"),
        ("seq2seq", "{config: {num_layers: 0}}", "student.config: num_"),
        ("seq2seq", "{config: {num_heads: 0}}", "student.config: "),
    ],
)
def test_a_wrong_size_is_one_line(
    tmp_path: Path, task: str, student: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = project(tmp_path, task)
    capsys.readouterr()
    code = execute(["distill", str(path), f"student={student}", "--out", str(tmp_path / "run")])
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert (code, len(told)) == (2, 1), told
    assert told[0].startswith("error: student.config")
    assert message in told[0]


def test_kinds_of_layers_are_as_many_as_layers_and_can_be_saved(tmp_path: Path) -> None:
    """A library runs a configuration that it refuses to save, after all the training."""
    torch.manual_seed(0)
    kinds = ["full_attention", "sliding_attention", "full_attention"]
    shape = Qwen2Config(
        vocab_size=len(tokenizer()),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=64,
        layer_types=kinds,
        use_sliding_window=True,
        sliding_window=32,
        pad_token_id=0,
    )
    path = project(tmp_path)
    save(Qwen2ForCausalLM(shape), tmp_path / "teacher")
    out = tmp_path / "run"
    changes = ["student={config: {num_hidden_layers: 2}}", "plan.max_steps=1"]
    assert execute(["distill", str(path), *changes, "--out", str(out)]) == 0
    assert AutoConfig.from_pretrained(out / "model").layer_types == kinds[:2]


def test_sentence_vectors_are_those_of_encoders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = project(tmp_path, "embedding")
    save(seq2seq(), tmp_path / "teacher", marks=True)
    assert execute(["distill", str(path), "--out", str(tmp_path / "run")]) == 2
    assert "a T5Model has encoder and decoder; the task 'embedding' needs an encoder alone" in capsys.readouterr().err
