"""The search finds what ``generate()`` of `transformers` finds, sentence by sentence."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from limbeck.batch import IGNORED
from limbeck.models.ikd_mmt import incremental
from limbeck.models.ikd_mmt.incremental import best_tokens
from limbeck.models.ikd_mmt.modeling import IKDMMTForTranslation
from limbeck.models.ikd_mmt.search import Hypothesis, SearchOptions, search
from tests.models.toys import EOS, features, translator

LONGEST = 6
LIMIT = 9


def sentences(number: int, seed: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, LONGEST + 1, (number,), generator=generator).tolist()
    return [[*torch.randint(3, 13, (length,), generator=generator).tolist(), EOS] for length in lengths]


def padded(rows: list[list[int]], value: int = 0) -> Tensor:
    width = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows])


@pytest.fixture(scope="module")
def model() -> IKDMMTForTranslation:
    """Has learnt to turn sentences round, but not well: so its hypotheses end early and late, and compete."""
    torch.manual_seed(1)
    model = translator(d_model=24, ffn_dim=32, encoder_layers=1, decoder_layers=1, dropout=0.0).float().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for step in range(250):
        rows = sentences(32, step + 100)
        labels = padded([[*row[-2::-1], EOS] for row in rows], IGNORED)
        loss = model(padded(rows), labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


BATCH = padded(sentences(12, 0))


def options(beams: int, length_penalty: float = 1.0, *, early_stopping: bool = False) -> SearchOptions:
    return SearchOptions(beams, length_penalty, early_stopping=early_stopping, max_ratio=0.0, max_extra=LIMIT)


def generated(model: IKDMMTForTranslation, chosen: SearchOptions) -> list[list[Hypothesis]]:
    """What ``generate()`` finds, in this library's words."""
    output: Any = model.generate(
        BATCH,
        attention_mask=BATCH.ne(0).long(),
        num_beams=chosen.beams,
        num_return_sequences=chosen.beams,
        length_penalty=chosen.length_penalty,
        early_stopping=chosen.early_stopping,
        max_new_tokens=LIMIT,
        do_sample=False,
        return_dict_in_generate=True,
        output_scores=True,
    )
    rows = output.sequences[:, 1:].tolist()
    scores = output.sequences_scores.tolist() if chosen.beams > 1 else [math.nan] * len(rows)
    found = []
    for row, score in zip(rows, scores, strict=True):
        end = row.index(EOS) if EOS in row else len(row)
        found.append(Hypothesis(row[:end], score))
    return [found[start : start + chosen.beams] for start in range(0, len(found), chosen.beams)]


@pytest.mark.parametrize("beams", [1, 3, 5])
@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 1.5])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_same_as_generate(model: IKDMMTForTranslation, beams: int, length_penalty: float, early_stopping: bool) -> None:
    chosen = options(beams, length_penalty, early_stopping=early_stopping)
    found, expected = search(model, BATCH, chosen), generated(model, chosen)
    assert [[one.tokens for one in row] for row in found] == [[one.tokens for one in row] for row in expected]
    if beams > 1:
        scores, wanted = ([one.score for row in rows for one in row] for rows in (found, expected))
        assert scores == pytest.approx(wanted, rel=1e-4, abs=1e-5)


def test_these_hypotheses_end_by_themselves_and_at_different_lengths(model: IKDMMTForTranslation) -> None:
    """Else the comparison above would say little."""
    lengths = [len(one.tokens) for row in search(model, BATCH, options(5)) for one in row]
    assert sum(length < LIMIT for length in lengths) > 0.5 * len(lengths)
    assert len(set(lengths)) >= 5
    greedy, narrow, wide = (
        [row[0].tokens for row in search(model, BATCH, chosen)]
        for chosen in (options(1), options(5, 0.0), options(5, 1.5))
    )
    assert greedy != narrow != wide != greedy


@pytest.mark.parametrize("beams", [1, 4])
@pytest.mark.parametrize("ratio", [0.0, 1.5])
def test_a_sentence_alone_is_as_in_a_batch(model: IKDMMTForTranslation, beams: int, ratio: float) -> None:
    chosen = SearchOptions(beams, max_ratio=ratio, max_extra=3)
    together = search(model, BATCH, chosen)
    for row, found in zip(BATCH, together, strict=True):
        (alone,) = search(model, row[row.ne(0)][None], chosen)
        assert [one.tokens for one in alone] == [one.tokens for one in found]
        assert [one.score for one in alone] == pytest.approx([one.score for one in found], rel=1e-4)


