"""One stage of a network inside another network, with linear stitches where widths differ."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from limbeck.methods.base import Method
from limbeck.models.vision.experts import ExpertBlock, Experts
from limbeck.signals import tap
from limbeck.systems.lab import Lab
from limbeck.systems.vision.data import ImageSet, Pictures
from limbeck.systems.vision.models import Classifier, Shape
from limbeck.systems.vision.pretrained import Pretrained
from limbeck.systems.vision.task import ImageTask, Told
from limbeck.systems.vision.teachers import recipe_of
from limbeck.systems.vision.training import Budget, fit_pictures


@dataclass(frozen=True)
class Modular(Pretrained):
    """A vision transformer whose stages are blocks of experts.

    Args:
        experts: In each block.
        top: How many of them each token takes.
    """

    experts: int = 4
    top: int = 2

    def build(self, classes: int, size: int = 32) -> Classifier:
        """The network, with the weights that there are."""
        network = Pretrained(self.family, self.widths, self.depth, self.patch).build(classes, size)
        network.stages = nn.ModuleList(
            ExpertBlock(width, width, count=self.experts, top=self.top) for width in self.widths
        )
        network.load_state_dict(dict(self.weights), strict=False)
        return network


class Hybrid(nn.Module):
    """A frozen meta network in which one stage is another network's.

    The first stage comes with its network's embedding of patches, the last with its features and head. Only this
    module and the stitches learn.

    Args:
        meta: The network around it; it is copied.
        module: The network that the stage is of; its parts are used, not copied.
        stage: Which.
    """

    def __init__(self, meta: Classifier, module: Classifier, stage: int) -> None:
        super().__init__()
        self.meta = copy.deepcopy(meta).requires_grad_(False).eval()
        self.stage, last = stage, stage == len(module.stages) - 1
        self.part = nn.ModuleDict({"stage": module.stages[stage]})
        if stage == 0:
            self.part["stem"] = module.stem
        if last:
            self.part["features"], self.part["head"] = module.features, module.head
        ours, theirs = module.feature_width, meta.feature_width
        self.enter = _stitch(theirs, ours) if stage else nn.Identity()
        self.leave = nn.Identity() if last else _stitch(ours, theirs)

    def train(self, mode: bool = True) -> Self:
        """The meta network stays in eval mode."""
        super().train(mode)
        self.meta.eval()
        return self

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits."""
        part = self.part
        entered = part["stem"](pixels) if self.stage == 0 else self.enter(self.meta.before(pixels, self.stage))
        hidden = self.leave(part["stage"](entered))
        if "head" in part:
            logits: Tensor = part["head"](part["features"](hidden))
            return logits
        return self.meta.after(hidden, self.stage + 1)


def _stitch(width: int, wanted: int) -> nn.Module:
    return nn.Identity() if width == wanted else nn.Linear(width, wanted)


def learn(
    network: nn.Module,
    pictures: Pictures,
    budget: Budget,
    seed: int,
    *,
    teacher: nn.Module | None = None,
    methods: Sequence[Method] = (),
    label_weight: float = 1.0,
    device: str = "cpu",
) -> dict[str, float]:
    """Train what is not frozen in a network, by labels and by a frozen teacher's logits; gives what it took."""
    told = Told.by(teacher, pictures, device=device) if teacher is not None else None
    task = ImageTask(network, methods, told, label_weight=label_weight).to(device)
    return fit_pictures(task, pictures, budget, seed=seed, device=device)


def incubated(lab: Lab, meta: nn.Module, shape: Shape, data: ImageSet, budget: Budget) -> Classifier:
    """A teacher whose stages are trained in the meta network's place for each, then all together; kept by the lab.

    Args:
        lab: Keeps it.
        meta: A trained network with as many stages, as wide.
        shape: Of the teacher.
        data: Gives the pool that it learns from.
        budget: Of each stage, and of all together.

    Reference:
        Ni et al., "Deep Incubation: Training Large Models by Divide-and-Conquering", ICCV 2023, arXiv 2212.04129.
    """
    assert isinstance(meta, Classifier)
    around = [[*value.shape, float(value.double().abs().sum())] for value in meta.state_dict().values()]
    recipe = recipe_of(shape, data.pool, budget, meta=around)

    def build_up(network: nn.Module) -> None:
        assert isinstance(network, Classifier)
        for stage in range(len(network.stages)):
            learn(Hybrid(meta, network, stage), data.pool, budget, stage, device=lab.device)
        learn(network, data.pool, budget, len(network.stages), device=lab.device)

    classes = len(data.classes)
    teacher = lab.teacher(f"{data.name}-incubated", recipe, lambda: shape.build(classes), build_up)
    assert isinstance(teacher, Classifier)
    return teacher


@torch.no_grad()
def load_entropy(network: nn.Module, pictures: Pictures, device: str = "cpu") -> float:
    """How evenly experts are used, as the mean over blocks of the entropy of their shares of tokens; 1 is evenly.

    Args:
        network: With blocks of experts.
        pictures: Shown to it.
        device: Where.
    """
    layers = {name: one for name, one in network.named_modules() if isinstance(one, Experts)}
    with tap(network.eval(), [f"{name}.router" for name in layers]) as scores:
        network(pictures.pixels.to(device))
    found = []
    for name, layer in layers.items():
        said = scores[f"{name}.router"].flatten(0, -2)
        share = said.topk(layer.top, -1).indices.flatten().bincount(minlength=said.shape[-1]).double()
        share = share / share.sum()
        entropy = -(share * share.clamp(min=1e-12).log()).sum() / torch.tensor(float(said.shape[-1])).log()
        found.append(float(entropy))
    return sum(found) / len(found)
