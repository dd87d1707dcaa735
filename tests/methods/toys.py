"""A vision teacher with every grain, its pictures, and what a student says of them."""

from __future__ import annotations

import torch
from torch import Tensor

from limbeck.models.vision.networks import small_cnn
from limbeck.teachers.vision import VisionTeacher

SIZE = 16


def vision(seed: int = 0) -> VisionTeacher:
    """A teacher in float64 with statistics of its pictures, and BatchNorm statistics that are not 0 and 1."""
    torch.manual_seed(seed)
    made = small_cnn(4, SIZE, (6, 8))
    made.network.train()
    made.network(torch.randn(16, 3, SIZE, SIZE))
    teacher = VisionTeacher(made.network, made.sites, size=SIZE, grains=made.grains).double()
    teacher.standardise([pictures(24)])
    return teacher


def pictures(number: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (number, 3, SIZE, SIZE), generator=generator, dtype=torch.uint8)


def real_maps(teacher: VisionTeacher, number: int, seed: int = 0) -> dict[str, Tensor]:
    return teacher.real_maps(pictures(number, seed), [spec.name for spec in teacher.maps])


def generated_maps(teacher: VisionTeacher, number: int) -> dict[str, Tensor]:
    """Noise in the shape of every map, with gradients."""
    generator = torch.Generator().manual_seed(7)
    return {
        spec.name: torch.randn(
            number, spec.channels, spec.height, spec.width, generator=generator, dtype=torch.float64
        ).requires_grad_()
        for spec in teacher.maps
    }
