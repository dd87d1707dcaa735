"""Universal logit distillation: from a teacher with another tokenizer."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from limbeck.batch import Batch
from limbeck.losses.term import Term
from limbeck.losses.vocabulary import aligned_distance
from limbeck.methods.base import Method, Needs
from limbeck.signals import Signals


class UniversalLogitDistillation(Method):
    """L1 distance of sorted probabilities, where both tokenizers have read the same characters.

    The paper compares positions by their number; here they are those after which the same text is still to come, as the
    tokens' offsets in the text tell.

    Args:
        temperature: Both sides' logits are divided by it.
        weight: Of the term. Sorted probabilities do not say which words are meant: take cross-entropy with it.

    Reference:
        Boizard et al., "Towards Cross-Tokenizer Distillation: the Universal Logit Distillation Loss for LLMs", 2024,
        arXiv 2402.12030.

    Example:
        >>> UniversalLogitDistillation(weight=0.5).weights
        {'uld': 0.5}
    """

    name = "uld"
    reference = (
        'Boizard et al., "Towards Cross-Tokenizer Distillation: the Universal Logit Distillation Loss for LLMs", 2024, '
        "arXiv 2402.12030"
    )
    needs = Needs(logits=True)
    own_tokenizers = True

    def __init__(
        self, *, temperature: Annotated[float, Field(gt=0)] = 1.0, weight: Annotated[float, Field(gt=0)] = 1.0
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.weights = {"uld": weight}

    def forward(self, student: Signals, teacher: Signals, batch: Batch) -> dict[str, Term]:
        """One term, over aligned positions that count on both sides.

        Args:
            student: Logits ``(batch, tokens, vocab)``.
            teacher: Logits ``(batch, teacher_tokens, teacher_vocab)``.
            batch: With ``offsets``, ``mask``, ``teacher_offsets`` and ``teacher_mask``.
        """
        assert isinstance(student.logits, Tensor)
        assert isinstance(teacher.logits, Tensor)
        term = aligned_distance(
            student.logits,
            teacher.logits,
            batch["offsets"],
            batch["teacher_offsets"],
            temperature=self.temperature,
            mask=batch["mask"],
            teacher_mask=batch["teacher_mask"],
        )
        return {"uld": term}
