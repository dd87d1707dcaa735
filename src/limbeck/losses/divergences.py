"""All divergences of a student from a teacher by name, as a configuration file gives them."""

from __future__ import annotations

import functools
import inspect
from typing import Any, Protocol

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from limbeck.errors import LimbeckError, near_matches
from limbeck.losses.adaptive import adaptive_kl
from limbeck.losses.decoupled import decoupled_temperature_kl, topk_split_kl
from limbeck.losses.divergence import forward_kl, jeffreys, reverse_kl, total_variation
from limbeck.losses.mixtures import generalized_js, skewed_forward_kl, skewed_reverse_kl
from limbeck.losses.pairs import Temperature
from limbeck.losses.taid import taid_divergence
from limbeck.losses.term import Term
from limbeck.signals import SparseLogits


class Divergence(Protocol):
    """What all divergences take: see :func:`~limbeck.losses.divergence.forward_kl`."""

    def __call__(
        self,
        student: Float[Tensor, "*positions vocab"],
        teacher: Float[Tensor, "*positions vocab"] | SparseLogits,
        *,
        temperature: Temperature = 1.0,
        mask: Bool[Tensor, "*positions"] | None = None,
    ) -> Term:
        """The sum over positions that count, and their number."""
        ...


DIVERGENCES: dict[str, Divergence] = {
    "forward_kl": forward_kl,
    "reverse_kl": reverse_kl,
    "jeffreys": jeffreys,
    "generalized_js": generalized_js,
    "skewed_forward_kl": skewed_forward_kl,
    "skewed_reverse_kl": skewed_reverse_kl,
    "total_variation": total_variation,
    "adaptive_kl": adaptive_kl,
    "decoupled_temperature_kl": decoupled_temperature_kl,
    "topk_split_kl": topk_split_kl,
    "taid_divergence": taid_divergence,
}
"""Every divergence by the name that a configuration file gives it."""


def divergence(name: str, **options: Any) -> Divergence:
    """Find a divergence by its name, and set its options.

    Args:
        name: One of :data:`DIVERGENCES`.
        options: Its keyword arguments, such as ``skew`` or ``rest``. They are tried, so that a wrong value is told
            here and not in the midst of a training.

    Raises:
        LimbeckError: There is none of that name, it has no such option, or the option no such value.

    Example:
        >>> import torch
        >>> skewed = divergence("skewed_forward_kl", skew=0.2)
        >>> float(skewed(torch.zeros(1, 3), torch.zeros(1, 3)).mean())
        0.0
    """
    if name not in DIVERGENCES:
        raise LimbeckError(f"divergence: there is no {name!r}; {near_matches(name, DIVERGENCES)}")
    found = DIVERGENCES[name]
    taken = [option for option in inspect.signature(found).parameters if option not in ("student", "teacher", "mask")]
    for option in options:
        if option not in taken:
            raise LimbeckError(f"divergence: {name} has no option {option!r}; {near_matches(option, taken)}")
    chosen: Divergence = functools.partial(found, **options) if options else found
    _try(name, chosen, options)
    return chosen


def _try(name: str, chosen: Divergence, options: dict[str, Any]) -> None:
    if not options or any(isinstance(option, Tensor) for option in options.values()):
        return  # a tensor has the shape of the batch that is to come
    logits = torch.zeros(1, 2)
    try:
        chosen(logits, logits)
        if "rest" in options:  # it has a meaning for sparse teachers alone
            chosen(logits, SparseLogits.top(logits, 1), temperature=1.0)
    except (TypeError, ValueError) as error:
        raise LimbeckError(f"divergence: {name}: {error}") from None
