"""Students and teachers whose vocabularies differ."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.losses.pairs import check_temperature
from limbeck.losses.rowwise import rowwise_term
from limbeck.losses.sorting import descending
from limbeck.losses.term import Term
from limbeck.signals import SparseLogits

Offsets = Sequence[tuple[int, int]] | Int[Tensor, "tokens 2"]
"""Where each token begins and ends in the text, in characters; begin and end agree where it has no text."""


def universal_logit_distance(
    student: Float[Tensor, "*positions vocab"],
    teacher: Float[Tensor, "*positions teacher_vocab"] | SparseLogits,
    *,
    temperature: float = 1.0,
    mask: Bool[Tensor, "*positions"] | None = None,
) -> Term:
    """ULD: L1 distance between the sorted probabilities, whichever classes they belong to.

    It is optimal transport in which all moves cost the same. By its definition the shorter list is padded with zeros;
    this is the one loss in which that is so. With a sparse teacher the ``k`` largest of either side are compared.

    Args:
        student: Scores before the softmax.
        teacher: Likewise, over a vocabulary of its own; or the likeliest classes. It gets no gradient.
        temperature: Both sides' logits are divided by it; 1 for a sparse teacher.
        mask: True where a position counts; elsewhere either side may hold anything, NaN too.

    Returns:
        The sum over positions that count, each in ``[0, 2]``, and their number.

    Raises:
        LimbeckError: Student and teacher differ in positions.
        ValueError: The temperature is not positive, or not 1 with a sparse teacher.

    Reference:
        Boizard et al., "Towards Cross-Tokenizer Distillation: the Universal Logit Distillation Loss for LLMs", 2024,
        arXiv 2402.12030.

    Example:
        >>> import torch
        >>> student, teacher = torch.tensor([[0.7, 0.3]]).log(), torch.tensor([[0.2, 0.5, 0.3]]).log()
        >>> round(float(universal_logit_distance(student, teacher).mean()), 4)  # |.7 - .5| + |.3 - .3| + |0 - .2|
        0.4
    """
    lead = student.shape[:-1]
    theirs = teacher.positions if isinstance(teacher, SparseLogits) else teacher.shape[:-1]
    if theirs != lead:
        raise LimbeckError(f"logits: the student's positions are {tuple(lead)}, the teacher's {tuple(theirs)}")
    tempered = check_temperature(temperature, mask, lead)
    if isinstance(teacher, SparseLogits):
        if tempered:
            raise ValueError(f"temperature must be 1 with a sparse teacher, got {temperature}")
        return rowwise_term(_largest, (student, teacher.log_probs.detach()), mask)

    def value(ours: Tensor, theirs: Tensor) -> Tensor:
        q, p = (descending((side / temperature).softmax(-1)) for side in (ours, theirs))
        common = min(q.shape[-1], p.shape[-1])
        apart = (q[..., :common] - p[..., :common]).abs().sum(-1)
        return apart + q[..., common:].sum(-1) + p[..., common:].sum(-1)

    return rowwise_term(value, (student, teacher.detach()), mask)


def _largest(student: Tensor, log_probs: Tensor) -> Tensor:
    p = descending(log_probs.exp())
    q = student.softmax(-1).topk(min(p.shape[-1], student.shape[-1]), dim=-1).values
    common = q.shape[-1]
    return (q - p[..., :common]).abs().sum(-1) + p[..., common:].sum(-1)


def aligned_distance(
    student: Float[Tensor, "b tokens vocab"],
    teacher: Float[Tensor, "b teacher_tokens teacher_vocab"],
    student_offsets: Int[Tensor, "b tokens 2"],
    teacher_offsets: Int[Tensor, "b teacher_tokens 2"],
    *,
    temperature: float = 1.0,
    mask: Bool[Tensor, "b tokens"] | None = None,
    teacher_mask: Bool[Tensor, "b teacher_tokens"] | None = None,
) -> Term:
    """:func:`universal_logit_distance` where both tokenisers have read the same text: see :func:`align_by_offsets`.

    Args:
        student: Scores of the next token, before the softmax.
        teacher: Likewise, of its own tokens.
        student_offsets: Begin and end of the token *at* each position, in characters of the same text.
        teacher_offsets: Likewise.
        temperature: Both sides' logits are divided by it.
        mask: True where a position of the student counts.
        teacher_mask: True where a position of the teacher counts.

    Returns:
        The sum over aligned positions that count on both sides, and their number.

    Raises:
        LimbeckError: The numbers of texts or tokens do not fit.

    Example:
        >>> import torch
        >>> ours, theirs = torch.tensor([[[0, 2], [2, 5]]]), torch.tensor([[[0, 1], [1, 2], [2, 5]]])
        >>> float(aligned_distance(torch.zeros(1, 2, 4), torch.zeros(1, 3, 4), ours, theirs).count)
        2.0
    """
    sides = (("student", student, student_offsets), ("teacher", teacher, teacher_offsets))
    for name, logits, offsets in sides:
        if offsets.shape != (*logits.shape[:2], 2):
            got = f"offsets {tuple(offsets.shape)} for logits {tuple(logits.shape)}"
            raise LimbeckError(f"{name}: got {got}, expected (texts, tokens, 2)")
    if len(student) != len(teacher):
        raise LimbeckError(f"texts: the student read {len(student)}, the teacher {len(teacher)}")
    found = [
        (text, i, j)
        for text in range(len(student))
        for i, j in align_by_offsets(student_offsets[text], teacher_offsets[text])
        if (mask is None or mask[text, i]) and (teacher_mask is None or teacher_mask[text, j])
    ]
    text, i, j = torch.tensor(found, dtype=torch.long, device=student.device).reshape(-1, 3).unbind(1)
    return universal_logit_distance(student[text, i], teacher[text, j], temperature=temperature)


def align_by_offsets(student_offsets: Offsets, teacher_offsets: Offsets) -> list[tuple[int, int]]:
    """Positions at which both tokenisers have read the same characters, so that both foretell what follows these.

    Args:
        student_offsets: Begin and end of each token in the text, in characters.
        teacher_offsets: Likewise, by the other tokeniser, in the same text.

    Returns:
        Pairs of positions, student's and teacher's, in the order of the text. Tokens without text (special ones,
        padding) have no pair; of several that end at the same character, the last has read it.

    Raises:
        LimbeckError: The ends of a side's tokens fall.

    Example:
        >>> align_by_offsets([(0, 3), (3, 7), (7, 8)], [(0, 0), (0, 3), (3, 5), (5, 8)])
        [(0, 1), (2, 3)]
    """
    ours, theirs = _ends("student", student_offsets), _ends("teacher", teacher_offsets)
    return [(position, theirs[end]) for end, position in ours.items() if end in theirs]


def _ends(side: str, offsets: Offsets) -> dict[int, int]:
    """The last position that ends at each character."""
    spans = offsets.tolist() if isinstance(offsets, Tensor) else offsets
    ends: dict[int, int] = {}
    reached = 0
    for position, (begin, end) in enumerate(spans):
        if end <= begin:
            continue
        if end < reached:
            raise LimbeckError(f"{side}: token {position} ends at character {end}, the one before at {reached}")
        reached = end
        ends[end] = position
    return ends
