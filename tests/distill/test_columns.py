"""Columns that the user names are read, or it is told why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from limbeck.distill.columns import ROLES
from limbeck.distill.config import DistillConfig
from limbeck.distill.splits import read_splits
from limbeck.errors import LimbeckError
from tests.distill.toys import MODELS, project, rows, write_jsonl


@pytest.mark.parametrize(
    ("task", "columns", "message"),
    [
        (
            "sequence-classification",
            {"txt_pair": "text"},
            r"data\.columns: the task .* reads no 'txt_pair'; possible: text, text_pair, label",
        ),
        ("seq2seq", {"text": "source"}, r"reads no 'text'; possible: source, target"),
        ("image-classification", {"picture": "image"}, "reads no 'picture'; possible: image, label"),
        (
            "sequence-classification",
            {"text_pair": "txt"},
            r"train\.jsonl, line 1: no column 'txt' \(data\.columns\.text_p",
        ),
        (
            "causal-lm",
            {"prompt": "promt"},
            r"train\.jsonl, line 1: no column 'promt' \(data\.columns\.prompt\); did you",
        ),
        (
            "causal-lm",
            {"text": "prompt", "completion": "completion"},
            r"data\.columns: got .*learns from text, or prompt and completion, or messages",
        ),
        ("embedding", {"score": "sim"}, r"val\.jsonl, line 1: no column 'sim' \(data\.columns\.score\)"),
    ],
)
def test_a_column_that_is_named_wrongly_is_told(
    tmp_path: Path, task: str, columns: dict[str, str], message: str
) -> None:
    path = project(tmp_path, task)
    changes = [f"data.columns.{role}={column}" for role, column in columns.items()]
    with pytest.raises(LimbeckError, match=message) as caught:
        read_splits(DistillConfig.read_changed(path, changes))
    assert "\n" not in str(caught.value)


def test_a_row_in_the_midst_without_a_named_column_is_told(tmp_path: Path) -> None:
    path = project(tmp_path, "sequence-classification")
    made = [{**row, "second": row["text"]} for row in rows("sequence-classification")]
    del made[4]["second"]
    write_jsonl(tmp_path / "train.jsonl", made)
    with pytest.raises(LimbeckError, match=r"train\.jsonl, line 5: no column 'second'"):
        read_splits(DistillConfig.read_changed(path, ["data.columns.text_pair=second", "data.val=null"]))


def test_a_score_is_asked_of_held_out_rows_alone(tmp_path: Path) -> None:
    path = project(tmp_path, "embedding")
    for name, key in (("train", "unused"), ("val", "sim")):
        made = [{"text": row["text"], "text_pair": row["text_pair"], key: row["score"]} for row in rows("embedding")]
        write_jsonl(tmp_path / f"{name}.jsonl", made)
    splits = read_splits(DistillConfig.read_changed(path, ["data.columns.score=sim"]))
    assert splits.rows["test"][0].values["sim"] == rows("embedding")[0]["score"]


def test_every_task_has_roles() -> None:
    assert ROLES.keys() == MODELS.keys()
