"""A translator that begins with the weights of another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from limbeck.errors import LimbeckError
from limbeck.models.ikd_mmt.translator import Translator
from limbeck.systems.translation.arms import ARMS
from limbeck.systems.translation.corpus import Corpus, Part
from limbeck.systems.translation.prepare import prepare
from limbeck.systems.translation.recipe import Recipe
from limbeck.systems.translation.training import train_arm
from limbeck.training.plan import Plan

TEXT = Part(["a red dog", "two cats"] * 4, ["ein roter hund", "zwei katzen"] * 4, [-1] * 8)
OTHER = Part(["a house", "a bird"] * 4, ["ein haus", "ein vogel"] * 4, [-1] * 8)


def corpus(part: Part = TEXT, **changes: Any) -> Corpus:
    return Corpus(**{"pair": "en-de", "train": part, "val": part, "tests": {"test": part}, **changes})


def recipe(**changes: Any) -> Recipe:
    plan = Plan(lr=1e-2, max_steps=5)
    return Recipe(**{"plan": plan, "vocab_size": 60, "d_model": 16, "layers": 1, "heads": 2, "ffn_dim": 16, **changes})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first") / "run"
    train_arm(ARMS["text-only"], corpus(), None, recipe(), folder, seed=1)
    return folder / "model"


def test_begins_with_vocabulary_and_weights(model: Path) -> None:
    begun = prepare(ARMS["text-only"], corpus(OTHER), None, recipe(dropout=0.0), 2, model)
    trained = Translator.load(model)
    assert begun.tokenizer.get_vocab() == trained.tokenizer.get_vocab()
    assert begun.model.config.dropout == 0.0
    for name, value in trained.model.state_dict().items():
        assert torch.equal(begun.model.state_dict()[name], value), name


def test_training_goes_on_from_there(model: Path, tmp_path: Path) -> None:
    still = recipe(plan=Plan(lr=1e-12, max_steps=1))
    train_arm(ARMS["text-only"], corpus(OTHER), None, still, tmp_path / "run", seed=2, start=model)
    before, after = (Translator.load(folder).model.state_dict() for folder in (model, tmp_path / "run" / "model"))
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, msg=name)
    assert f"start_from: {model}" in (tmp_path / "run" / "config.yaml").read_text()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"d_model": 32}, "the model has d_model 16; training cannot go on with 32"),
        ({"kv": "input"}, "the model has kv 'previous'; training cannot go on with 'input'"),
    ],
)
def test_another_model_is_refused(model: Path, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(LimbeckError, match=told):
        prepare(ARMS["text-only"], corpus(), None, recipe(**changes), 1, model)


def test_other_text_is_refused(model: Path) -> None:
    told = "translates en to de, text as it is written; training cannot go on with en to fr, text lower-cased"
    with pytest.raises(LimbeckError, match=told):
        prepare(ARMS["text-only"], corpus(pair="en-fr", tokenized=True), None, recipe(), 1, model)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LimbeckError, match=r"no file 'config\.json' in it"):
        prepare(ARMS["text-only"], corpus(), None, recipe(), 1, tmp_path)
