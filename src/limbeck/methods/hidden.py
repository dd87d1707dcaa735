"""Hidden states of the student, projected, shall be those of the teacher."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from limbeck.batch import Batch
from limbeck.errors import LimbeckError
from limbeck.losses.hidden import hidden_cosine, hidden_mse, normalized_l1
from limbeck.losses.term import Term
from limbeck.methods.base import Method, Needs
from limbeck.methods.positions import counted_positions
from limbeck.signals import Signals


class HiddenStateDistillation(Method):
    """Distances between pairs of hidden states; a linear projection leads from the student's width to the teacher's.

    Args:
        pairs: From the path of the student's module to that of the teacher's, as
            ``{"model.layers.1": "model.layers.5"}``; `limbeck sites MODEL` lists them.
        distance: ``"mse"``, ``"cosine"``, or ``"normalized-l1"``, as DMAE has it.
        weight: Of each pair's term.

    Reference:
        Romero et al., "FitNets: Hints for Thin Deep Nets", ICLR 2015, arXiv 1412.6550.

    Example:
        >>> method = HiddenStateDistillation(pairs={"layers.0": "layers.3"})
        >>> method.needs.teacher_hidden, method.weights
        (('layers.3',), {'hidden/layers.0': 1.0})
    """

    name = "hidden"
    reference = 'Romero et al., "FitNets: Hints for Thin Deep Nets", ICLR 2015, arXiv 1412.6550'

    def __init__(
        self,
        *,
        pairs: Annotated[dict[str, str], Field(min_length=1)],
        distance: Literal["mse", "cosine", "normalized-l1"] = "mse",
        weight: Annotated[float, Field(gt=0)] = 1.0,
    ) -> None:
        super().__init__()
        self.pairs = dict(pairs)
        self.needs = Needs(student_hidden=tuple(pairs), teacher_hidden=tuple(dict.fromkeys(pairs.values())))
        self.weights = {f"hidden/{ours}": weight for ours in pairs}
        self.distance = _DISTANCES[distance]
        self.projections = nn.ModuleDict()

    def connect(self, student: Signals, teacher: Signals) -> None:
        """Make the projections where widths differ."""
        for ours, theirs in self.pairs.items():
            first, second = student.hidden[ours], teacher.hidden[theirs]
            if first.shape[:-1] != second.shape[:-1]:
                raise LimbeckError(
                    f"method hidden: {ours!r} gives {tuple(first.shape)} and {theirs!r} {tuple(second.shape)}; "
                    "all axes but the last must agree"
                )
            if first.shape[-1] != second.shape[-1]:
                self.projections[_key(ours)] = nn.Linear(first.shape[-1], second.shape[-1], bias=False)

    def forward(self, student: Signals, teacher: Signals, batch: Batch) -> dict[str, Term]:
        """One term a pair, over the positions that count."""
        terms = {}
        for ours, theirs in self.pairs.items():
            mask = counted_positions(ours, student, batch)
            states = self._projected(ours, student.hidden[ours])
            terms[f"hidden/{ours}"] = self.distance(states, teacher.hidden[theirs], mask=mask)
        return terms

    def _projected(self, name: str, hidden: Tensor) -> Tensor:
        key = _key(name)
        projected: Tensor = self.projections[key](hidden) if key in self.projections else hidden
        return projected


_DISTANCES = {"mse": hidden_mse, "cosine": hidden_cosine, "normalized-l1": normalized_l1}


def _key(name: str) -> str:
    """Names of submodules have no dots."""
    return name.replace(".", "/")
