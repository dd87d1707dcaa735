"""Classes keep the model's own names and order, however rows call them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import PreTrainedModel

from limbeck.distill.classes import class_names
from limbeck.distill.config import DistillConfig
from limbeck.distill.prepare import prepare
from limbeck.distill.rows import Row
from limbeck.distill.run import distill
from limbeck.errors import LimbeckError
from tests.distill.toys import MODELS, project, rows, save, write_jsonl

NAMES: dict[str, list[str]] = {
    "sequence-classification": ["yes", "no"],
    "token-classification": ["first", "O", "animal"],
    "image-classification": ["dark", "bright"],
}
"""None is in the order of the alphabet."""

DEFAULTS = [f"LABEL_{at}" for at in range(12)]
"""As `transformers` calls classes, and a `pipeline` prints them; by alphabet, 10 would come before 2."""


def named(model: PreTrainedModel, names: list[str]) -> PreTrainedModel:
    model.config.id2label = dict(enumerate(names))
    model.config.label2id = {name: at for at, name in enumerate(names)}
    return model


def always_first(model: Any, names: list[str]) -> PreTrainedModel:
    """A classifier that always says the first of its classes."""
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.zero_()
        model.classifier.bias[0] = 9.0
    return named(model, names)


def rows_with(found: list[Any]) -> list[Row]:
    return [Row({"label": label}, f"line {at}") for at, label in enumerate(found, 1)]


@pytest.mark.parametrize("task", NAMES)
def test_a_teacher_is_judged_and_a_student_saved_by_the_teachers_own_order(tmp_path: Path, task: str) -> None:
    names = NAMES[task]
    path = project(tmp_path, task)
    save(always_first(MODELS[task](), names), tmp_path / "teacher", marks=True)
    changes = ["plan.max_steps=1", *([] if task == "image-classification" else ["data.val=train.jsonl"])]
    done = distill(DistillConfig.read_changed(path, changes), tmp_path / "run", progress=False)
    assert transformers.AutoConfig.from_pretrained(done.model).id2label == dict(enumerate(names))
    if task == "image-classification":
        held = ["dark", "bright"]
    else:
        held = [label for row in rows(task) for label in row.get("labels", [row.get("label")])]
    share = held.count(names[0]) / len(held)
    assert 0 < share < 1
    assert done.metrics["teacher"]["accuracy"] == pytest.approx(share)


def test_numbers_count_along_the_models_names(tmp_path: Path) -> None:
    path = project(tmp_path, "sequence-classification", data={"train": "train.jsonl", "max_length": 24})
    save(always_first(MODELS["sequence-classification"](), ["yes", "no"]), tmp_path / "teacher", marks=True)
    numbered = [{"text": row["text"], "label": int(row["label"] == "no")} for row in rows("sequence-classification")]
    write_jsonl(tmp_path / "train.jsonl", numbered)
    splits = prepare(DistillConfig.read_changed(path)).splits
    assert splits.labels == ["yes", "no"]
    held = [row.values["label"] for row in splits.rows["train"]]
    assert [example.targets[0] for example in splits.train.texts()] == held


def test_a_base_model_gets_a_head_for_the_data(tmp_path: Path) -> None:
    path = project(tmp_path, "sequence-classification", student="teacher", method=None, cross_entropy=1.0)
    three = named(MODELS["token-classification"](), ["x", "y", "z"])
    save(three, tmp_path / "teacher", marks=True)
    ready = prepare(DistillConfig.read_changed(path))
    assert ready.student.config.id2label == {0: "no", 1: "yes"}


@pytest.mark.parametrize(
    ("found", "own", "taught", "names"),
    [
        (["b", "a"], None, True, ["a", "b"]),
        (["b", "a"], ["LABEL_0", "LABEL_1"], True, ["a", "b"]),
        ([0, 1], ["LABEL_0", "LABEL_1", "LABEL_2"], True, ["0", "1", "2"]),
        ([0, 1], ["LABEL_0", "LABEL_1", "LABEL_2"], False, ["0", "1"]),
        ([f"LABEL_{at}" for at in (1, 10, 2)], DEFAULTS, True, DEFAULTS),
        (["label_10", "label_2"], DEFAULTS, True, DEFAULTS),
        (["LABEL_2", 0], DEFAULTS, True, DEFAULTS),
        (["LABEL_2", "LABEL_10"], ["LABEL_0", "LABEL_1"], False, ["LABEL_10", "LABEL_2"]),
        (["b", "a"], ["b", "a", "c"], True, ["b", "a", "c"]),
        (["entailment"], ["NEUTRAL", "ENTAILMENT"], True, ["NEUTRAL", "ENTAILMENT"]),
        ([0, 1], ["b", "a", "c"], True, ["b", "a", "c"]),
        (["a", "b"], ["x", "y", "z"], False, ["a", "b"]),
        ([0, 1], ["x", "y", "z"], False, ["0", "1"]),
        ([2, 0], ["x", "y", "z"], False, ["x", "y", "z"]),
        (["²", "3"], None, False, ["3", "²"]),
        (["01", "0"], None, False, ["0", "1"]),
    ],
)
def test_names_and_order(found: list[Any], own: list[str] | None, taught: bool, names: list[str]) -> None:
    config = None if own is None else transformers.BertConfig(id2label=dict(enumerate(own)))
    assert class_names(rows_with(found), "label", lists=False, config=config, taught=taught) == names


def test_the_names_of_a_pipeline_keep_the_teachers_order_in_lists() -> None:
    found = [Row({"labels": ["LABEL_2", -100, "LABEL_10"]}, "here")]
    config = transformers.BertConfig(id2label=dict(enumerate(DEFAULTS)))
    assert class_names(found, "labels", lists=True, config=config, taught=True) == DEFAULTS


@pytest.mark.parametrize(
    ("found", "own", "taught", "message"),
    [
        (
            ["a", "b"],
            ["x", "y", "z"],
            True,
            "line 1: column 'label': no class 'a'; those of the data are 'a', 'b', those of m 'x', 'y', 'z'",
        ),
        (["x", "b"], ["x", "y"], True, "line 2: column 'label': no class 'b'; those of the data are 'b', 'x'"),
        (["a", "b"], ["x", "y"], False, "line 1: column 'label': no class 'a'"),
        (["LABEL_1", "b"], ["LABEL_0", "LABEL_1"], True, "line 2: column 'label': no class 'b'"),
        ([0, 3], ["x", "y", "z"], True, "line 2: column 'label': no class '3'"),
        ([0, 1], ["1", "2"], True, "line 1: column 'label': no class '0'"),
        (["a", ""], None, False, "line 2: column 'label' is empty"),
        (["a", " \t"], ["a", "b"], True, "line 2: column 'label' is empty"),
        ([0, 10**9], None, False, "line 2: column 'label': the class 1000000000 is too high a number"),
        (["9" * 5000], None, False, "line 1: column 'label': the class 99999999999999999999 is too high"),
    ],
)
def test_classes_that_the_model_does_not_know_are_told(
    found: list[Any], own: list[str] | None, taught: bool, message: str
) -> None:
    config = None if own is None else transformers.BertConfig(id2label=dict(enumerate(own)))
    with pytest.raises(LimbeckError) as caught:
        class_names(rows_with(found), "label", lists=False, config=config, model="m", taught=taught)
    assert str(caught.value).startswith(message)
