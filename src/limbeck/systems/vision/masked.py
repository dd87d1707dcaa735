"""Masked autoencoders: a vision transformer sees some patches of a picture, and a small decoder paints the others."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from limbeck.batch import Batch
from limbeck.losses.features import l2_distance
from limbeck.losses.term import Term
from limbeck.methods.hidden import HiddenStateDistillation
from limbeck.signals import Signals
from limbeck.systems.lab import Lab
from limbeck.systems.vision.data import ImageSet
from limbeck.systems.vision.models import Classifier, Shape
from limbeck.systems.vision.teachers import recipe_of
from limbeck.systems.vision.training import Budget, fit_pictures
from limbeck.training.task import Task


def draw_visible(count: int, patches: int, keep: int, device: torch.device | str = "cpu") -> Int[Tensor, "count keep"]:
    """Patches that are seen, drawn for each picture without repetition, in rising order."""
    return torch.rand(count, patches, device=device).argsort(1)[:, :keep].sort(1).values


def encode(
    network: Classifier, pixels: Float[Tensor, "b 3 size size"], visible: Int[Tensor, "b keep"], stages: Sequence[int]
) -> list[Float[Tensor, "b tokens width"]]:
    """Hidden states over the picture's token and the visible patches alone; nothing after the last stage is run.

    Args:
        network: A vision transformer.
        pixels: Pictures.
        visible: The numbers of the patches that are seen.
        stages: After how many stages the states are wanted, in rising order; 0 is the embedding.
    """
    tokens: Tensor = network.stem(pixels)
    at = (visible + 1).unsqueeze(-1).expand(-1, -1, tokens.shape[-1])
    hidden = torch.cat([tokens[:, :1], tokens.gather(1, at)], 1)
    found = []
    for stage in range(stages[-1] + 1):
        if stage in stages:
            found.append(hidden)
        if stage < stages[-1]:
            hidden = network.stages[stage](hidden)
    return found


def patches_of(pixels: Float[Tensor, "b 3 size size"], side: int) -> Float[Tensor, "b patches values"]:
    """The pixels of each patch, row by row as the transformer's embedding has them."""
    return F.unfold(pixels, side, stride=side).transpose(1, 2)


class MaskedAutoencoder(nn.Module):
    """A vision transformer, and a decoder that is thrown away after the training.

    Args:
        shape: Of the encoder.
        size: Side of the pictures in pixels.
        width: Of the decoder.
        depth: Blocks of the decoder.

    Reference:
        He et al., "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022, arXiv 2111.06377.
    """

    def __init__(self, shape: Shape, size: int = 32, *, width: int = 48, depth: int = 1) -> None:
        super().__init__()
        self.encoder, self.side = shape.build(1, size), shape.patch
        self.patches = (size // shape.patch) ** 2
        self.last = len(shape.widths)
        self.enter = nn.Linear(shape.widths[0], width)
        self.hole = nn.Parameter(torch.zeros(1, 1, width))
        self.places = nn.Parameter(0.02 * torch.randn(1, 1 + self.patches, width))
        self.blocks = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(
                    width, 4, 2 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
                )
                for _ in range(depth)
            )
        )
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 3 * shape.patch**2))

    def painted(self, hidden: Tensor, visible: Int[Tensor, "b keep"]) -> Float[Tensor, "b patches values"]:
        """All patches, from the encoder's last hidden state over the visible ones."""
        features = self.encoder.features
        assert isinstance(features, nn.Sequential)
        norm, _ = features  # without the choice of the picture's token
        seen = self.enter(norm(hidden))
        holes = self.hole.expand(len(seen), self.patches, -1).to(seen.dtype)
        whole = holes.scatter(1, visible.unsqueeze(-1).expand(-1, -1, seen.shape[-1]), seen[:, 1:])
        decoded: Tensor = self.leave(self.blocks(torch.cat([seen[:, :1], whole], 1) + self.places))
        return decoded[:, 1:]


