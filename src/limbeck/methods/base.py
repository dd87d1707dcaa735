"""The contract of a method: what it needs from either side, and the terms it makes of it."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from limbeck.batch import Batch
from limbeck.errors import LimbeckError
from limbeck.losses.term import Term
from limbeck.signals import Signals
from limbeck.teachers.base import Teacher
from limbeck.teachers.store.settings import Keep

Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
"""Settings of methods: what must be more than 0, and weights that leave a term out at 0."""


@dataclass(frozen=True)
class Needs:
    """What a method reads from either side, so that nothing else is computed or captured.

    Args:
        logits: Whether it reads logits.
        of_teacher: What of the teacher's logits it reads: ``"some"`` where the likeliest classes will do, ``"all"``
            where it takes the probabilities of all of them, ``"scores"`` where it takes scores before any softmax,
            which no store has.
        labels: Whether it reads ``labels``, the class of a whole item.
        student_hidden: Names of the student's hidden states that it reads.
        teacher_hidden: Names of the teacher's hidden states that it reads.
    """

    logits: bool = False
    of_teacher: Literal["some", "all", "scores"] = "some"
    labels: bool = False
    student_hidden: tuple[str, ...] = ()
    teacher_hidden: tuple[str, ...] = ()


@dataclass(frozen=True)
class Networks:
    """The networks themselves, for methods that call them on other inputs than the batch's.

    Args:
        student: From its input, one tensor, to logits.
        teacher: Likewise, frozen and in evaluation mode; None where only what it says is at hand.
        inputs: Finds that input in a batch.
        held: Columns of items that the student does not learn from, ``labels`` among them, if there are any.
    """

    student: nn.Module
    teacher: nn.Module | None
    inputs: Callable[[Batch], Tensor]
    held: Mapping[str, Tensor] | None = None

    def drawn(self, count: int, device: torch.device) -> Batch:
        """Some of the held items, with repetition.

        Args:
            count: How many.
            device: Where they are wanted.
        """
        assert self.held is not None
        rows = torch.randint(len(self.held["labels"]), (count,))
        return {name: value[rows.to(value.device)].to(device) for name, value in self.held.items()}


class Method(nn.Module, abc.ABC):
    """Compares a student's signals with a teacher's. Its state (projections, prototypes) goes into the checkpoint.

    A method with a ``name`` can be chosen by it in a configuration file; the keyword arguments of its constructor
    are its settings there (:mod:`limbeck.methods.find`).
    """

    name: ClassVar[str] = ""
    """What it is called in a configuration file; empty where it needs more than settings to be made."""
    reference: ClassVar[str] = ""
    """The paper, for the card of a model that was trained by it."""

    own_tokenizers: ClassVar[bool] = False
    """Whether it is for models of different tokenizers, which is an error for every other."""

    positionwise: ClassVar[bool] = False
    """Whether its terms are sums over positions of what logits and ``targets`` of that position alone say, counted by
    positions, so that a language model's may be computed a chunk of positions at a time."""

    networks: Networks | None = None
    """What :meth:`meet` was told; no part of the method's state."""

    learns_from_held: bool = False
    """Whether it learns from items that the student does not learn from (``held`` of :class:`Networks`)."""

    needs: Needs = Needs()
    weights: Mapping[str, float]
    """The weight of each term; a task takes them over, and may hold a weight of its own for the same name."""

    @abc.abstractmethod
    def forward(self, student: Signals, teacher: Signals, batch: Batch) -> dict[str, Term]:
        """Named terms; each is a sum with its count."""

    def check_stored(self, keep: Keep) -> None:
        """Say early, before a teacher is asked or a step taken, that a store of it will not do.

        Args:
            keep: What the store has of its logits.

        Raises:
            LimbeckError: It keeps less than the method reads.
        """
        wanted = self.needs.of_teacher
        if wanted == "scores":
            told = "compares the teacher's scores themselves, and a store keeps probabilities; leave 'store' out"
        elif wanted == "all" and keep != "full":
            told = f"reads all classes of the teacher, and the store has {keep!r}; write it with --keep full"
        else:
            return
        raise LimbeckError(f"method: {self.name!r} {told}")

    def connect(self, student: Signals, teacher: Signals) -> None:
        """Make what depends on the models' sizes, such as projections; called once, before training.

        Args:
            student: What the student says of one small batch.
            teacher: What the teacher says of it.

        Raises:
            LimbeckError: The two do not go together.
        """

    def prepare(self, teacher: Teacher, batches: Iterable[Batch]) -> None:
        """Look at the training data once, after :meth:`connect`; for methods that need to know all of it beforehand.

        Args:
            teacher: Gives what the method needs.
            batches: The training data, in any order.
        """

    def meet(self, networks: Networks) -> None:
        """Keep the networks, for methods that call them; before the training."""
        self.networks = networks

    def begin_step(self, progress: float) -> None:
        """Move schedules; called before each optimiser step.

        Args:
            progress: The share of the training that is done, in ``[0, 1]``.
        """
