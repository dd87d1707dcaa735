"""Relations among tokens: the places of a picture's feature maps, or its patches.

The nodes of a graph are not independent of each other: parts of it do not add up to the whole. Gradients flow into both
sides that require them.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from limbeck.losses.divergence import forward_pair, reverse_pair
from limbeck.losses.term import Term, empty_term

Order = Literal["reverse", "forward"]


def token_graph_divergence(
    student: Float[Tensor, "nodes width"],
    teacher: Float[Tensor, "nodes teacher_width"],
    *,
    neighbours: int = 8,
    sigma: float = 1.0,
    order: Order = "reverse",
) -> Term:
    """KL between the rows of two graphs, ``softmax_j A_ij``, with ``A_ij = exp(-|x_i - x_j|^2 / (2 sigma))``.

    ``A_ij`` is that only where i is among the nearest neighbours of j, and 0 elsewhere, on the diagonal too. Each
    side's squared distances are divided by their mean over its own edges, so that ``sigma`` means the same on both;
    that is ours, as features of different networks have different scales.

    Args:
        student: Tokens, one row a node.
        teacher: The same tokens as the teacher has them; its own nearest neighbours count for its graph.
        neighbours: How many a node has; all others where there are fewer.
        sigma: Width of the kernel.
        order: ``"reverse"`` is ``KL(student, teacher)``, as a note that quotes the paper has it; ``"forward"`` is
            ``KL(teacher, student)``.

    Returns:
        The sum over nodes, and their number. Nothing is counted for fewer than two.

    Raises:
        ValueError: There is no such order.

    Reference:
        "Knowledge Distillation via Token-level Relationship Graph", 2023, arXiv 2306.12442.

    Example:
        >>> import torch
        >>> nodes = torch.tensor([[0.0], [1.0], [3.0]])
        >>> float(token_graph_divergence(nodes, 5 * nodes).mean())
        0.0
    """
    if order not in get_args(Order):
        raise ValueError(f"order must be one of {', '.join(get_args(Order))}, got {order!r}")
    student, teacher = _wide(student, teacher)
    if len(student) < 2:
        return _nothing(student, teacher)
    log_q, log_p = (_affinities(side, neighbours, sigma).log_softmax(-1) for side in (student, teacher))
    return Term.over((reverse_pair if order == "reverse" else forward_pair)(log_q, log_p))


def token_contrast(
    student: Float[Tensor, "nodes width"], teacher: Float[Tensor, "nodes width"], *, temperature: float = 0.1
) -> Term:
    """InfoNCE among all tokens: each of the student's is to be told to be the teacher's same token, by their cosines.

    Args:
        student: Tokens, projected to the teacher's width.
        teacher: The same tokens.
        temperature: Cosines are divided by it.

    Returns:
        The sum over nodes, in nats, and their number.

    Reference:
        van den Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018, arXiv 1807.03748.

    Example:
        >>> import torch
        >>> round(float(token_contrast(torch.eye(3), torch.eye(3), temperature=0.01).mean()), 4)
        0.0
    """
    student, teacher = _wide(student, teacher)
    scores = F.normalize(student, dim=-1) @ F.normalize(teacher, dim=-1).T / temperature
    return Term.over(-scores.log_softmax(-1).diagonal())


def inner_relations(
    student: Float[Tensor, "b tokens width"], teacher: Float[Tensor, "b tokens teacher_width"]
) -> Float[Tensor, " b"]:
    """Mean squared difference of ``softmax(F F^T / sqrt(width))``, how each token looks at those of its own picture.

    Args:
        student: Tokens of each picture.
        teacher: The same tokens.

    Reference:
        As :func:`token_graph_divergence`.

    Example:
        >>> import torch
        >>> tokens = torch.eye(2).unsqueeze(0)
        >>> inner_relations(tokens, tokens.flip(2)).tolist()
        [0.0]
    """
    ours, theirs = (
        (side @ side.transpose(1, 2) / side.shape[-1] ** 0.5).softmax(-1) for side in _wide(student, teacher)
    )
    return (ours - theirs).square().flatten(1).mean(1)


def _affinities(nodes: Tensor, neighbours: int, sigma: float) -> Tensor:
    lengths = nodes.square().sum(-1)
    squared = (lengths.unsqueeze(0) + lengths.unsqueeze(1) - 2 * nodes @ nodes.T).clamp(min=0.0)
    apart = squared.detach().clone().fill_diagonal_(torch.inf)
    nearest = apart.topk(min(neighbours, len(nodes) - 1), dim=0, largest=False).indices
    edges = torch.zeros_like(apart, dtype=torch.bool).scatter_(0, nearest, True)
    mean = squared[edges].mean()
    # Where all tokens are one, all distances are 0 already.
    scaled = squared / torch.where(mean > 0, mean, 1.0)
    return torch.where(edges, (-scaled / (2 * sigma)).exp(), 0.0)


def _wide(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    if student.shape[:-1] != teacher.shape[:-1]:
        shapes = f"{tuple(student.shape[:-1])} and {tuple(teacher.shape[:-1])}"
        raise ValueError(f"student and teacher differ in tokens: {shapes}")
    if student.dtype.itemsize < 4:
        student = student.float()
    return student, teacher.to(student.dtype)


def _nothing(student: Tensor, teacher: Tensor) -> Term:
    """A term over nothing that still leads to both sides."""
    return Term(student[:0].sum() + teacher[:0].sum(), empty_term(student).count)
