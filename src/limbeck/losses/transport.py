"""Entropic optimal transport (Sinkhorn) between what student and teacher say."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.losses.overlap import l1_distances
from limbeck.losses.pairs import check_pair, check_temperature
from limbeck.losses.rowwise import rowwise_term
from limbeck.losses.scaling import scaled_plan
from limbeck.losses.term import Term
from limbeck.signals import SparseLogits

SAFE = 30.0
"""Largest cost over epsilon at which the kernel ``exp(-cost / epsilon)`` and its scalings stay well inside float32."""


def sinkhorn_batchwise(
    student: Float[Tensor, "*positions vocab"],
    teacher: Float[Tensor, "*positions vocab"],
    *,
    epsilon: float = 0.1,
    iterations: int = 20,
    debiased: bool = False,
    temperature: float = 1.0,
    mask: Bool[Tensor, "*positions"] | None = None,
) -> Term:
    """SinKD: the cost of moving the batch of the student's distributions onto the batch of the teacher's.

    ``sum_ij P_ij W_ij`` with ``W_ij = |q_i - p_j|_1`` and ``P`` the entropic plan. Its rows and columns sum to 1 each,
    so the total is the paper's loss, and the mean that with marginals of ``1 / N``. Gradients flow through the
    iterations. For one position it is ``|q - p|_1``. Positions are compared with each other, so parts of a batch do
    not add up, and time grows with ``positions^2 vocab``: take it for classes or label words.

    The plain value is not 0 at equality, nor is it lowest there, since the plan is blurred by ``epsilon``.

    Args:
        student: Scores before the softmax.
        teacher: Likewise. It gets no gradient.
        epsilon: Weight of the entropy, in units of the cost (at most 2).
        iterations: Rounds of normalising rows, then columns.
        debiased: Take half of the student's and of the teacher's cost to themselves off, so that equality gives 0.
        temperature: Both sides' logits are divided by it. The released code has 2.
        mask: True where a position counts; elsewhere either side may hold anything, NaN too.

    Returns:
        The cost of the plan, and the number of positions.

    Raises:
        LimbeckError: Student and teacher differ in positions or vocabulary.
        ValueError: ``epsilon``, ``iterations`` or ``temperature`` is not positive.

    Reference:
        Cui et al., "Sinkhorn Distance Minimization for Knowledge Distillation", COLING 2024, arXiv 2402.17110.

    Example:
        >>> import torch
        >>> left, right = torch.tensor([[90.0, 0.0]]), torch.tensor([[0.0, 90.0]])
        >>> float(sinkhorn_batchwise(left, right).mean())
        2.0
    """
    _check(epsilon, iterations)
    check_pair(student, teacher)
    tempered = check_temperature(temperature, None, student.shape[:-1])
    sides = []
    for side in (student, teacher.detach()):
        rows = side.flatten(0, -2) if mask is None else side[mask]
        rows = rows.float() if rows.dtype.itemsize < 4 else rows
        sides.append((rows / temperature if tempered else rows).softmax(-1))
    q, p = sides[0], sides[1].to(sides[0].dtype)
    if not len(q):
        return Term.over(q.sum(-1))

    def cost(a: Tensor, b: Tensor) -> Tensor:
        distances = l1_distances(a, b)
        return (sinkhorn_plan(distances, epsilon=epsilon, iterations=iterations, largest=2.0) * distances).sum()

    total = cost(q, p)
    if debiased:
        total = total - 0.5 * (cost(q, q) + cost(p, p))
    return Term(total, total.new_tensor(float(len(q))))


def sinkhorn_tokenwise(
    student: Float[Tensor, "*positions vocab"],
    teacher: Float[Tensor, "*positions teacher_vocab"] | SparseLogits,
    cost: Float[Tensor, "vocab teacher_vocab"] | None = None,
    *,
    k: int = 32,
    epsilon: float = 0.1,
    iterations: int = 20,
    temperature: float = 1.0,
    mask: Bool[Tensor, "*positions"] | None = None,
) -> Term:
    """The cost of moving the student's likeliest classes onto the teacher's, position by position.

    Both sides keep their ``k`` likeliest classes, renormalised. Vocabularies may differ.

    Args:
        student: Scores before the softmax.
        teacher: Likewise, or the likeliest classes. It gets no gradient.
        cost: What it costs to move mass from a class of the student to one of the teacher, not negative; without a
            gradient. By default classes are known by their rank alone, and it is the difference of the ranks over
            ``k - 1``.
        k: Classes of either side; no more than there are.
        epsilon: Weight of the entropy, in units of the cost.
        iterations: Rounds of normalising rows, then columns.
        temperature: Both sides' logits are divided by it; exact for sparse teachers too, since they are renormalised.
        mask: True where a position counts; elsewhere either side may hold anything, NaN too.

    Returns:
        The sum of the costs over positions that count, and their number.

    Raises:
        LimbeckError: Student and teacher differ in positions, or the cost does not fit the vocabularies.
        ValueError: ``k``, ``epsilon``, ``iterations`` or ``temperature`` is not positive, or the cost is negative.

    Reference:
        Cuturi, "Sinkhorn Distances", NeurIPS 2013, arXiv 1306.0895. Over sorted classes: Cui et al., "Multi-Level
        Optimal Transport for Universal Cross-Tokenizer Knowledge Distillation on Language Models", AAAI 2025,
        arXiv 2412.14528.

    Example:
        >>> import torch
        >>> certain, second = torch.tensor([[90.0, 0.0]]), torch.tensor([[0.0, 90.0]])
        >>> places = torch.tensor([[0.0, 3.0], [3.0, 0.0]])
        >>> round(float(sinkhorn_tokenwise(certain, second, places, k=1).mean()), 4)
        3.0
    """
    _check(epsilon, iterations)
    if k < 1:
        raise ValueError(f"k must be positive, got {k}")
    lead = student.shape[:-1]
    sparse = isinstance(teacher, SparseLogits)
    theirs = teacher.positions if isinstance(teacher, SparseLogits) else teacher.shape[:-1]
    if theirs != lead:
        raise LimbeckError(f"logits: the student's positions are {tuple(lead)}, the teacher's {tuple(theirs)}")
    classes = student.shape[-1], None if isinstance(teacher, SparseLogits) else teacher.shape[-1]
    if cost is not None and (len(cost) != classes[0] or classes[1] not in (None, cost.shape[1])):
        raise LimbeckError(f"cost: got the shape {tuple(cost.shape)} for a student of {student.shape[-1]} classes")
    if cost is not None and bool((cost < 0).any()):
        raise ValueError(f"cost must not be negative, got {float(cost.min())}")
    check_temperature(temperature, mask, lead)
    largest = 1.0 if cost is None else float(cost.max())

    def value(logits: Tensor, *other: Tensor) -> Tensor:
        ours = logits.topk(min(k, logits.shape[-1]), dim=-1)
        theirs = other[-1].topk(min(k, other[-1].shape[-1]), dim=-1)
        log_a, log_b = ((side.values / temperature).log_softmax(-1) for side in (ours, theirs))
        if cost is None:
            ranks = [torch.arange(side.shape[-1], device=logits.device, dtype=logits.dtype) for side in (log_a, log_b)]
            wide = max(len(ranks[0]), len(ranks[1])) - 1
            distances = (ranks[0].unsqueeze(1) - ranks[1]).abs() / max(wide, 1)  # the same at all positions
        else:
            ids = other[0].long().gather(-1, theirs.indices) if sparse else theirs.indices
            distances = cost.detach().to(logits.dtype)[ours.indices.unsqueeze(-1), ids.unsqueeze(-2)]
        plan = sinkhorn_plan(distances, log_a, log_b, epsilon=epsilon, iterations=iterations, largest=largest)
        return (plan * distances).sum((-2, -1))

    if isinstance(teacher, SparseLogits):
        return rowwise_term(value, (student, teacher.ids, teacher.log_probs.detach()), mask)
    return rowwise_term(value, (student, teacher.detach()), mask)


def sinkhorn_plan(
    cost: Float[Tensor, "*#batch n m"],
    log_rows: Float[Tensor, "*#batch n"] | None = None,
    log_columns: Float[Tensor, "*#batch m"] | None = None,
    *,
    epsilon: float = 0.1,
    iterations: int = 20,
    largest: float | None = None,
) -> Float[Tensor, "*batch n m"]:
    """The plan that moves masses at least cost, with entropy: rows are scaled to their masses, then columns, and so on.

    Args:
        cost: Of moving a unit from row to column. Where all problems share it, give it once: their kernel is then one
            matrix, and their rounds are matrix products.
        log_rows: Log-masses of the rows; None is 1 each.
        log_columns: Likewise.
        epsilon: Weight of the entropy, in units of the cost.
        iterations: Rounds.
        largest: What no cost exceeds, if that is known. Up to :data:`SAFE` times epsilon, the scalings themselves are
            iterated, which is several times as fast; else their logarithms.

    Returns:
        The plan. Its columns sum to their masses, its rows as far as the iterations have come.

    Example:
        >>> import torch
        >>> plan = sinkhorn_plan(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), epsilon=0.05)
        >>> [[round(value, 3) for value in row] for row in plan.tolist()]
        [[1.0, 0.0], [0.0, 1.0]]
    """
    if largest is not None and largest <= SAFE * epsilon:
        one = cost.new_ones(1, 1)
        rows = one if log_rows is None else log_rows.exp().unsqueeze(-1)
        columns = one if log_columns is None else log_columns.exp().unsqueeze(-1)
        return scaled_plan(cost, rows, columns, epsilon=epsilon, iterations=iterations)
    log_kernel = -cost / epsilon
    a = cost.new_zeros(()) if log_rows is None else log_rows
    b = cost.new_zeros(()) if log_columns is None else log_columns
    log_v = cost.new_zeros(*cost.shape[:-2], cost.shape[-1])
    log_u = log_v
    for _ in range(iterations):
        log_u = a - (log_kernel + log_v.unsqueeze(-2)).logsumexp(-1)
        log_v = b - (log_kernel + log_u.unsqueeze(-1)).logsumexp(-2)
    return (log_u.unsqueeze(-1) + log_kernel + log_v.unsqueeze(-2)).exp()


def _check(epsilon: float, iterations: int) -> None:
    if not epsilon > 0:
        raise ValueError(f"epsilon must be positive, got {epsilon}")
    if iterations < 1:
        raise ValueError(f"iterations must be positive, got {iterations}")