class MaskedTask(Task):
    """Paints what is hidden, and shows at one depth what a teacher shows of the same visible patches.

    Args:
        student: Learns.
        keep: Patches that are seen; all of them leaves nothing to be painted, and there is no term for it.
        teacher: A frozen vision transformer with as many patches; run only as deep as it is compared.
        method: Compares the hidden states ``"student"`` and ``"teacher"``.
        at: After how many stages of the student and of the teacher.
    """

    def __init__(
        self,
        student: MaskedAutoencoder,
        keep: int,
        *,
        teacher: Classifier | None = None,
        method: HiddenStateDistillation | None = None,
        at: tuple[int, int] = (1, 1),
    ) -> None:
        paints = keep < student.patches
        super().__init__(({"pixels": 1.0} if paints else {}) | dict(method.weights if method else {}))
        self.student, self.keep, self.method, self.at = student, keep, method, at
        self._teacher = [teacher] if teacher else []  # no part of the checkpoint, nor of what learns

    def forward(self, batch: Batch) -> dict[str, Term]:
        """``pixels`` over the hidden patches, and the method's term over the visible ones and the picture's token."""
        pixels, student = batch["pixels"], self.student
        visible = draw_visible(len(pixels), student.patches, self.keep, pixels.device)
        paints = "pixels" in self.weights
        depths = sorted({self.at[0]} | ({student.last} if paints else set()))
        states = dict(zip(depths, encode(student.encoder, pixels, visible, depths), strict=True))
        terms = {}
        if paints:
            hidden = torch.ones(len(pixels), student.patches, dtype=torch.bool, device=pixels.device)
            hidden = hidden.scatter(1, visible, False)
            wanted = standardised(patches_of(pixels, student.side))[hidden]
            terms["pixels"] = Term.over(l2_distance(student.painted(states[student.last], visible)[hidden], wanted))
        for teacher in self._teacher:
            assert self.method is not None
            with torch.no_grad():
                (theirs,) = encode(teacher, pixels, visible, [self.at[1]])
            ours = Signals(hidden={"student": states[self.at[0]]})
            terms |= self.method(ours, Signals(hidden={"teacher": theirs}), batch)
        return terms


def standardised(patches: Float[Tensor, "*some values"]) -> Float[Tensor, "*some values"]:
    """Each patch with mean 0 and variance 1, but for flat ones."""
    centred = patches - patches.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-4).sqrt()


def multiplications(tokens: int, width: int, blocks: int) -> float:
    """Of one forward pass through transformer blocks whose perceptrons are twice as wide, in millions.

    Example:
        >>> multiplications(10, 48, 1)  # 8 w^2 for each token, 2 w for each pair
        0.19392
    """
    return blocks * (8 * tokens * width**2 + 2 * tokens**2 * width) / 1e6


def masked_teacher(lab: Lab, shape: Shape, data: ImageSet, budget: Budget, *, mask: float) -> Classifier:
    """The encoder of a masked autoencoder that learnt from the pool, kept by the lab.

    Args:
        lab: Keeps it.
        shape: Of the encoder.
        data: Gives the pool.
        budget: For how long.
        mask: The share of patches that are hidden.
    """

    def learn(network: nn.Module) -> None:
        assert isinstance(network, MaskedAutoencoder)
        task = MaskedTask(network, visible_of(network.patches, mask))
        fit_pictures(task, data.pool, budget, seed=0, device=lab.device)

    recipe = recipe_of(shape, data.pool, budget, mask=mask)
    whole = lab.teacher(f"{data.name}-mae", recipe, lambda: MaskedAutoencoder(shape, data.pool.size), learn)
    assert isinstance(whole, MaskedAutoencoder)
    return whole.encoder


def visible_of(patches: int, mask: float) -> int:
    """How many patches are seen where a share of them is hidden; at least one."""
    return max(1, round(patches * (1 - mask)))
