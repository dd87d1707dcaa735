"""What pairs mean, what a vector depends on, and a small run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from limbeck.errors import LimbeckError
from limbeck.methods.logit_mse import LogitRegression
from limbeck.signals import Signals, SparseLogits
from limbeck.systems.findings import Findings
from limbeck.systems.retrieval.dse import ARMS
from limbeck.systems.retrieval.embedders import CrossComparer, Head, Pooling, SiameseComparer
from limbeck.systems.retrieval.pairs import BY, CHANGES, NOT, TOKENS, changed, meanings, pairs, say
from tests.cli.toys import limbeck

KNOWN = meanings("train", 50)
WORDS = TOKENS // 2


def test_every_way_of_saying_it_says_the_same() -> None:
    random = np.random.default_rng(0)
    for meaning in KNOWN[:20]:
        said = [say(meaning, random) for _ in range(30)]
        plain = {tuple(sorted({word % WORDS for word in one} - {BY})) for one in said}
        assert len(plain) == 1
        assert all((NOT in one) == meaning.negated for one in said)
        assert len({tuple(word % WORDS for word in one) for one in said}) == 3  # orders


@pytest.mark.parametrize("what", sorted(set(CHANGES) - {"all", "nouns"}))
def test_a_change_is_one_of_meaning(what: str) -> None:
    random = np.random.default_rng(0)
    for meaning in KNOWN:
        other = changed(meaning, what, random, KNOWN)
        differ = [name for name in meaning._fields if getattr(meaning, name) != getattr(other, name)]
        assert differ == {"negation": ["negated"], "roles": ["object", "place"]}.get(what, [what])


def test_pairs_are_balanced_and_other_scenes_give_others() -> None:
    clean = pairs("train", 1000, seed=3)
    assert 0.45 < clean.labels.float().mean() < 0.55
    known = meanings("train", 20)
    assert meanings("train", 5, start=10)[0][:5] == known[10][:5]  # but for the negation, which is drawn apart
    wrong = pairs("train", 1000, seed=3, wrong=1.0)
    assert wrong.labels[0] != clean.labels[0]
    assert torch.equal(wrong.first[0], clean.first[0])


@pytest.mark.parametrize("head", ["concat", "dot"])
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_kept_vectors_score_as_sentences_do(head: Head, pooling: Pooling) -> None:
    torch.manual_seed(0)
    network = SiameseComparer(head=head, pooling=pooling).double().eval()
    first, second = torch.tensor([[1, 9, 12, 0, 0]]), torch.tensor([[1, 30, 9]])
    expected = network(first, second)
    torch.testing.assert_close(network.compare(network.embed(first[:, :3]), network.embed(second)), expected)
    if head == "dot":  # the other head may tell the two apart
        torch.testing.assert_close(network(second, first), expected)


def test_the_cross_encoder_does_not_see_padding() -> None:
    torch.manual_seed(0)
    network = CrossComparer().double().eval()
    first, second = torch.tensor([[1, 9, 12, 0, 0]]), torch.tensor([[1, 30, 9, 0]])
    torch.testing.assert_close(network(first[:, :3], second[:, :3]), network(first, second))


def test_regression_by_hand() -> None:
    student = Signals(logits=torch.tensor([[1.0, 2.0], [0.0, float("nan")]]), mask=torch.tensor([True, False]))
    term = LogitRegression()(student, Signals(logits=torch.tensor([[3.0, 1.0], [0.0, 0.0]])), {})["logit_mse"]
    assert (float(term.total), float(term.count)) == (5.0, 1.0)
    assert LogitRegression(weight=0.5).weights == {"logit_mse": 0.5}
    with pytest.raises(LimbeckError, match="sparse"):
        LogitRegression()(student, Signals(logits=SparseLogits.top(torch.zeros(2, 2), 1)), {})
    with pytest.raises(LimbeckError, match=r"student's are \(2, 2\), the teacher's \(2, 3\)"):
        LogitRegression()(student, Signals(logits=torch.zeros(2, 3)), {})


def test_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    more = ("--scale", "smoke", "--steps", 2, "--workers", 1, "--device", "cpu", "--out", tmp_path / "run")
    done = limbeck("run", "dse", *more)
    assert done.returncode == 0, done.stderr
    found = Findings.load(tmp_path / "run")
    assert list(found.arms) == ["teacher", *ARMS]
    assert not found.unequal_budgets()
    assert found.statistics("half", "accuracy").shape == (1, 50, 2)
