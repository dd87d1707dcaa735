"""The augmenter's gradient through both networks, the switch, what is drawn, and who is left alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.losses.divergence import forward_kl
from limbeck.methods.base import Networks
from limbeck.methods.hard import HardAugmentation
from limbeck.models.vision.augment import Augmenter
from limbeck.signals import Signals

PIXELS = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def network(seed: int, *, invariant: bool = False) -> nn.Module:
    torch.manual_seed(seed)
    conv = nn.Conv2d(3, 4, 3, padding=1)
    rest = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)] if invariant else [nn.Flatten(), nn.Linear(256, 3)]
    return nn.Sequential(conv, nn.BatchNorm2d(4), nn.Tanh(), *rest).double()


def made(**settings: Any) -> tuple[HardAugmentation, nn.Module, nn.Module]:
    method = HardAugmentation(**settings).double()
    student, teacher = network(1), network(2, invariant=True).eval().requires_grad_(False)
    method.meet(Networks(student, teacher, lambda batch: batch["x"]))
    return method, student, teacher


def said(method: HardAugmentation, student: nn.Module, teacher: nn.Module) -> Tensor:
    signals = Signals(logits=student(PIXELS)), Signals(logits=teacher(PIXELS))
    return method(*signals, {"x": PIXELS})["hard/augmented"].mean()


def ascent(method: HardAugmentation, teacher: nn.Module) -> tuple[float, dict[str, Tensor]]:
    parameters = {name: value.detach().requires_grad_() for name, value in method.augmenter.named_parameters()}
    torch.manual_seed(3)
    aim = method.aim(parameters, PIXELS, teacher(PIXELS))
    slopes = torch.autograd.grad(aim, list(parameters.values()))
    return float(aim.detach()), dict(zip(parameters, slopes, strict=True))


@pytest.mark.parametrize("family", ["affine", "mix", "noise"])
def test_ranges_get_a_gradient_through_both_networks(family: str) -> None:
    """By differences, with the same draws."""
    method, _, teacher = made(family=family, bound=100.0, least=0.0)
    _, slopes = ascent(method, teacher)
    for name, slope in slopes.items():
        value, found = method.augmenter.get_parameter(name), []
        for step in (1e-5, -2e-5):
            value.data += step
            found.append(ascent(method, teacher)[0])
        value.data += 1e-5
        assert float(slope) != 0
        assert float(slope) == pytest.approx((found[0] - found[1]) / 2e-5, rel=1e-3, abs=1e-9)


def test_the_aim_is_the_difference_of_two_divergences() -> None:
    method, student, teacher = made(disagreement=2.0, stability=3.0, bound=100.0, least=0.0)
    aim, _ = ascent(method, teacher)
    torch.manual_seed(3)
    with torch.no_grad():
        augmented = method.augmenter(PIXELS)
        differs = forward_kl(student(augmented), teacher(augmented)).mean()
        moves = forward_kl(teacher(augmented), teacher(PIXELS)).mean()
    assert aim == pytest.approx(float(3 * moves - 2 * differs))
    for settings, wanted in (({"bound": 1e-6}, moves), ({"bound": 100.0, "least": 100.0}, -differs)):
        switched, *_ = made(**settings)
        assert ascent(switched, teacher)[0] == pytest.approx(float(wanted))
    free, *_ = made(stability=0.0, bound=1e-6)
    assert ascent(free, teacher)[0] == pytest.approx(float(-differs))


def test_learning_leaves_both_networks_alone_and_is_kept() -> None:
    method, student, teacher = made(every=2)
    before = method.augmenter.ranges()
    kept = {name: value.clone() for name, value in student.state_dict().items() if "running" in name}
    method.aim(dict(method.augmenter.named_parameters()), PIXELS, teacher(PIXELS))
    assert all(torch.equal(student.state_dict()[name], value) for name, value in kept.items())
    for steps, moved in ((1, 1), (2, 1), (3, 2)):
        said(method, student, teacher).backward()
        assert (int(method.seen), int(method.adam.steps)) == (steps, moved)
    assert method.augmenter.ranges() != before
    assert all(value.grad is not None for value in student.parameters())
    assert all(value.grad is None for value in [*teacher.parameters(), *method.parameters()])
    assert {name for name in method.state_dict() if not name.startswith("adam")} == {
        "seen", *(f"augmenter.raw.{name}" for name in ("shift", "rotation", "scale"))
    }  # fmt: skip
    now = method.augmenter.ranges()
    said(method.eval(), student, teacher)
    assert method.augmenter.ranges() == now


def test_without_learning_or_augmenting_it_is_kd() -> None:
    method, student, teacher = made(family="none", temperature=2.0)
    student.eval()
    expected = forward_kl(student(PIXELS), teacher(PIXELS), temperature=2.0).mean()
    assert float(said(method, student, teacher).detach()) == pytest.approx(float(expected.detach()))
    clean = method(Signals(logits=student(PIXELS)), Signals(logits=teacher(PIXELS)), {"x": PIXELS})["hard/clean"]
    assert float(clean.mean().detach()) == pytest.approx(float(expected.detach()))
    fixed, student, teacher = made(learn=False)
    before = fixed.augmenter.ranges()
    said(fixed, student, teacher)
    assert fixed.augmenter.ranges() == before


def test_ranges_bound_what_is_drawn() -> None:
    """A bright dot moves by no more than the shift, and to either side."""
    pixels = torch.zeros(200, 3, 33, 33)
    pixels[:, :, 16, 16] = 1.0
    torch.manual_seed(0)
    moved = Augmenter("affine", {"shift": 0.4, "rotation": 1e-6, "scale": 1e-6})(pixels)
    places = moved[:, 0].flatten(1).argmax(1)
    offsets = torch.stack([places // 33, places % 33]) - 16
    assert 5 <= int(offsets.max()) <= 7  # 0.4 x 0.5 x 33 = 6.6
    assert -7 <= int(offsets.min()) <= -5
    assert torch.equal(Augmenter("none")(pixels), pixels)
    torch.testing.assert_close(Augmenter("affine", 1e-7)(pixels), pixels, atol=1e-4, rtol=0)


def test_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="start must have a share between 0 and 1 of shift"):
        HardAugmentation(start=1.5)
    with pytest.raises(LimbeckError, match="needs both networks"):
        HardAugmentation()(Signals(logits=torch.zeros(1, 2)), Signals(logits=torch.zeros(1, 2)), {})
