"""The task of most systems: a student, its data's labels, and logits that a teacher gave beforehand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from limbeck.batch import Batch
from limbeck.losses.cross_entropy import cross_entropy
from limbeck.losses.term import Term
from limbeck.methods.base import Method
from limbeck.methods.terms import joint_weights
from limbeck.signals import Signals, tap
from limbeck.training.task import Task


class Taught(Task):
    """A student learns from ``batch["labels"]``, and by methods that read logits from ``batch["teacher"]``.

    Args:
        student: Gives logits.
        inputs: Names of the columns that it is called with, in order.
        methods: What else it learns by; none is training on labels alone.
        labels: The loss against labels.
        label_weight: Its weight; at 0 the labels are not looked at.

    Raises:
        LimbeckError: Two methods have a term of the same name, or one has ``labels``.

    Example:
        >>> task = Taught(nn.Linear(2, 3), ("x",))
        >>> list(task({"x": torch.ones(4, 2), "labels": torch.zeros(4, dtype=torch.long)}))
        ['labels']
    """

    def __init__(
        self,
        student: nn.Module,
        inputs: Sequence[str],
        methods: Sequence[Method] = (),
        *,
        labels: Callable[[Tensor, Tensor], Term] = cross_entropy,
        label_weight: float = 1.0,
    ) -> None:
        super().__init__(joint_weights(methods, {"labels": label_weight}))
        self.student, self.methods = student, nn.ModuleList(methods)
        self.inputs, self.label_loss = tuple(inputs), labels

    def forward(self, batch: Batch) -> dict[str, Term]:
        """``labels`` if they have a weight, and the methods' terms."""
        logits = self.student(*(batch[name] for name in self.inputs))
        terms = {"labels": self.label_loss(logits, batch["labels"])} if "labels" in self.weights else {}
        for method in self.methods:
            terms |= method(Signals(logits=logits), Signals(logits=batch["teacher"]), batch)
        return terms


@torch.no_grad()
def said_by(network: nn.Module, *inputs: Tensor, device: str, at_once: int = 500, site: str = "") -> Tensor:
    """What a network, or one of its modules, says in eval mode, on the CPU.

    Args:
        network: Its mode is afterwards what it was before; it stays on the device.
        inputs: What it is called with, in order; the first axis is cut into batches.
        device: Where.
        at_once: Rows of one batch.
        site: Path of the module; by default the network itself.

    Example:
        >>> said_by(nn.Linear(2, 3), torch.ones(1200, 2), device="cpu").shape
        torch.Size([1200, 3])
    """
    was_training = network.training
    network.eval().to(device)
    parts = zip(*(whole.split(at_once) for whole in inputs), strict=True)
    said = []
    with tap(network, [site]) as found:
        for given in parts:
            network(*(part.to(device) for part in given))
            said.append(found[site].cpu())
    network.train(was_training)
    return torch.cat(said)
