"""`limbeck run swing`, and the exposure of secrets."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from limbeck.evaluation.base import Statistics
from limbeck.systems.language.canaries import (
    Canary,
    canaries,
    canary_vocabulary,
    digit_ids,
    exposures,
    prompt,
    secret_scores,
    sequence,
    with_canaries,
)
from limbeck.systems.language.models import Shape, tiny_gpt
from limbeck.systems.language.swing import arms
from tests.systems.language.toys import LANGUAGE, smoke

HIDDEN = canaries()


def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return tiny_gpt(Shape(8), canary_vocabulary()).eval()


def test_scores_of_secrets_are_those_of_their_sequences() -> None:
    net, canary = model(), HIDDEN[3]
    scores = secret_scores(net, canary)
    assert scores.shape == (10_000,)
    for number in (0, 407, 9999):
        digits = [digit_ids()[int(digit)] for digit in f"{number:04d}"]
        ids = torch.tensor([[*prompt(canary), *digits]])
        with torch.no_grad():
            log_q = F.log_softmax(net(input_ids=ids).logits[0], -1)
        expected = sum(float(log_q[len(prompt(canary)) - 1 + at, digit]) for at, digit in enumerate(digits))
        assert scores[number] == pytest.approx(expected, abs=1e-4)


def exposed(net: Any, hidden: Sequence[Canary]) -> Statistics:
    ((_, statistics),) = exposures(net, hidden).values()
    return statistics


def test_exposure_from_the_likeliest_to_the_least_likely(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.linspace(0.0, 1.0, 10_000)
    secret = int("".join(map(str, HIDDEN[0].secret)))
    expected = math.log2(10_000) - math.log2(10_000 - secret)
    monkeypatch.setattr("limbeck.systems.language.canaries.secret_scores", lambda *_: scores)
    assert exposed(None, HIDDEN[:1])[0].tolist() == pytest.approx([expected, 1.0])
    monkeypatch.setattr("limbeck.systems.language.canaries.secret_scores", lambda *_: np.zeros(10_000))
    assert exposed(None, HIDDEN[:1])[0, 0] == 0.0


def test_a_model_that_learnt_a_secret_exposes_it() -> None:
    net, learnt = model().train(), HIDDEN[:48]
    batch = torch.tensor([sequence(canary) for canary in learnt])
    before = exposed(net, learnt)[:, 0].mean()
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.03)
    net.train()
    for _ in range(150):
        logits = net(input_ids=batch).logits[:, :-1]
        F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten()).backward()
        optimizer.step()
        optimizer.zero_grad()
    after = exposed(net, learnt)[:, 0].mean()
    assert before < 4 < 9 < after <= math.log2(10_000)


def test_every_canary_is_in_the_corpus_as_often_as_it_should() -> None:
    texts = LANGUAGE.sequences("train", count=100)
    for times in (1, 5, 16):
        told = with_canaries(texts, HIDDEN, times)
        assert len(told) == 100 + times * len(HIDDEN)
        assert all(told.count(sequence(canary)) == times for canary in HIDDEN)
        assert [ids for ids in told if ids in texts] == texts


def test_secrets_differ_and_their_digits_stand_nowhere_else() -> None:
    assert len({canary.secret for canary in HIDDEN}) == len(HIDDEN)
    words = itertools.chain.from_iterable(LANGUAGE.sequences("train", count=500))
    assert not set(words) & set(digit_ids())
    assert canary_vocabulary().words[: len(LANGUAGE.vocabulary)] == LANGUAGE.vocabulary.words


def test_smoke(cache: Path, tmp_path: Path) -> None:
    found = smoke("swing", tmp_path, "--repeats", 1)
    assert list(found.arms) == [arm.name for arm in arms(0.25)]
    assert found.unequal_budgets() == {}
    judged = found.verdicts()[0]
    less = 0.2 * found.score("kd", "exposure") - found.score("swing", "exposure")
    assert judged.advantage == pytest.approx(less)
    assert len(found.statistics("kd", "exposure")[0]) == len(HIDDEN)
