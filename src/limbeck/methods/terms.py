"""The terms of several methods that teach the same student."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from limbeck.errors import LimbeckError
from limbeck.methods.base import Method


def joint_weights(methods: Iterable[Method], own: Mapping[str, float] | None = None) -> dict[str, float]:
    """The weights of all the methods' terms and of those of the task that has the methods.

    Args:
        methods: What teaches.
        own: The task's own terms; one at 0 has no weight, and no method may have its name all the same.

    Raises:
        LimbeckError: Two of them have a term of the same name, so that one would replace the other.

    Example:
        >>> from limbeck.methods.find import make_method
        >>> methods = [make_method({"name": "logits"}), make_method({"name": "logit-mse", "weight": 2.0})]
        >>> joint_weights(methods, {"labels": 0.5})
        {'labels': 0.5, 'forward_kl': 1.0, 'logit_mse': 2.0}
    """
    own = own or {}
    weights = {term: weight for term, weight in own.items() if weight}
    owners = dict.fromkeys(own, "the task itself")
    for method in methods:
        name = method.name or type(method).__name__
        for term, weight in method.weights.items():
            if term in owners:
                raise LimbeckError(f"term {term!r} is of {owners[term]} and of {name}; one would replace the other")
            owners[term], weights[term] = name, weight
    return weights
