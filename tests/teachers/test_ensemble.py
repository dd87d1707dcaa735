from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from limbeck.batch import Batch
from limbeck.errors import LimbeckError
from limbeck.signals import Signals, SparseLogits
from limbeck.teachers.base import Teacher
from limbeck.teachers.ensemble import Ensemble


class Says:
    """A teacher that always says the same."""

    def __init__(self, logits: Tensor | SparseLogits | None, **more: Any) -> None:
        self.signals = Signals(logits, **more)

    def __call__(self, batch: Batch) -> Signals:
        return self.signals


def logits(seed: int, *shape: int) -> Tensor:
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def said(ensemble: Ensemble) -> Tensor:
    found = ensemble({}).logits
    assert isinstance(found, Tensor)
    return found


def spread(sparse: SparseLogits, vocab: int) -> Tensor:
    dense = torch.zeros(*sparse.positions, vocab, dtype=sparse.log_probs.dtype)
    return dense.scatter_add(-1, sparse.ids, sparse.log_probs.exp())


def test_means_by_hand() -> None:
    a, b = logits(0, 2, 3, 5), logits(1, 2, 3, 5)
    mixture = 0.25 * a.softmax(-1) + 0.75 * b.softmax(-1)
    torch.testing.assert_close(said(Ensemble([Says(a), Says(b)], [1, 3])).exp(), mixture)
    torch.testing.assert_close(said(Ensemble([Says(a), Says(b)], [1, 3], mean="logits")), 0.25 * a + 0.75 * b)
    torch.testing.assert_close(said(Ensemble([Says(a)])).exp(), a.softmax(-1))
    silent = torch.full_like(b, torch.nan)
    assert torch.equal(said(Ensemble([Says(a), Says(silent)], [1, 0], mean="logits")), a)


def test_weights_of_the_batch() -> None:
    a, b = logits(0, 2, 3, 5), logits(1, 2, 3, 5)
    heard: list[int] = []

    def surer(batch: Batch, signals: Any) -> Tensor:
        heard.append(len(signals))
        return torch.stack([one.logits.softmax(-1).amax(-1) for one in signals])

    sure = torch.stack([a, b]).softmax(-1).amax(-1, keepdim=True)
    expected = (sure * torch.stack([a, b]).softmax(-1)).sum(0) / sure.sum(0)
    torch.testing.assert_close(said(Ensemble([Says(a), Says(b)], batch_weights=surer)).exp(), expected)
    assert heard == [2]
    whole = Ensemble([Says(a), Says(b)], batch_weights=lambda batch, signals: torch.tensor([2.0, 0.0]))
    torch.testing.assert_close(said(whole).exp(), a.softmax(-1))


def test_the_union_of_sparse_teachers() -> None:
    vocab = 9
    parts = [SparseLogits.top(logits(seed, 2, 3, vocab), 4) for seed in (0, 1, 2)]
    weights = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)
    found = Ensemble([Says(part) for part in parts], weights.tolist())({}).logits
    assert isinstance(found, SparseLogits)
    expected = sum(weight * spread(part, vocab) for weight, part in zip(weights, parts, strict=True))
    assert isinstance(expected, Tensor)
    torch.testing.assert_close(spread(found, vocab), expected)
    rests = torch.stack([part.rest().exp() for part in parts])
    torch.testing.assert_close(found.rest().exp(), (weights[:, None, None] * rests).sum(0))
    for ids, values in zip(found.ids.flatten(0, 1), found.log_probs.flatten(0, 1), strict=True):
        used = ids[values.isfinite()]
        assert len(used.unique()) == len(used)


def test_complete_sparse_teachers_are_dense_ones() -> None:
    a, b = logits(0, 4, 6), logits(1, 4, 6)
    sparse = Ensemble([Says(SparseLogits.top(a, 6)), Says(SparseLogits.top(b, 6))])({}).logits
    assert isinstance(sparse, SparseLogits)
    assert sparse.k == 6
    torch.testing.assert_close(spread(sparse, 6), said(Ensemble([Says(a), Says(b)])).exp())


def test_rare_classes_and_unused_slots() -> None:
    rare = SparseLogits(torch.tensor([[0, 1], [0, 0]]), torch.tensor([[0.0, -500.0], [-torch.inf, -torch.inf]]))
    other = SparseLogits(torch.tensor([[1], [0]]), torch.tensor([[-600.0], [-torch.inf]]))
    found = Ensemble([Says(rare), Says(other)])({}).logits
    assert isinstance(found, SparseLogits)
    half = torch.tensor(0.5).log()
    torch.testing.assert_close(found.log_probs[0], torch.stack([half, half - 500]))
    assert found.ids.tolist() == [[0, 1], [0, 0]]
    assert bool(found.log_probs[1].isneginf().all())


def test_other_signals_keep_the_teachers_number() -> None:
    mask = torch.tensor([True])
    hidden = torch.ones(1, 2)
    found = Ensemble([Says(None, hidden={"x": hidden}), Says(None, hidden={"x": 2 * hidden}, mask=mask)])({})
    assert found.logits is None
    assert {name: float(value[0, 0]) for name, value in found.hidden.items()} == {"0.x": 1.0, "1.x": 2.0}
    assert found.mask is mask


def test_refusals() -> None:
    a = logits(0, 2, 5)
    sparse = SparseLogits.top(a, 2)
    cases: list[tuple[list[Teacher], dict[str, Any], str]] = [
        ([], {}, "at least one"),
        ([Says(a)], {"weights": [1, 2]}, r"weights: got \(2,\), expected 1"),
        ([Says(a), Says(a)], {"weights": [1, -1]}, "at least 0"),
        ([Says(a), Says(a)], {"weights": [0, 0]}, "their sum positive"),
        ([Says(a)], {"mean": "median"}, "mean: got 'median'"),
        ([Says(a), Says(logits(0, 2, 6))], {}, r"differ in shape: \(2, 5\), \(2, 6\)"),
        ([Says(a), Says(sparse)], {}, "got Tensor, SparseLogits"),
        ([Says(a), Says(None)], {}, "got Tensor, none"),
        ([Says(sparse), Says(sparse)], {"mean": "logits"}, "use 'probabilities'"),
        ([Says(a)], {"batch_weights": lambda batch, signals: torch.tensor([torch.nan])}, "weights: got"),
        ([Says(a)], {"weights": [1], "batch_weights": lambda batch, signals: torch.ones(1)}, "either"),
    ]
    for teachers, options, told in cases:
        with pytest.raises(LimbeckError, match=told):
            Ensemble(teachers, **options)({})
