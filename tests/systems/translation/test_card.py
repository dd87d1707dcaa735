"""The model card can be read by the Hub's own library, scores included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from limbeck.systems.translation.arms import ARMS
from limbeck.systems.translation.card import write_card
from limbeck.systems.translation.corpus import Corpus, Part, WorldCorpus
from limbeck.systems.translation.scores import score_tests

GERMAN = ["ein hund rennt .", 'zwei: "katzen" # schlafen', "ein ball"]


def corpus(**changes: Any) -> Corpus:
    part = Part(["a dog runs .", "two cats sleep", "a ball"], GERMAN, [-1, -1, -1])
    return Corpus("en-de", part, part, {"flickr: 2016": part, "mscoco": part}, **changes)


def card(folder: Path, of: Corpus, scores: dict[str, Any]) -> ModelCardData:
    write_card(folder, ARMS["ikd"], of, scores, {"seed": 1})
    data = ModelCard.load(folder / "README.md").data
    assert isinstance(data, ModelCardData)
    return data


def results(data: ModelCardData) -> list[EvalResult]:
    return data.eval_results or []


def test_every_score_is_in_the_model_index(tmp_path: Path) -> None:
    of = corpus()
    scores = score_tests(of, {"flickr: 2016": GERMAN, "mscoco": ["ein hund schläft .", "zwei katzen", "kein ball"]})
    data = card(tmp_path, of, scores)
    assert (data.model_name, data.language, data.library_name) == ("IKD-MMT, en to de", ["en", "de"], "limbeck")
    read = {(result.dataset_split or "", result.metric_name): result for result in results(data)}
    assert read.keys() == {(test, name) for test, found in scores.items() for name in found["metrics"]}
    assert len(read) == len(results(data)) == 8
    for (test, name), result in read.items():
        one = scores[test]["metrics"][name]
        assert result.metric_value == pytest.approx(one["value"], rel=1e-12)
        assert result.metric_args == {"signature": one["signature"]}
        assert (result.task_type, result.dataset_name, result.dataset_config) == ("translation", "own text", "en-de")
        assert result.dataset_type == "own-text"
    types = {result.metric_name: result.metric_type for result in results(data)}
    assert types == {"BLEU": "bleu", "chrF": "chrf", "TER": "ter", "METEOR-exact-stem": "meteor"}
    assert read["flickr: 2016", "TER"].metric_value == 0
    assert read["mscoco", "TER"].metric_value > 0


def test_without_scores_there_is_no_model_index(tmp_path: Path) -> None:
    data = card(tmp_path, corpus(), {})
    assert (data.eval_results, data.pipeline_tag) == (None, "translation")
    assert "model-index" not in (tmp_path / "README.md").read_text()


def test_the_corpus_is_named(tmp_path: Path) -> None:
    world = WorldCorpus("en-de", 4, 3).read()
    data = card(tmp_path, world, score_tests(world, {"test": world.tests["test"].target}))
    assert {(result.dataset_name, result.dataset_type) for result in results(data)} == {
        ("Limbeck world", "limbeck-world")
    }
