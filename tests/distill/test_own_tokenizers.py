"""A student that reads by another tokenizer than its teacher."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from limbeck.distill.config import DistillConfig
from limbeck.distill.prepare import prepare
from limbeck.distill.run import distill
from limbeck.errors import LimbeckError
from limbeck.losses.vocabulary import universal_logit_distance
from limbeck.models.quiet import quiet_transformers
from tests.distill.toys import causal, letters, project


def spelling(folder: Path) -> PreTrainedModel:
    """A student that reads letters."""
    student = causal(1)
    student.resize_token_embeddings(len(letters()))
    with quiet_transformers():
        student.save_pretrained(folder / "student")
    letters().save_pretrained(folder / "student")
    return student


def config(folder: Path, *changes: str) -> DistillConfig:
    return DistillConfig.read_changed(folder / "config.yaml", ["student=student", *changes])


def test_it_is_compared_where_both_have_read_the_same(tmp_path: Path) -> None:
    project(tmp_path, data={"train": "train.jsonl", "val": "val.jsonl", "max_length": 60})
    spelling(tmp_path)
    ready = prepare(config(tmp_path, "method=uld"))
    example = ready.splits.train.texts()[0]
    batch = ready.splits.train.collator([(0, example)])
    term = ready.task(batch)["uld"]
    assert example.teacher is not None
    ends = [end for begin, end in example.offsets if end > begin]
    shared = [
        (at, example.offsets.index(span))
        for at, (_, end) in enumerate(example.teacher.offsets)
        for span in example.offsets
        if span[1] == end and end > 0 and end in ends
    ]
    counted = [(at, mine) for at, mine in shared if batch["mask"][0, mine] and batch["teacher_mask"][0, at]]
    assert len(counted) > 1
    with torch.no_grad():
        theirs = ready.teacher(input_ids=torch.tensor([example.teacher.input_ids])).logits[0]
        ours = ready.task.student(input_ids=torch.tensor([example.input_ids])).logits[0]
    expected = sum(float(universal_logit_distance(ours[[mine]], theirs[[at]]).total) for at, mine in counted)
    assert float(term.count) == len(counted)
    assert float(term.total.detach()) == pytest.approx(expected, rel=1e-4)


def test_it_learns_and_is_saved_with_its_own_tokenizer(tmp_path: Path) -> None:
    project(tmp_path, data={"train": "train.jsonl", "val": "val.jsonl", "max_length": 60})
    spelling(tmp_path)
    done = distill(config(tmp_path, "method=uld", "plan.max_steps=15"), tmp_path / "run", progress=False)
    assert done.metrics["student"]["uld"] < done.metrics["student before"]["uld"]
    assert (done.model / "tokenizer.json").read_text() == (tmp_path / "student" / "tokenizer.json").read_text()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([], "has another tokenizer than"),
        (["method=uld", "student={layers: 1}"], "name one with student.name"),
        (["method=uld", "data.pack=true"], "without packing and sampling"),
    ],
)
def test_what_does_not_go_is_told(tmp_path: Path, changes: list[str], message: str) -> None:
    project(tmp_path)
    spelling(tmp_path)
    with pytest.raises(LimbeckError) as caught:
        prepare(config(tmp_path, *changes))
    assert message in str(caught.value)
