from __future__ import annotations

import pytest
import torch
from torch import Tensor

from limbeck.losses.chunked import chunked_linear_sum
from limbeck.losses.cross_entropy import smoothed_cross_entropy
from limbeck.losses.divergence import jeffreys_divergence

POSITIONS, WIDTH, VOCABULARY = 11, 4, 7


def problem(views: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (POSITIONS, WIDTH) if views is None else (views, POSITIONS, WIDTH)
    hidden = torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(VOCABULARY, WIDTH, generator=generator, dtype=torch.float64, requires_grad=True)
    return hidden, weight, torch.randint(0, VOCABULARY, (POSITIONS,), generator=generator)


def gradients(value: Tensor, *inputs: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(value, inputs))


@pytest.mark.parametrize("chunk", [1, 3, 10, 11, 12, 1000])
def test_value_and_gradients_are_those_of_the_plain_computation(chunk: int) -> None:
    hidden, weight, labels = problem()

    def loss(logits: Tensor, at: slice) -> Tensor:
        return smoothed_cross_entropy(logits, labels[at], 0.1).total

    found = chunked_linear_sum(hidden, weight, loss, chunk=chunk)
    plain = loss(hidden @ weight.T, slice(None))
    torch.testing.assert_close(found, plain, rtol=1e-12, atol=0)
    # What comes from above scales both, as in a mean with a weight.
    for one, other in zip(gradients(found * 0.3, hidden, weight), gradients(plain * 0.3, hidden, weight), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("chunk", [1, 4, 50])
def test_views_go_through_the_function_together(chunk: int) -> None:
    hidden, weight, _ = problem(2)
    found = chunked_linear_sum(hidden, weight, lambda z, at: jeffreys_divergence(z[0], z[1]).total, chunk=chunk)
    logits = hidden @ weight.T
    plain = jeffreys_divergence(logits[0], logits[1]).total
    torch.testing.assert_close(found, plain, rtol=1e-12, atol=0)
    for one, other in zip(gradients(found, hidden, weight), gradients(plain, hidden, weight), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-14)


def test_gradcheck() -> None:
    hidden, weight, labels = problem()
    assert torch.autograd.gradcheck(
        lambda h, w: chunked_linear_sum(
            h, w, lambda z, at: smoothed_cross_entropy(z, labels[at]).total ** 2, chunk=POSITIONS
        ),
        (hidden, weight),
    )


def test_gradients_to_one_of_both() -> None:
    hidden, weight, _ = problem()
    for learnt, fixed in ((hidden, weight.detach()), (weight, hidden.detach())):
        pair = (learnt, fixed) if learnt is hidden else (fixed, learnt)
        (found,) = gradients(chunked_linear_sum(*pair, lambda z, at: z.square().sum(), chunk=3), learnt)
        (plain,) = gradients((hidden @ weight.T).square().sum(), learnt)
        torch.testing.assert_close(found, plain)


def test_the_shared_matrix_gets_the_sum_of_its_parts() -> None:
    _, weight, _ = problem()
    total = chunked_linear_sum(weight[:3] * 2, weight, lambda z, at: z.square().sum(), chunk=2)
    plain = ((weight[:3] * 2) @ weight.T).square().sum()
    torch.testing.assert_close(gradients(total, weight)[0], gradients(plain, weight)[0])


def test_without_gradients() -> None:
    hidden, weight, _ = problem()
    with torch.no_grad():
        found = chunked_linear_sum(hidden, weight, lambda z, at: z.square().sum(), chunk=2)
    assert not found.requires_grad
    torch.testing.assert_close(found, (hidden @ weight.T).square().sum().detach())


def test_no_positions() -> None:
    hidden, weight, _ = problem()
    none = hidden[:0]
    total = chunked_linear_sum(none, weight, lambda z, at: z.square().sum())
    assert float(total.detach()) == 0.0
    assert gradients(total, hidden, weight)[1].eq(0).all()
    with torch.no_grad():
        assert float(chunked_linear_sum(none, weight, lambda z, at: z.square().sum())) == 0.0


@pytest.mark.parametrize("chunk", [0, -1])
def test_chunks_are_positive(chunk: int) -> None:
    hidden, weight, _ = problem()
    with pytest.raises(ValueError, match=f"chunk must be positive, got {chunk}"):
        chunked_linear_sum(hidden, weight, lambda z, at: z.sum(), chunk=chunk)
