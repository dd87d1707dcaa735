"""Learning from pictures of which few have labels: heads on frozen features, mixtures of them, and FixMatch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from limbeck.batch import IGNORED, Batch
from limbeck.losses.cross_entropy import cross_entropy
from limbeck.losses.term import Term
from limbeck.systems.vision.data import ImageSet, Pictures
from limbeck.systems.vision.models import Classifier
from limbeck.systems.vision.training import Job, fit_pictures, new_student
from limbeck.training.task import Task


def few_labels(data: ImageSet, count: int) -> tuple[ImageSet, Pictures]:
    """Training pictures of which only the first so many of each class keep their labels.

    Those are repeated until they are about a fifth of all, so that batches have some.

    Returns:
        The data, and the labelled pictures once.

    Raises:
        LimbeckError: A class has fewer pictures.
    """
    labelled = data.train.per_class(count, option="--labels")
    times = max(1, len(data.train) // (4 * len(labelled)))
    images = torch.cat([data.train.images, *[labelled.images] * times])
    labels = torch.cat([torch.full_like(data.train.labels, IGNORED), *[labelled.labels] * times])
    return replace(data, train=Pictures(images, labels)), labelled


def linear_head(features: Tensor, labels: Tensor, classes: int, *, decay: float = 0.01) -> tuple[Tensor, Tensor]:
    """Logistic regression on standardised features, to its minimum, by L-BFGS.

    Args:
        features: One row an item.
        labels: Classes.
        classes: How many there are.
        decay: Of the weights' squares, in the mean over items.

    Returns:
        Weight ``(classes, width)`` and bias ``(classes,)``, for features as they are.
    """
    mean, spread = features.mean(0), features.std(0).clamp(min=1e-3)
    x = ((features - mean) / spread).double()
    weight = torch.zeros(classes, x.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        value = F.cross_entropy(x @ weight.T + bias, labels) + decay * weight.square().sum()
        value.backward()
        return value

    solver.step(loss)
    found = weight.detach().float() / spread
    return found, bias.detach().float() - found @ mean


class Labeller(nn.Module):
    """A network for another task with a linear head for this one.

    Args:
        network: Gives features.
        weight: Of the head, ``(classes, width)``.
        bias: Of the head.
    """

    def __init__(self, network: nn.Module, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        assert isinstance(network, Classifier)
        self.network = network
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    weight: Tensor
    bias: Tensor

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits over the classes of this task."""
        network = self.network
        return F.linear(network.features(network.before(pixels, len(network.stages))), self.weight, self.bias)


class Mixture(nn.Module):
    """Log-probabilities of the weighted mean of several networks' distributions.

    Args:
        networks: Over the same classes; those without weight are left out.
        weights: Of each, with a sum of 1; by default all alike.

    Example:
        >>> sure, even = nn.Linear(1, 2), nn.Linear(1, 2)
        >>> for network, bias in ((sure, [50.0, 0.0]), (even, [0.0, 0.0])):
        ...     _ = network.weight.data.zero_(), network.bias.data.copy_(torch.tensor(bias))
        >>> Mixture([sure, even], [0.5, 0.5])(torch.zeros(1, 1)).exp().tolist()
        [[0.75, 0.25]]
    """

    def __init__(self, networks: Sequence[nn.Module], weights: Sequence[float] | None = None) -> None:
        super().__init__()
        shares = [1 / len(networks)] * len(networks) if weights is None else list(weights)
        counted = [(network, share) for network, share in zip(networks, shares, strict=True) if share > 0]
        self.networks = nn.ModuleList([network for network, _ in counted])
        self.shares = [share for _, share in counted]

    def forward(self, pixels: Tensor) -> Tensor:
        """Of each picture, ``(batch, classes)``."""
        parts = [
            network(pixels).log_softmax(-1) + torch.tensor(share).log()
            for network, share in zip(self.networks, self.shares, strict=True)
        ]
        return torch.stack(parts).logsumexp(0)


class FixMatchTask(Task):
    """Where the student is sure of a mirrored picture, it shall say the same of a spoilt one.

    Args:
        student: Takes ``batch["pixels"]``.
        sure: The least probability that counts.

    Reference:
        Sohn et al., "FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence", NeurIPS 2020,
        arXiv 2001.07685.
    """

    def __init__(self, student: nn.Module, *, sure: float = 0.95) -> None:
        super().__init__({"labels": 1.0, "consistency": 1.0})
        self.student, self.sure = student, sure

    def forward(self, batch: Batch) -> dict[str, Term]:
        """``labels`` over the labelled items, ``consistency`` over the others (sure or not, as in the paper)."""
        weak = mirrored(batch["pixels"])
        logits, spoilt_logits = self.student(torch.cat([weak, spoilt(weak)])).chunk(2)
        labels = batch["labels"]
        chance, said = logits.detach().softmax(-1).max(-1)
        free = labels == IGNORED
        learnt = cross_entropy(spoilt_logits, torch.where(free & (chance >= self.sure), said, IGNORED))
        return {"labels": cross_entropy(logits, labels), "consistency": Term(learnt.total, free.sum().float())}


def mirrored(pixels: Tensor) -> Tensor:
    """Each picture left as it is or mirrored, by chance."""
    turn = torch.rand(len(pixels), 1, 1, 1, device=pixels.device) < 0.5
    return torch.where(turn, pixels.flip(-1), pixels)


def spoilt(pixels: Tensor) -> Tensor:
    """Another light and contrast, noise, and a grey square over a quarter of the side squared."""
    count, _, size, _ = pixels.shape
    light, contrast = (torch.rand(2, count, 1, 1, 1, device=pixels.device) - 0.5).unbind()
    changed = pixels * (1 + contrast) + light + 0.15 * torch.randn_like(pixels)
    side = size // 2
    left, top = torch.randint(0, size - side // 2, (2, count, 1, 1, 1), device=pixels.device).unbind()
    x = torch.arange(size, device=pixels.device).view(1, 1, 1, size)
    y = x.transpose(-1, -2)
    covered = (x >= left) & (x < left + side // 2) & (y >= top) & (y < top + side // 2)
    return torch.where(covered, 0.0, changed).clamp(-1, 1)


def fixmatch(job: Job) -> tuple[Classifier, dict[str, float]]:
    """Train the student of a job by FixMatch; its methods and teacher are not looked at."""
    student = new_student(job)
    return student, fit_pictures(FixMatchTask(student), job.data.train, job.budget, seed=job.seed, device=job.device)
