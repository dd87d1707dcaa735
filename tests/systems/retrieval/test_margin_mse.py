"""What is relevant, what the losses are blind to, and a small run."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from limbeck.errors import LimbeckError
from limbeck.methods.margins import MarginDistillation
from limbeck.signals import Signals
from limbeck.systems.findings import Findings
from limbeck.systems.retrieval.corpus import TOKENS, WORDS, Corpus
from limbeck.systems.retrieval.margin_mse import ARMS, STUDENTS
from limbeck.systems.retrieval.rankers import CrossRanker, TwoTowers, ranknet
from tests.cli.toys import limbeck

CORPUS = Corpus("train", 300)


def test_queries_are_paraphrases_and_grades_say_what_is_shared() -> None:
    queries = CORPUS.queries(50, seed=1, related=3, others=4)
    assert queries.candidates.shape == queries.grades.shape == (50, 8)
    assert (queries.grades[:, 0] == 3).all()
    assert (queries.grades[:, 1:] < 3).all()
    for asked, source in zip(queries.words.tolist(), queries.candidates[:, 0].tolist(), strict=True):
        assert {word % WORDS for word in asked if word} <= set(CORPUS.words[source])
    synonyms = queries.words[queries.words > 0] >= WORDS
    assert 0.6 < synonyms.float().mean() < 0.8
    # Nouns in common decide, and the actor alone does not count.
    nouns = CORPUS._nouns
    for candidates, grades in zip(queries.candidates.tolist(), queries.grades.tolist(), strict=True):
        source = set(nouns[candidates[0]].tolist()) - {-1}
        for document, grade in list(zip(candidates, grades, strict=True))[1:]:
            shared = source & set(nouns[document].tolist())
            alone = shared <= {nouns[document, 0]}
            assert grade == (2 if len(shared) >= 2 else 0 if alone else 1)


def test_some_labels_are_wrong_only_where_asked() -> None:
    first = [CORPUS.queries(400, seed=1, related=2, others=2, wrong=share).grades[:, 0] for share in (0.0, 0.2)]
    assert (first[0] == 3).all()
    assert 0.1 < (first[1] < 3).float().mean() < 0.3


def test_no_document_is_twice_among_the_candidates_of_a_query() -> None:
    for wrong in (0.0, 1.0):
        queries = CORPUS.queries(60, seed=2, related=29, others=30, wrong=wrong)
        assert all(len(set(row)) == 60 for row in queries.candidates.tolist())
        assert bool((queries.grades.eq(3).sum(1) == (wrong == 0.0)).all())


def scores() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor([[1.0, 0.0, 2.0]], requires_grad=True), torch.tensor([[3.0, 1.0, 4.0]])


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("margin_mse", (1 - 2) ** 2 + (-1 + 1) ** 2),
        ("pointwise_mse", 4 + 1 + 4),
        (
            "weighted_ranknet",
            2 * np.log1p(np.exp(-1.0)),
        ),  # the second pair, which the teacher turns round, has no weight
    ],
)
def test_losses_by_hand(loss: Literal["margin_mse", "pointwise_mse", "weighted_ranknet"], expected: float) -> None:
    student, teacher = scores()
    term = MarginDistillation(loss=loss)(Signals(logits=student), Signals(logits=teacher), {})[loss]
    assert float(term.total.detach()) == pytest.approx(expected, rel=1e-6)
    assert float(term.count) == (3 if loss == "pointwise_mse" else 2)


def test_an_offset_a_query_is_free_for_margins_only() -> None:
    student, teacher = scores()

    def value(loss: Literal["margin_mse", "pointwise_mse"], offset: float) -> float:
        term = MarginDistillation(loss=loss)(Signals(logits=student), Signals(logits=teacher + offset), {})[loss]
        return float(term.total.detach())

    assert value("margin_mse", 5.0) == value("margin_mse", 0.0)
    assert value("pointwise_mse", 5.0) != value("pointwise_mse", 0.0)


def test_scores_of_other_shapes_are_refused() -> None:
    student, teacher = scores()
    with pytest.raises(LimbeckError, match=r"student's are \(1, 3\), the teacher's \(1, 2\)"):
        MarginDistillation()(Signals(logits=student), Signals(logits=teacher[:, :2]), {})
    with pytest.raises(LimbeckError, match="1 \\+ others"):
        MarginDistillation()(Signals(logits=student[:, :1]), Signals(logits=teacher[:, :1]), {})


def test_ranknet_by_hand() -> None:
    term = ranknet(torch.tensor([[1.0, 3.0], [0.0, 0.0]]), torch.tensor([1, 0]))
    assert float(term.total) == pytest.approx(np.log1p(np.exp(-2.0)) + np.log(2.0), rel=1e-6)
    assert float(term.count) == 2


@pytest.mark.parametrize("make", [CrossRanker, lambda n: TwoTowers(n, late=False), lambda n: TwoTowers(n, late=True)])
def test_padding_and_the_other_documents_do_not_change_a_score(make: type[CrossRanker]) -> None:
    torch.manual_seed(0)
    ranker = make(TOKENS).double().eval()
    query, documents = torch.tensor([[4, 9, 0]]), torch.tensor([[[7, 8, 0, 0], [5, 6, 11, 12]]])
    both = ranker(query, documents)
    alone = ranker(query[:, :2], documents[:, :1, :2])
    torch.testing.assert_close(both[:, :1], alone)


def test_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    more = ("--scale", "smoke", "--steps", 2, "--workers", 1, "--device", "cpu", "--out", tmp_path / "run")
    done = limbeck("run", "margin-mse", *more)
    assert done.returncode == 0, done.stderr
    found = Findings.load(tmp_path / "run")
    students = [f"{student}-{arm}" for student in STUDENTS for arm in ARMS]
    assert set(found.arms) == {"teacher", "teachers", *students}
    assert set(found.metrics) == {"nDCG@10", "MRR@10"}
    assert not found.unequal_budgets()
    assert len({found.arms[name].parameters for name in students}) == 1
    assert len(list((tmp_path / "cache" / "teachers").iterdir())) == 3
