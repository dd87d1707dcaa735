"""The limit cases that the papers state, and what single divergences promise beside the truths of all."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.losses.adaptive import adaptive_kl
from limbeck.losses.cross_entropy import cross_entropy
from limbeck.losses.dac import dac_kl
from limbeck.losses.decoupled import decoupled_kd, topk_split_kl
from limbeck.losses.divergence import forward_kl, jeffreys, jeffreys_divergence, reverse_kl, total_variation
from limbeck.losses.divergences import DIVERGENCES, divergence
from limbeck.losses.mixtures import generalized_js, skewed_forward_kl, skewed_reverse_kl
from limbeck.losses.rowwise import BLOCK
from limbeck.losses.taid import interpolated_target, taid_divergence, taid_update
from limbeck.signals import SparseLogits


def problem(*shape: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    student, teacher = torch.randn(2, *shape, generator=generator, dtype=torch.float64) * 2
    return student.requires_grad_(), teacher


@pytest.mark.parametrize("name", DIVERGENCES)
def test_a_temperature_a_position(name: str) -> None:
    (student, teacher), temperatures = problem(2, 3, 5), torch.tensor([[0.5, 1.0, 2.0], [3.0, 1.0, 9.0]]).double()
    whole = DIVERGENCES[name](student, teacher, temperature=temperatures).total
    parts = [
        DIVERGENCES[name](student[i, j], teacher[i, j], temperature=float(temperatures[i, j])).total
        for i in range(2)
        for j in range(3)
    ]
    torch.testing.assert_close(whole, torch.stack(parts).sum())


@pytest.mark.parametrize("name", ["forward_kl", "reverse_kl", "jeffreys"])
def test_at_high_temperature_logits_are_compared(name: str) -> None:
    """``T^2 KL`` becomes half the variance of the logits' differences."""
    student, teacher = problem(4, 6)
    found = DIVERGENCES[name](student, teacher, temperature=1e4).total * 1e8
    wanted = 0.5 * (student - teacher).var(-1, correction=0).sum()
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=0)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_temperatures_learn_or_are_refused(name: str) -> None:
    student, teacher = problem(3, 5)
    if name != "taid_divergence" and name != "adaptive_kl":  # their gradients leave a part out
        temperature = torch.tensor(1.7, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(
            lambda t: DIVERGENCES[name](student.detach(), teacher, temperature=t).total, temperature
        )
    for wrong in (0.0, -1.0, math.nan, torch.tensor([1.0, -2.0, 1.0])):
        with pytest.raises(ValueError, match="temperature must be positive"):
            DIVERGENCES[name](student, teacher, temperature=wrong)
    with pytest.raises(ValueError, match=r"temperature: got the shape \(2,\)"):
        DIVERGENCES[name](student, teacher, temperature=torch.ones(2))
    masked = torch.tensor([1.0, math.nan, 2.0]).double()
    counted = torch.tensor([True, False, True])
    assert DIVERGENCES[name](student, teacher, temperature=masked, mask=counted).total.isfinite()


@pytest.mark.parametrize("name", DIVERGENCES)
def test_vocabularies_that_differ_are_an_error(name: str) -> None:
    student, teacher = problem(3, 5)
    with pytest.raises(LimbeckError, match=r"student's are \(3, 4\), the teacher's \(3, 5\); for vocabularies that"):
        DIVERGENCES[name](student[:, :4], teacher)
    with pytest.raises(ValueError, match=r"mask: got the shape \(3, 5\), expected that of the positions, \(3,\)"):
        DIVERGENCES[name](student, teacher, mask=torch.ones(3, 5, dtype=torch.bool))


@pytest.mark.parametrize("name", DIVERGENCES)
def test_blocks_of_rows_make_no_difference(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    student, teacher = problem(7, 5)
    mask = torch.arange(7) != 3
    whole = DIVERGENCES[name](student, teacher, mask=mask).total
    monkeypatch.setitem(BLOCK, "cpu", 10)
    blocks = DIVERGENCES[name](student, teacher, mask=mask).total
    torch.testing.assert_close(blocks, whole)
    torch.testing.assert_close(*(torch.autograd.grad(value, student)[0] for value in (blocks, whole)))


def test_generalized_js_leads_from_forward_to_reverse() -> None:
    student, teacher = problem(4, 6)
    small = 1e-6
    for beta, limit in ((small, forward_kl), (1 - small, reverse_kl)):
        found = generalized_js(student, teacher, beta=beta).total / small
        torch.testing.assert_close(found, limit(student, teacher).total, rtol=1e-4, atol=0)
    assert generalized_js(student * 9, teacher * 9).mean() < math.log(2)
    with pytest.raises(ValueError, match=r"beta must be in \(0, 1\), got 1"):
        generalized_js(student, teacher, beta=1)


def test_skewed_divergences_begin_at_the_plain_ones() -> None:
    student, teacher = problem(4, 6)
    for skewed, plain in ((skewed_forward_kl, forward_kl), (skewed_reverse_kl, reverse_kl)):
        torch.testing.assert_close(skewed(student, teacher, skew=0.0).total, plain(student, teacher).total)
        torch.testing.assert_close(
            skewed(student, teacher, skew=1e-9).total, plain(student, teacher).total, rtol=1e-4, atol=0
        )
        assert skewed(1e4 * student, 1e4 * teacher).mean() <= math.log(10) + 1e-9
        with pytest.raises(ValueError, match=r"skew must be in \[0, 1\), got 1"):
            skewed(student, teacher, skew=1)


def test_jeffreys_may_teach_both() -> None:
    student, teacher = problem(4, 6)
    teacher.requires_grad_()
    both = torch.autograd.grad(jeffreys(student, teacher, symmetric=True).total, (student, teacher))
    plain = torch.autograd.grad(jeffreys_divergence(student, teacher).total, (student, teacher))
    for one, other in zip(both, plain, strict=True):
        torch.testing.assert_close(one, other)
    alone = torch.autograd.grad(jeffreys(student, teacher).total, (student, teacher), allow_unused=True)
    torch.testing.assert_close(alone[0], both[0])
    assert alone[1] is None


def test_total_variation_is_bounded_by_pinsker() -> None:
    student, teacher = problem(50, 6)
    for one, other in zip(student, teacher, strict=True):
        assert total_variation(one, other).total <= (forward_kl(one, other).total / 2).sqrt()


def test_adaptive_kl_looks_at_the_head_as_far_as_it_reaches() -> None:
    """Long heads are found too, and the weights are those of whole heads and tails."""
    student, teacher = problem(3, 300)
    flat = teacher * 0.01  # 150 classes are needed for half of the mass
    for head in (0.5, 1.0):
        assert adaptive_kl(student, flat, head=head).total.isfinite()
    torch.testing.assert_close(adaptive_kl(student, flat, head=1.0).total, forward_kl(student, flat).total)
    p, q = flat.softmax(-1), student.detach().softmax(-1)
    order = p.sort(descending=True)
    inside = torch.zeros_like(p).scatter(-1, order.indices, (order.values.cumsum(-1) - order.values < 0.5).double())
    share = ((p - q).abs() * inside).sum(-1) / (p - q).abs().sum(-1)
    values = [
        s * forward_kl(a, b).total + (1 - s) * reverse_kl(a, b).total
        for s, a, b in zip(share, student, flat, strict=True)
    ]
    torch.testing.assert_close(adaptive_kl(student, flat).total, torch.stack(values).sum())
    with pytest.raises(ValueError, match=r"head must be in \(0, 1\], got 0"):
        adaptive_kl(student, teacher, head=0)


def test_taid_leads_from_the_student_to_the_teacher() -> None:
    student, teacher = problem(4, 6)
    torch.testing.assert_close(taid_divergence(student, teacher, 1.0).total, forward_kl(student, teacher).total)
    nothing = taid_divergence(student, teacher, 0.0).total
    assert nothing.item() == pytest.approx(0.0, abs=1e-12)
    assert torch.autograd.grad(nothing, student)[0].abs().max() < 1e-12
    values = [taid_divergence(student, teacher, t).total.item() for t in (0.1, 0.3, 0.6, 1.0)]
    assert values == sorted(values)
    with pytest.raises(ValueError, match=r"t must be in \[0, 1\], got 1.5"):
        taid_divergence(student, teacher, 1.5)


def test_taid_without_its_entropy_has_the_same_gradient() -> None:
    student, teacher = problem(4, 6)
    values = [taid_divergence(student, teacher, 0.3, entropy=entropy).total for entropy in (True, False)]
    torch.testing.assert_close(*(torch.autograd.grad(value, student)[0] for value in values))
    target = interpolated_target(student, teacher, 0.3)
    assert not target.requires_grad
    torch.testing.assert_close(values[1], -(target.exp() * student.log_softmax(-1)).sum())
    torch.testing.assert_close(target, (0.7 * student + 0.3 * teacher).detach().log_softmax(-1))


def test_taids_share_grows_by_the_papers_rule() -> None:
    t, momentum, previous, seen = 0.4, 0.0, None, []
    for step, loss in enumerate([2.0, 1.8, 1.9, 1.2, 1.0]):
        t, momentum = taid_update(t, momentum, previous, loss, step / 1000, alpha=0.1, beta=0.5)
        seen.append(t)
        previous = loss
    assert seen[0] == 0.4
    assert all(one < other for one, other in itertools.pairwise(seen))
    # The second step by hand: m = 0.5 * 0.1, and a step of 0.1 sigmoid(m) (1 - 0.4).
    assert seen[1] == pytest.approx(0.4 + 0.1 / (1 + math.exp(-0.05)) * 0.6)
    assert taid_update(0.4, 0.0, 1.0, 1.0, 0.5, alpha=0.0)[0] == pytest.approx(0.7)  # the straight line
    assert taid_update(0.99, 0.0, 1.0, 1.0, 0.0, t_end=0.99, alpha=1.0)[0] == 0.99
    assert taid_update(0.5, 0.0, 1.0, -1e30, 0.0)[0] <= 1.0  # no overflow
    with pytest.raises(ValueError, match=r"progress must be in \[0, 1\], got 2"):
        taid_update(0.4, 0.0, 1.0, 1.0, 2)


def test_decoupled_kd_holds_kl() -> None:
    """With ``beta`` the teacher's mass beside the label, it is forward KL."""
    student, teacher = problem(5, 4)
    for z, t, label in zip(student, teacher, torch.arange(5) % 4, strict=True):
        beta = float(1 - t.softmax(-1)[label])
        found = decoupled_kd(z, t, label, alpha=1.0, beta=beta)
        torch.testing.assert_close(found.total, forward_kl(z, t).total)
    labels = torch.tensor([0, -100, 1, -100, 2])
    assert float(decoupled_kd(student, teacher, labels).count) == 3.0
    with pytest.raises(ValueError, match=r"labels: got the shape \(4,\)"):
        decoupled_kd(student, teacher, labels[:4])


def test_topk_split_in_its_limits() -> None:
    student, teacher = problem(4, 6)
    for parts in ("generalised", "literal"):
        for k in (1, 3, 6, 99):
            whole = topk_split_kl(student, teacher, k=k, head="forward", tail="forward", parts=parts).total
            torch.testing.assert_close(whole, forward_kl(student, teacher).total)
        torch.testing.assert_close(
            topk_split_kl(student, teacher, k=6, parts=parts).total, reverse_kl(student, teacher).total
        )
    renormalised = topk_split_kl(student, teacher, k=6, parts="renormalised").total
    torch.testing.assert_close(renormalised, reverse_kl(student, teacher).total)
    assert topk_split_kl(teacher, teacher, k=2, parts="renormalised").total.abs() < 1e-12
    assert torch.autograd.gradcheck(lambda z: topk_split_kl(z, teacher, k=2, parts="renormalised").total, student)
    with pytest.raises(ValueError, match="head must be one of forward, reverse, got 'back'"):
        topk_split_kl(student, teacher, head="back")  # type: ignore[arg-type]


def test_the_literal_split_is_not_lowest_at_equality() -> None:
    """Why it is not the default: the student gains by leaving the head."""
    teacher = torch.tensor([[0.6, 0.3, 0.1]]).double().log()
    left = torch.tensor([[0.4, 0.2, 0.4]]).double().log()
    assert topk_split_kl(left, teacher, k=2, parts="literal").total < -0.1
    assert topk_split_kl(teacher, teacher, k=2, parts="literal").total.abs() < 1e-12
    assert topk_split_kl(left, teacher, k=2).total > 0


def test_clipping_cannot_keep_nothing() -> None:
    student, teacher = problem(4, 6)
    nowhere = torch.full((4,), 5.0, dtype=torch.float64), torch.full((4,), -5.0, dtype=torch.float64)
    half = dac_kl(student, teacher, *nowhere)
    torch.testing.assert_close(half.total, forward_kl(student, teacher).total)  # all weights are one half
    kept = nowhere[1], nowhere[0] * 2
    for quantile in ("classes", "mass"):
        whole = dac_kl(student, teacher, *kept, quantile=quantile).total
        torch.testing.assert_close(whole, forward_kl(student, teacher).total)


def test_the_choice_of_quantiles_learns() -> None:
    student, teacher = problem(4, 6)
    lower, upper = torch.full((4,), 0.2).double().requires_grad_(), torch.full((4,), 0.8).double().requires_grad_()
    for quantile in ("classes", "mass"):
        assert torch.autograd.gradcheck(
            lambda low, high, kind=quantile: (
                dac_kl(student.detach(), teacher, low, high, scale=0.3, minimum=0.0, quantile=kind).total
            ),
            (lower, upper),
        )
        total = dac_kl(student, teacher, lower, upper, scale=0.3, minimum=0.0, quantile=quantile).total
        assert all(grad.abs().max() > 1e-4 for grad in torch.autograd.grad(total, (lower, upper)))
    with pytest.raises(ValueError, match="targets need a dense teacher"):
        dac_kl(student, SparseLogits.top(teacher, 3), lower, upper, torch.zeros(4).long())


def test_targets_are_kept_where_the_choice_leaves_them_out() -> None:
    student, teacher = problem(1, 6)
    most, least = teacher.argmax(-1), teacher.argmin(-1)
    high = torch.tensor([0.7]).double(), torch.tensor([1.5]).double()
    without = dac_kl(student, teacher, *high, scale=0.01, minimum=0.0).total
    for target, changes in ((least, True), (most, False), (torch.tensor([-100]), False)):
        found = dac_kl(student, teacher, *high, target, scale=0.01, minimum=0.0).total
        assert (abs(found - without) > 1e-4) == changes


def test_next_tokens_are_torchs_cross_entropy() -> None:
    logits, _ = problem(2, 5, 6)
    targets = torch.tensor([[0, 5, -100, 2, -100], [1, 1, 4, 3, -100]])
    spoilt = logits.detach().masked_fill((targets == -100)[..., None], math.nan).requires_grad_()
    plain = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")
    found = cross_entropy(spoilt, targets)
    assert float(found.count) == 7.0
    torch.testing.assert_close(found.total, plain)
    torch.testing.assert_close(torch.autograd.grad(found.total, spoilt)[0], torch.autograd.grad(plain, logits)[0])
    with pytest.raises(ValueError, match=r"targets: got the shape \(2, 4\)"):
        cross_entropy(logits, targets[:, 1:])


def test_divergences_by_name() -> None:
    student, teacher = problem(3, 5)
    found = divergence("skewed_reverse_kl", skew=0.3)(student, teacher).total
    torch.testing.assert_close(found, skewed_reverse_kl(student, teacher, skew=0.3).total)
    assert divergence("forward_kl") is forward_kl
    divergence("forward_kl", rest="drop")
    divergence("forward_kl", rest="bucket", temperature=2.0)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("foward_kl", {}, "there is no 'foward_kl'; did you mean 'forward_kl'"),
        ("skewed_forward_kl", {"skw": 0.1}, "skewed_forward_kl has no option 'skw'; did you mean 'skew'"),
        ("skewed_forward_kl", {"skew": 1.5}, r"skewed_forward_kl: skew must be in \[0, 1\), got 1.5"),
        ("skewed_forward_kl", {"skew": "much"}, "skewed_forward_kl: .*str"),
        ("reverse_kl", {"rest": "drop"}, "reverse_kl: rest='drop' is for forward KL alone"),
        ("forward_kl", {"temperature": 0.0}, "forward_kl: temperature must be positive, got 0.0"),
    ],
)
def test_wrong_names_and_options_are_told(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(LimbeckError, match=message):
        divergence(name, **options)


@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_gradients_are_added_up_over_backward_passes(scale: float) -> None:
    """Also where the kept gradient is handed out without a copy: adding to it must not change it."""
    student, teacher = problem(4, 6)
    mask = torch.arange(4) != 1
    total = forward_kl(student, teacher, mask=mask).total * scale
    wanted = scale * mask[:, None] * (student.softmax(-1) - teacher.softmax(-1)).detach()
    for times in (1, 2, 3):
        total.backward(retain_graph=True)
        assert student.grad is not None
        torch.testing.assert_close(student.grad, times * wanted)
