"""Changes to a configuration that make no model are told before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from limbeck.cli.app import execute
from tests.distill.toys import project, save, seq2seq


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
        ("sequence-classification", "{layers: 1, config: {num_hidden_layers: 2}}", "makes no model that runs (Ind"),
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


def test_sentence_vectors_are_those_of_encoders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = project(tmp_path, "embedding")
    save(seq2seq(), tmp_path / "teacher", marks=True)
    assert execute(["distill", str(path), "--out", str(tmp_path / "run")]) == 2
    assert "a T5Model has encoder and decoder; the task 'embedding' needs an encoder alone" in capsys.readouterr().err
