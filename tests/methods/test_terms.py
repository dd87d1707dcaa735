"""Terms of several methods, and of a task of its own beside one."""

from __future__ import annotations

import pytest
from torch import nn

from limbeck.distill.task import DistillTask
from limbeck.errors import LimbeckError
from limbeck.methods.logits import LogitDistillation
from limbeck.methods.terms import joint_weights


class Named(LogitDistillation):
    """Has a term of any name."""

    def __init__(self, term: str) -> None:
        super().__init__()
        self.weights = {term: 0.5}


def test_all_terms_are_weighted() -> None:
    assert joint_weights([Named("a"), Named("b")], {"labels": 0.0}) == {"a": 0.5, "b": 0.5}


@pytest.mark.parametrize("label_weight", [0.0, 1.0])
def test_the_labels_term_is_the_task_s_own(label_weight: float) -> None:
    with pytest.raises(LimbeckError, match="'labels' is of the task itself and of logits"):
        joint_weights([Named("labels")], {"labels": label_weight})


@pytest.mark.parametrize("term", ["cross_entropy", "kl"])
def test_a_distilled_student_s_terms_are_not_replaced(term: str) -> None:
    with pytest.raises(LimbeckError, match=f"'{term}' is of the task itself and of logits"):
        DistillTask("causal-lm", nn.Linear(1, 1), None, Named(term), cross_entropy=0.5)
