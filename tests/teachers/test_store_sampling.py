"""Drawn classes: an unbiased picture of the teacher that depends on seed and row alone."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from limbeck.signals import SparseLogits
from limbeck.teachers.store.kept import Kept, kept_of, kept_where, uniforms
from limbeck.teachers.store.reader import StoredTeacher
from limbeck.teachers.store.settings import StoreSettings
from limbeck.teachers.store.write import write_store
from tests.teachers.toys import batch_of, batches, teacher

LOGITS = torch.tensor([[3.0, 1.0, 0.0, -torch.inf, -2.0, 0.5, 2.0], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
SEEDS = 2000


def dense(kept: Kept, positions: int, vocab: int) -> Tensor:
    assert kept.ids is not None
    at = torch.arange(positions).repeat_interleave(kept.counts)
    found = torch.zeros(positions, vocab, dtype=torch.float64)
    found[at, kept.ids.long()] += kept.log_probs.double().exp()
    return found


def draws(settings: StoreSettings) -> Tensor:
    """The kept distribution of each seed, ``(seeds, positions, vocab)``."""
    found = []
    for seed in range(SEEDS):
        chosen = settings.model_copy(update={"seed": seed})
        kept = kept_of(LOGITS, LOGITS.logsumexp(-1, keepdim=True), "sample", chosen, uniforms([7], [2], chosen))
        found.append(dense(kept, *LOGITS.shape))
    return torch.stack(found)


def test_the_mean_over_seeds_is_the_full_distribution() -> None:
    settings = StoreSettings(keep="sample", draws=4, dtype="fp32")
    found, truth = draws(settings), LOGITS.double().softmax(-1)
    torch.testing.assert_close(found.sum(-1), torch.ones(SEEDS, 2, dtype=torch.float64))
    # A weight is a binomial share. Of 14 means, one beyond five standard errors comes once in a hundred thousand times.
    error = (truth * (1 - truth) / settings.draws / SEEDS).sqrt()
    assert ((found.mean(0) - truth).abs() <= 5 * error).all()
    # The spread is that of draws with replacement; a variance estimated from so many is right within a fifth.
    torch.testing.assert_close(found.var(0), truth * (1 - truth) / settings.draws, rtol=0.2, atol=1e-4)
    assert not found[:, 0, 3].any()


def test_with_a_proposal_the_bias_shrinks_with_the_draws() -> None:
    truth = LOGITS.double().softmax(-1)
    biases = []
    for number in (2, 200):
        found = draws(StoreSettings(keep="sample", draws=number, proposal=0.5, dtype="fp32"))
        error = found.std(0) / SEEDS**0.5
        biases.append(float(((found.mean(0) - truth).abs() - 5 * error).max()))
    assert biases[0] > 0.005
    assert biases[1] < 0.005
    # Rare classes are drawn more often than they are likely.
    assert float((found[:, 0, 4] > 0).double().mean()) > 1.5 * float(1 - (1 - truth[0, 4]) ** 200)


def test_draws_depend_on_seed_and_row_alone(tmp_path: Path) -> None:
    settings = StoreSettings(keep="sample", draws=20, seed=3, shard_megabytes=0.001, chunk=2)
    write_store(teacher(), batches(size=3), tmp_path / "a", settings, name="toy", progress=False)
    other = settings.model_copy(update={"chunk": 100})
    write_store(teacher(), batches(size=5)[::-1], tmp_path / "b", other, name="toy", progress=False)
    seeded = settings.model_copy(update={"seed": 4})
    write_store(teacher(), batches(), tmp_path / "c", seeded, name="toy", progress=False)
    batch = batch_of([10, 2, 5])
    found = []
    for name in "abc":
        logits = StoredTeacher(tmp_path / name)(batch).logits
        assert isinstance(logits, SparseLogits)
        assert (logits[batch["mask"]].rest() < -12).all()
        found.append(logits)
    assert torch.equal(found[0].ids, found[1].ids)
    torch.testing.assert_close(found[0].log_probs, found[1].log_probs)
    assert found[0].ids.shape != found[2].ids.shape or not torch.equal(found[0].ids, found[2].ids)


def test_distinct_classes_are_kept_once() -> None:
    settings = StoreSettings(keep="sample", draws=50)
    logits = torch.randn(4, 6, 30, generator=torch.Generator().manual_seed(0))
    mask = torch.rand(4, 6, generator=torch.Generator().manual_seed(1)) > 0.3
    kept = kept_where(logits, mask, torch.arange(4), mask.sum(1), "sample", settings)
    assert kept.ids is not None
    assert kept.ids.dtype == torch.uint8
    assert kept.log_probs.dtype == torch.float16
    for ids in kept.ids.split(kept.counts.tolist()):
        assert len(ids.unique()) == len(ids) <= 30
    assert len(kept.counts) == int(mask.sum())
