"""The task of systems about pictures: a student, its labels, and a teacher with logits and hidden states."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from limbeck.batch import Batch
from limbeck.losses.cross_entropy import cross_entropy
from limbeck.losses.term import Term
from limbeck.methods.base import Method
from limbeck.methods.terms import joint_weights
from limbeck.signals import Signals, tap
from limbeck.systems.vision.data import Pictures
from limbeck.teachers.base import Teacher
from limbeck.teachers.live import LiveTeacher
from limbeck.training.task import Task

Change = Callable[[Batch], Batch]


class ImageTask(Task):
    """A student of pictures learns from ``batch["labels"]``, and by methods from a teacher's signals.

    Args:
        student: Takes ``batch["pixels"]``.
        methods: What else it learns by.
        teacher: Teaches; not asked without methods.
        label_weight: Weight of the cross-entropy with the labels; at 0 they are not looked at.
        change: Changes each batch in training (mixes, turns, ...); student and teacher both see what it gives.

    Raises:
        LimbeckError: Two methods have a term of the same name, or one has ``labels``.
    """

    def __init__(
        self,
        student: nn.Module,
        methods: Sequence[Method] = (),
        teacher: Teacher | None = None,
        *,
        label_weight: float = 1.0,
        change: Change | None = None,
    ) -> None:
        super().__init__(joint_weights(methods, {"labels": label_weight}))
        self.student, self.methods, self.teacher, self.change = student, nn.ModuleList(methods), teacher, change
        self.sites = hidden_of(methods)[0]

    def speak(self, batch: Batch) -> Signals:
        """What the student says."""
        with tap(self.student, self.sites) as hidden:
            logits = self.student(batch["pixels"])
        return Signals(logits=logits, hidden=hidden)

    def forward(self, batch: Batch) -> dict[str, Term]:
        """``labels`` if they have a weight, and the methods' terms."""
        if self.training and self.change is not None:
            batch = self.change(batch)
        ours = self.speak(batch)
        assert isinstance(ours.logits, Tensor)
        terms = {"labels": cross_entropy(ours.logits, batch["labels"])} if "labels" in self.weights else {}
        theirs = self.teacher(batch) if self.teacher is not None and self.methods else Signals()
        for method in self.methods:
            terms |= method(ours, theirs, batch)
        return terms


class Told:
    """What a teacher says of pictures that do not change, asked once and looked up by ``batch["row"]``.

    Args:
        teacher: Asked.
        pictures: Their rows are those of the batches to come.
    """

    def __init__(self, teacher: Teacher, pictures: Pictures, device: str = "cpu") -> None:
        said = [teacher({"pixels": part.to(device)}) for part in pictures.pixels.split(250)]
        self.logits = torch.cat([one.logits for one in said if isinstance(one.logits, Tensor)])
        self.hidden = {name: torch.cat([one.hidden[name] for one in said]) for name in said[0].hidden}

    @classmethod
    def by(cls, network: nn.Module, pictures: Pictures, sites: Sequence[str] = (), device: str = "cpu") -> Told:
        """What a network says, and what its modules at the sites give."""
        return cls(LiveTeacher(network.to(device), ("pixels",), sites), pictures, device)

    def only(self, sites: Sequence[str]) -> Told:
        """The same with some of the hidden states."""
        part = copy.copy(self)
        part.hidden = {site: self.hidden[site] for site in sites}
        return part

    def __call__(self, batch: Batch) -> Signals:
        """Look it up."""
        rows = batch["row"]
        return Signals(logits=self.logits[rows], hidden={name: value[rows] for name, value in self.hidden.items()})


def hidden_of(methods: Sequence[Method]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The hidden states that any of the methods reads, of the student and of the teacher."""
    ours = [name for method in methods for name in method.needs.student_hidden]
    theirs = [name for method in methods for name in method.needs.teacher_hidden]
    return tuple(dict.fromkeys(ours)), tuple(dict.fromkeys(theirs))
