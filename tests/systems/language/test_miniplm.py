"""`limbeck run miniplm`, and what it keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from limbeck.systems.language.miniplm import mixed
from limbeck.systems.language.models import Shape, tiny_model
from limbeck.systems.language.selection import by_difference, by_reference, by_teacher, mean_nll, proportional, top
from tests.systems.language.toys import LANGUAGE, smoke, splits

# A text, a repetition and noise, as a teacher and a small model find them.
TEACHER, REFERENCE = np.array([1.4, 0.1, 5.9]), np.array([3.0, 0.2, 6.0])


def test_the_difference_finds_what_is_hard_and_can_be_learnt() -> None:
    kept = [top(way(TEACHER, REFERENCE), 1 / 3).tolist() for way in (by_difference, by_teacher, by_reference)]
    assert kept == [[0], [1], [2]]


def test_it_is_no_ratio_of_logarithms() -> None:
    """The README's ratio would keep the repetition, whose losses are small and far apart in ratio."""
    teacher = np.array([1.4, 0.05, 5.9])
    assert top(REFERENCE / teacher, 1 / 3).tolist() == [1]
    assert top(by_difference(teacher, REFERENCE), 1 / 3).tolist() == [0]


def test_scores_are_means_of_words_and_not_sums() -> None:
    torch.manual_seed(0)
    used = splits()
    model = tiny_model(Shape(8), used.vocabulary).eval()
    found = mean_nll(model, used, used.train)
    ids = torch.tensor([used.train[7].input_ids])
    with torch.no_grad():
        expected = F.cross_entropy(model(input_ids=ids).logits[0, :-1], ids[0, 1:])
    assert found[7] == pytest.approx(float(expected), rel=1e-5)


def test_drawing_prefers_high_scores_and_depends_on_its_seed() -> None:
    scores = np.concatenate([np.zeros(500), np.full(500, 3.0)])
    drawn = proportional(scores, 0.5, seed=1)
    assert 0.7 < (drawn >= 500).mean() < 1.0
    assert len(set(drawn.tolist())) == 500
    assert drawn.tolist() == proportional(scores, 0.5, seed=1).tolist() != proportional(scores, 0.5, seed=2).tolist()


def test_the_corpus_is_mixed_and_each_sequence_depends_on_its_number() -> None:
    examples, kinds = mixed(LANGUAGE, 2000)
    assert (np.bincount(kinds) / 2000).tolist() == pytest.approx([0.4, 0.3, 0.3], abs=0.04)
    assert [LANGUAGE.is_valid(example.input_ids) for example in examples] == (kinds == 0).tolist()
    assert [example.input_ids for example in mixed(LANGUAGE, 10, start=50)[0]] == [
        example.input_ids for example in examples[50:60]
    ]


def test_a_recurrent_network_is_not_disturbed_by_padding() -> None:
    torch.manual_seed(0)
    model = tiny_model(Shape(8, family="gru"), LANGUAGE.vocabulary)
    short, padded = torch.tensor([[1, 5, 9]]), torch.tensor([[1, 5, 9, 0, 0]])
    torch.testing.assert_close(model(input_ids=padded).logits[:, :3], model(input_ids=short).logits)


def test_smoke(cache: Path, tmp_path: Path) -> None:
    found = smoke("miniplm", tmp_path)
    assert {"all", "random", "miniplm", "kd-equal-cost", "gru-miniplm"} < set(found.arms)
    steps = {name: found.budget(name)["steps"] for name in found.arms}
    assert set(steps.values()) - {steps["kd-equal-cost"]} == {4}
    kept = found.statistics("miniplm", "kept that is language")[0]
    assert kept[:, 1].sum() == 30
    assert found.statistics("all", "kept that is language")[0][:, 1].sum() == 60
