"""Talking models: the student's state goes through the teacher's upper part, and the answer comes back."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from limbeck.batch import Batch
from limbeck.errors import LimbeckError
from limbeck.losses.hidden import hidden_mse
from limbeck.losses.term import Term
from limbeck.methods.base import Method, Needs
from limbeck.signals import Signals


class TalkingModels(Method):
    """Student and teacher exchange messages in a space of their own, through small encoders and decoders.

    A round: the student's lower state becomes a message, ``m = E_s(h_s)``; the teacher decodes it, ``D_t(m)``, goes on
    from there with its own upper part, and answers ``E_t(H_t)``; the student decodes that, ``a = D_s(E_t(H_t))``. In
    the next round the message is of ``h_s + R a``, R linear. Terms, means over rounds:

    - ``talk/interact``: the student's upper state is the answer that it decodes; the answer is not held.
    - ``talk/messages``: messages of both about the same item are alike, from the lower and from the upper states.
    - ``talk/states``: what is encoded and decoded again is what it was; and the student's message decodes to what the
      teacher's own lower state is.

    Without rounds (``rounds=0``) the teacher speaks alone: the answer is decoded from its own upper state. Nothing of
    this is used after the training.

    Args:
        upper: The teacher's upper part, from its lower to its upper state; it is frozen, and left as it is.
        student: Names of the student's lower and upper states.
        teacher: Names of the teacher's. All states have features on their last axis, or are maps ``(batch, features,
            height, width)``; lower states agree in the other axes, and so do upper states.
        width: Of the messages.
        rounds: How often they talk.
        weights: Of the three terms; a term of weight 0 is left out.

    Raises:
        LimbeckError: There is no term.

    Reference:
        Zhao et al., "Talking Models: Distill Pre-trained Knowledge to Downstream Models via Interactive Communication",
        2023, arXiv 2310.03188. There is no public code; equations are a reconstruction from the text.
    """

    reference = (
        'Zhao et al., "Talking Models: Distill Pre-trained Knowledge to Downstream Models via Interactive '
        'Communication", 2023, arXiv 2310.03188'
    )

    def __init__(
        self,
        upper: Callable[[Tensor], Tensor],
        *,
        student: tuple[str, str],
        teacher: tuple[str, str],
        width: int = 32,
        rounds: int = 1,
        weights: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> None:
        super().__init__()
        names = ("talk/interact", "talk/messages", "talk/states")
        self.weights = {name: weight for name, weight in zip(names, weights, strict=True) if weight}
        if not self.weights:
            raise LimbeckError("talking models: at least one of the weights must not be 0")
        # In a list, so that the teacher is neither trained nor kept in checkpoints.
        self._upper = [upper]
        self.student, self.teacher, self.width, self.rounds = student, teacher, width, rounds
        self.needs = Needs(student_hidden=student, teacher_hidden=teacher)
        self.encoders, self.decoders = nn.ModuleDict(), nn.ModuleDict()

    def connect(self, student: Signals, teacher: Signals) -> None:
        """Make encoders and decoders by the widths of the states.

        Raises:
            LimbeckError: States of the two sides differ in more than features.
        """
        ours, theirs = self._states(student, teacher)
        for name, first, second in zip(("lower", "upper"), ours, theirs, strict=True):
            if first.shape[:-1] != second.shape[:-1]:
                raise LimbeckError(
                    f"talking models: the {name} states {tuple(first.shape)} and {tuple(second.shape)}, features last, "
                    "must agree in all axes but the last"
                )
            for side, state in (("student", first), ("teacher", second)):
                self.encoders[f"{side}_{name}"] = _perceptron(state.shape[-1], self.width)
                self.decoders[f"{side}_{name}"] = _perceptron(self.width, state.shape[-1])
        if self.rounds > 1:
            self.back = nn.Linear(ours[1].shape[-1], ours[0].shape[-1], bias=False)

    def forward(self, student: Signals, teacher: Signals, batch: Batch) -> dict[str, Term]:
        """The terms that have a weight, over the positions of the states."""
        (low, high), (their_low, their_high) = self._states(student, teacher)
        their_low, their_high = their_low.to(low.dtype), their_high.to(low.dtype)
        encode, decode = self.encoders, self.decoders
        messages = [
            hidden_mse(encode["student_lower"](low), encode["teacher_lower"](their_low)),
            hidden_mse(encode["student_upper"](high), encode["teacher_upper"](their_high)),
        ]
        names = [f"{side}_{place}" for side in ("student", "teacher") for place in ("lower", "upper")]
        own = zip(names, (low, high, their_low, their_high), strict=True)
        states = [hidden_mse(decode[name](encode[name](state)), state) for name, state in own]
        states.append(hidden_mse(decode["teacher_lower"](encode["student_lower"](low)), their_low))
        answers = [] if self.rounds else [decode["student_upper"](encode["teacher_upper"](their_high))]
        for _ in range(self.rounds):
            said = low + _spread(self.back(answers[-1]), low) if answers else low
            answers.append(self.answer(said, like=teacher.hidden[self.teacher[0]]))
        parts = {
            "talk/interact": [hidden_mse(high, answer) for answer in answers],
            "talk/messages": messages,
            "talk/states": states,
        }
        return {name: _mean(parts[name]) for name in self.weights}

    def answer(self, lower: Tensor, like: Tensor) -> Tensor:
        """What the student decodes of the teacher's answer to its lower state.

        Args:
            lower: The student's lower state, features last.
            like: The teacher's, as its module gives it.
        """
        asked = self.decoders["teacher_lower"](self.encoders["student_lower"](lower))
        said = _last(self._upper[0](asked.movedim(-1, 1) if like.dim() == 4 else asked))
        decoded: Tensor = self.decoders["student_upper"](self.encoders["teacher_upper"](said))
        return decoded

    def _states(self, student: Signals, teacher: Signals) -> tuple[list[Tensor], list[Tensor]]:
        ours, theirs = student.hidden, teacher.hidden
        return [_last(ours[name]) for name in self.student], [_last(theirs[name]) for name in self.teacher]


def _perceptron(first: int, last: int) -> nn.Module:
    wide = max(first, last)
    return nn.Sequential(nn.Linear(first, wide), nn.GELU(), nn.Linear(wide, last))


def _last(state: Tensor) -> Tensor:
    return state.movedim(1, -1) if state.dim() == 4 else state


def _spread(feature: Tensor, like: Tensor) -> Tensor:
    """Upper features at the places of a lower state: one an item at all of them, or maps at the nearest."""
    if feature.dim() < like.dim():
        return feature.reshape(len(feature), *[1] * (like.dim() - feature.dim()), feature.shape[-1])
    if like.dim() == 4:
        return F.adaptive_avg_pool2d(feature.movedim(-1, 1), (like.shape[1], like.shape[2])).movedim(1, -1)
    return feature


def _mean(terms: list[Term]) -> Term:
    """Of terms over different numbers of positions; counted by items of the first."""
    count = terms[0].count
    total = terms[0].total
    for term in terms[1:]:
        total = total + term.total * (count / term.count.clamp(min=1))
    return Term(total / len(terms), count)
