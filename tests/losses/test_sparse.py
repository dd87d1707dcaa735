"""Sparse teachers: the same as dense where their mass is complete, and what becomes of the rest where it is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.losses.divergence import forward_kl, reverse_kl
from limbeck.losses.transport import sinkhorn_tokenwise
from limbeck.losses.vocabulary import universal_logit_distance
from limbeck.signals import SparseLogits
from tests.losses.entries import ENTRIES
from tests.losses.entry import Entry
from tests.losses.inputs import pair
from tests.losses.references import Array, softmax

every_divergence = pytest.mark.parametrize("entry", [e for e in ENTRIES if e.sparse], ids=lambda entry: entry.name)


def problem(positions: int = 6, vocabulary: int = 9) -> tuple[Tensor, Tensor]:
    student, teacher = pair(positions, vocabulary)(torch.Generator().manual_seed(5))
    return student.requires_grad_(), teacher


def outcome(entry: Entry, student: Tensor, teacher: Any, **options: Any) -> tuple[float, Tensor]:
    term = entry.term(student, teacher, **options)
    (gradient,) = torch.autograd.grad(term.total, student)
    return term.total.item(), gradient


@every_divergence
@pytest.mark.parametrize(("rest", "temperature"), [("bucket", 1.0), ("renormalise", 1.0), ("renormalise", 2.5)])
def test_complete_mass_is_dense(entry: Entry, rest: str, temperature: float) -> None:
    student, teacher = problem()
    found = outcome(entry, student, SparseLogits.top(teacher, 9), rest=rest, temperature=temperature)
    wanted = outcome(entry, student, teacher, temperature=temperature)
    assert found[0] == pytest.approx(wanted[0], rel=1e-11)
    torch.testing.assert_close(found[1], wanted[1], rtol=1e-9, atol=1e-12)


def bucketed(logits: Array, ids: Array) -> Array:
    """Log-probabilities of the kept classes, and of all others together."""
    p = softmax(logits)
    kept = np.take_along_axis(p, ids.astype(int), -1)
    return np.log(np.concatenate([kept, 1 - kept.sum(-1, keepdims=True)], -1))


@every_divergence
@pytest.mark.parametrize("k", [1, 4, 8])
def test_bucket_is_one_more_class(entry: Entry, k: int) -> None:
    student, teacher = problem()
    sparse = SparseLogits.top(teacher, k)
    sides = [bucketed(side.detach().numpy(), sparse.ids.numpy()) for side in (student, teacher)]
    assert outcome(entry, student, sparse)[0] == pytest.approx(entry.reference(*sides).sum(), rel=1e-9)
    if entry.held is None:
        assert torch.autograd.gradcheck(lambda z: entry.term(z, sparse).total, student)


@every_divergence
def test_renormalised_are_the_kept_classes_alone(entry: Entry) -> None:
    student, teacher = problem()
    sparse = SparseLogits.top(teacher, 4)
    sides = [np.take_along_axis(side.detach().numpy() / 2.0, sparse.ids.numpy(), -1) for side in (student, teacher)]
    found = outcome(entry, student, sparse, rest="renormalise", temperature=2.0)
    assert found[0] == pytest.approx(entry.reference(*sides).sum(), rel=1e-9)
    assert found[1].scatter(-1, sparse.ids, 0.0).eq(0).all()


@every_divergence
@pytest.mark.parametrize("rest", ["bucket", "renormalise"])
def test_unused_slots_mean_nothing(entry: Entry, rest: str) -> None:
    """Also where class 0 is kept by another slot, in positions of other lengths, and at positions without any."""
    student, teacher = problem()
    sparse = SparseLogits.top(teacher, 3)
    padded = SparseLogits(
        torch.cat([torch.zeros(6, 2, dtype=torch.long), sparse.ids], -1),
        torch.cat([torch.full((6, 2), -torch.inf, dtype=torch.float64), sparse.log_probs], -1),
    )
    found, wanted = outcome(entry, student, padded, rest=rest), outcome(entry, student, sparse, rest=rest)
    assert found[0] == pytest.approx(wanted[0], rel=1e-12)
    torch.testing.assert_close(found[1], wanted[1])
    nothing = SparseLogits(torch.zeros(6, 2, dtype=torch.long), torch.full((6, 2), -torch.inf, dtype=torch.float64))
    assert outcome(entry, student, nothing, rest=rest)[0] == pytest.approx(0.0, abs=1e-12)
    assert outcome(entry, student, nothing, rest=rest)[1].abs().max() < 1e-12


@every_divergence
@pytest.mark.parametrize("size", [1e4, -1e4])
@pytest.mark.parametrize("k", [1, 4, 9])
def test_extreme_students_and_sure_teachers(entry: Entry, size: float, k: int) -> None:
    student, teacher = problem()
    extreme = torch.where(student > 0, size, -size).float().detach().requires_grad_()
    for sure in (teacher, teacher * 1e4):
        value, gradient = outcome(entry, extreme, SparseLogits.top(sure.float(), k))
        assert np.isfinite(value)
        assert gradient.isfinite().all()


@every_divergence
def test_masked_positions_hold_unused_slots(entry: Entry) -> None:
    student, teacher = problem()
    sparse, mask = SparseLogits.top(teacher, 3), torch.arange(6) % 2 == 0
    spoilt = SparseLogits(sparse.ids.where(mask[:, None], 0), sparse.log_probs.where(mask[:, None], -torch.inf))
    dirty = student.detach().where(mask[:, None], torch.nan).requires_grad_()
    found = outcome(entry, dirty, spoilt, mask=mask)
    part = student.detach()[mask].requires_grad_()
    wanted = outcome(entry, part, sparse[mask])
    assert found[0] == pytest.approx(wanted[0], rel=1e-12)
    torch.testing.assert_close(found[1][mask], wanted[1])
    assert found[1][~mask].eq(0).all()


def test_sampled_targets_are_unbiased_where_the_rest_is_dropped() -> None:
    """The mean over all single samples, each drawn by its probability, has the gradient of the dense divergence."""
    student, teacher = problem(1, 5)
    (wanted,) = torch.autograd.grad(forward_kl(student, teacher).total, student)
    mean, bucket = torch.zeros_like(wanted), torch.zeros_like(wanted)
    for c, probability in enumerate(teacher.softmax(-1)[0]):
        drawn = SparseLogits(torch.tensor([[c]]), torch.zeros(1, 1, dtype=torch.float64))
        total = forward_kl(student, drawn, rest="drop").total
        mean += probability * torch.autograd.grad(total, student)[0]
        bucket += probability * torch.autograd.grad(forward_kl(student, drawn, rest="renormalise").total, student)[0]
    torch.testing.assert_close(mean, wanted)
    assert bucket.eq(0).all()


def test_half_a_target_has_half_the_pull() -> None:
    student = torch.zeros(1, 4, dtype=torch.float64, requires_grad=True)
    drawn = SparseLogits(torch.tensor([[2]]), torch.tensor([[0.5]], dtype=torch.float64).log())
    forward_kl(student, drawn, rest="drop").total.backward()
    assert student.grad is not None
    torch.testing.assert_close(student.grad[0], 0.5 * torch.tensor([0.25, 0.25, -0.75, 0.25], dtype=torch.float64))


def test_what_does_not_go_together_is_refused() -> None:
    student, teacher = problem()
    sparse = SparseLogits.top(teacher, 3)
    with pytest.raises(ValueError, match="rest='bucket' with a sparse teacher needs temperature 1"):
        forward_kl(student, sparse, temperature=2.0)
    with pytest.raises(ValueError, match="needs temperature 1"):
        forward_kl(student, sparse, temperature=torch.linspace(1, 2, 6), rest="drop")
    with pytest.raises(ValueError, match="rest='drop' is for forward KL alone"):
        reverse_kl(student, sparse, rest="drop")
    with pytest.raises(ValueError, match="rest must be one of bucket, renormalise, drop, got 'keep'"):
        forward_kl(student, sparse, rest="keep")  # type: ignore[arg-type]
    with pytest.raises(LimbeckError, match="teacher names class 8, the student has 7"):
        forward_kl(student[:, :7], SparseLogits(torch.full((6, 1), 8), torch.zeros(6, 1)))
    with pytest.raises(LimbeckError, match=r"student's positions are \(5,\), the teacher's \(6,\)"):
        forward_kl(student[:5], sparse)


def test_students_in_bfloat16_and_ids_in_int32() -> None:
    student, teacher = problem()
    sparse = SparseLogits.top(teacher, 3)
    small = SparseLogits(sparse.ids.int(), sparse.log_probs.half())
    rounded = student.detach().bfloat16().requires_grad_()
    value = forward_kl(rounded, small)
    assert value.total.dtype == torch.float32
    assert value.total.item() == pytest.approx(forward_kl(student, sparse).total.item(), rel=0.02)
    value.total.backward()
    assert rounded.grad is not None
    assert rounded.grad.dtype == torch.bfloat16


def test_largest_probabilities_of_other_vocabularies() -> None:
    student, teacher = problem()
    for k in (9, 12):
        found = universal_logit_distance(student, SparseLogits.top(teacher, k)).total
        torch.testing.assert_close(found, universal_logit_distance(student, teacher).total)
    sparse, costs = SparseLogits.top(teacher, 4), torch.rand(9, 9, dtype=torch.float64)
    for cost in (None, costs):
        found = sinkhorn_tokenwise(student, sparse, cost, k=4).total
        torch.testing.assert_close(found, sinkhorn_tokenwise(student, teacher, cost, k=4).total)
