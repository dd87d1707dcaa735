"""A loss term: a sum, and the count it is a sum over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Term:
    """A sum and the count it is a sum over; never a mean.

    Means of means depend on how a batch was split. Sums and counts do not: the loop adds both over accumulation
    steps and processes, and divides once.

    Args:
        total: The sum over all counted positions, with its gradient. Shape ``()``.
        count: How many positions (tokens, images, pairs, ...) were summed. Shape ``()``; carries no gradient.

    Example:
        >>> import torch
        >>> a, b = Term(torch.tensor(6.0), torch.tensor(2.0)), Term(torch.tensor(1.0), torch.tensor(2.0))
        >>> float((a + b).mean())
        1.75
    """

    total: Float[Tensor, ""]
    count: Float[Tensor, ""]

    @classmethod
    def over(cls, values: Tensor, mask: Tensor | None = None) -> Term:
        """Sum ``values`` where ``mask`` is true; masked values reach neither the sum nor the gradient, even if NaN.

        Args:
            values: One value a position, any shape.
            mask: Boolean, broadcastable to ``values``; ``None`` counts every position.

        Returns:
            The term, in float32 at least.

        Example:
            >>> import torch
            >>> term = Term.over(torch.tensor([1.0, float("nan"), 3.0]), torch.tensor([True, False, True]))
            >>> float(term.total), float(term.count)
            (4.0, 2.0)
        """
        # In half precision a count above 256 could not be held, nor a sum of many values.
        wide = torch.promote_types(values.dtype, torch.float32)
        if mask is None:
            return cls(values.sum(dtype=wide), values.new_tensor(float(values.numel()), dtype=wide))
        mask = mask.expand_as(values)
        return cls(values.masked_fill(~mask, 0.0).sum(dtype=wide), mask.sum().to(wide))

    def mean(self) -> Float[Tensor, ""]:
        """The mean over the counted positions, 0 where there are none."""
        return self.total / self.count.clamp(min=1)

    def detach(self) -> Term:
        """The same term without its gradient."""
        return Term(self.total.detach(), self.count.detach())

    def __add__(self, other: Term) -> Term:
        return Term(self.total + other.total, self.count + other.count)


def add_terms(parts: Iterable[dict[str, Term]]) -> dict[str, Term]:
    """Add named terms of several (micro-)batches, name by name.

    Example:
        >>> import torch
        >>> one = {"ce": Term(torch.tensor(2.0), torch.tensor(1.0))}
        >>> float(add_terms([one, one])["ce"].total)
        4.0
    """
    added: dict[str, Term] = {}
    for part in parts:
        for name, term in part.items():
            added[name] = added[name] + term if name in added else term
    return added


def empty_term(like: Tensor) -> Term:
    """A term over nothing, on the device and in the type of ``like``."""
    zero = torch.zeros((), dtype=like.dtype, device=like.device)
    return Term(zero, zero)