@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.5])
def test_hypotheses_are_sorted_and_different(model: IKDMMTForTranslation, length_penalty: float) -> None:
    for row in search(model, BATCH, options(5, length_penalty)):
        assert len(row) == 5
        assert [one.score for one in row] == sorted((one.score for one in row), reverse=True)
        assert len({tuple(one.tokens) for one in row}) == 5


@pytest.mark.parametrize("beams", [1, 4])
@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 1.5])
@pytest.mark.parametrize("limit", [2, LIMIT])
def test_score_is_that_of_teacher_forcing(
    model: IKDMMTForTranslation, beams: int, length_penalty: float, limit: int
) -> None:
    """The log-probability of the tokens, and of the end where the limit did not come first, over the length."""
    exact = translator(d_model=24, ffn_dim=32, encoder_layers=1, decoder_layers=1)
    exact.load_state_dict(model.state_dict())
    chosen = SearchOptions(beams, length_penalty, max_ratio=0.0, max_extra=limit)
    for source, row in zip(BATCH, search(model, BATCH, chosen), strict=True):
        for one in row:
            target = [*one.tokens, EOS][:limit]
            logits = exact(source[source.ne(0)][None], labels=torch.tensor([target])).logits[0]
            total = logits.log_softmax(-1)[torch.arange(len(target)), target].sum().item()
            assert one.score == pytest.approx(total / len(target) ** length_penalty, rel=1e-4, abs=1e-5)


def test_more_beams_find_no_worse(model: IKDMMTForTranslation) -> None:
    """With penalty 0 the score is the log-probability; on the whole, a wider search finds a likelier sentence."""
    means = [sum(row[0].score for row in search(model, BATCH, options(beams, 0.0))) / len(BATCH) for beams in (1, 2, 5)]
    assert means == sorted(means)


def test_no_hypothesis_is_longer_than_its_limit(model: IKDMMTForTranslation) -> None:
    chosen = SearchOptions(3, max_ratio=0.5, max_extra=1)
    limits = chosen.limits(BATCH.ne(0).sum(1)).tolist()
    assert limits == [int(length * 0.5) + 1 for length in BATCH.ne(0).sum(1).tolist()]
    for beams in (1, 3):
        found = search(model, BATCH, SearchOptions(beams, max_ratio=0.5, max_extra=1))
        assert all(len(one.tokens) <= limit for row, limit in zip(found, limits, strict=True) for one in row)


@pytest.mark.parametrize("beams", [1, 3])
def test_pictures_reach_the_search(beams: int) -> None:
    given = translator("given")
    present = torch.ones(3, dtype=torch.bool)
    source, chosen = BATCH[:3], options(beams)
    one = search(given, source, chosen, visual_features=features(3, 1), visual_mask=present)
    other = search(given, source, chosen, visual_features=features(3, 2), visual_mask=present)
    none = [search(given, source, chosen, visual_features=features(3, s), visual_mask=~present) for s in (1, 2)]
    assert [row[0].score for row in one] != [row[0].score for row in other]
    assert none[0] == none[1]


@pytest.mark.parametrize("vocabulary", [3, 13, 127, 1280, 1300, 2000])
@pytest.mark.parametrize("count", [1, 3, 10])
def test_best_tokens_are_those_of_the_whole_vocabulary(vocabulary: int, count: int) -> None:
    """Also where the best stand side by side, or in the last, broken block."""
    count = min(count, vocabulary)
    logits = torch.randn(6, vocabulary, generator=torch.Generator().manual_seed(vocabulary), dtype=torch.float64)
    logits[1, :count] += 9
    logits[2, -count:] += 9
    logits[3, vocabulary // 2] += 1e4
    logits[4] -= 1e4
    scores, tokens = logits.log_softmax(-1).topk(count)
    found, at = best_tokens(logits.clone(), count)
    torch.testing.assert_close(found, scores, rtol=1e-9, atol=1e-9)
    assert torch.equal(at, tokens)


def test_many_rows_are_projected_in_parts(model: IKDMMTForTranslation, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = search(model, BATCH, options(3))
    monkeypatch.setattr(incremental, "PROJECTED_ROWS", 7)
    found = search(model, BATCH, options(3))
    assert [[one.tokens for one in row] for row in found] == [[one.tokens for one in row] for row in expected]


def test_refusals(model: IKDMMTForTranslation) -> None:
    with pytest.raises(ValueError, match=r"call model\.eval"):
        search(translator().train(), BATCH)
    with pytest.raises(ValueError, match="beams must be at least 1, got 0"):
        SearchOptions(beams=0)
    with pytest.raises(ValueError, match="got -1 and 10"):
        SearchOptions(max_ratio=-1)
    with pytest.raises(ValueError, match=r"got 2\.0 and 0"):
        SearchOptions(max_extra=0)
