"""An arm: how one student is taught."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from limbeck.systems import findings
from limbeck.systems.findings import Role


@dataclass(frozen=True, eq=False)
class Arm:
    """What is different about an arm.

    Args:
        name: What claims call it.
        title: What tables call it.
        role: The method, a baseline, an ablation, or the teacher itself, which is not trained.
        method: Settings of a method (:func:`~limbeck.methods.find.make_method`); None without a teacher.
        cross_entropy: Weight of the data's own words.
        description: What a reader should know.
        options: What the system itself does differently.
    """

    name: str
    title: str
    role: Role
    method: Mapping[str, Any] | None = None
    cross_entropy: float = 0.0
    description: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def declared(self) -> findings.Arm:
        """As findings know it."""
        return findings.Arm(self.name, self.title, self.role, self.description)


def logits(divergence: str, **options: Any) -> dict[str, Any]:
    """Settings of a plain divergence from the teacher."""
    return {"name": "logits", "divergence": divergence, **({"options": options} if options else {})}


@dataclass(frozen=True)
class Budget:
    """What every arm of a system gets.

    Args:
        steps: Optimiser steps.
        batch_size: Sequences a step.
        lr: The learning rate at its peak.
    """

    steps: int
    batch_size: int = 32
    lr: float = 4e-3
