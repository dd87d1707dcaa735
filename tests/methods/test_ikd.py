"""KD-1 and KD-2: which maps, by hand, and where their gradients go."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from limbeck.methods.ikd import InversionDistillation
from limbeck.models.vision.maps import MapSpec
from limbeck.signals import Signals
from tests.methods.toys import generated_maps, real_maps, vision

NAMES = {
    "model": ["image", "stage2"],
    "block": ["image", "stage1", "stage2"],
    "layer": ["image", "stage1.1", "stage1", "stage2.1", "stage2"],
}


@pytest.mark.parametrize("grain", NAMES)
@pytest.mark.parametrize(("kd1", "kd2"), [(1.0, 1.0), (0.5, 2.0), (1.0, 0.0), (0.0, 3.0)])
def test_names_weights_and_needs(grain: Any, kd1: float, kd2: float) -> None:
    teacher = vision()
    method = InversionDistillation(teacher.maps, teacher, grain=grain, kd1=kd1, kd2=kd2)
    first = {f"kd1/{name}": kd1 for name in NAMES[grain] if kd1}
    second = {f"kd2/{name}": kd2 for name in NAMES[grain][1:] if kd2}
    assert method.weights == first | second
    assert set(method.needs.student_hidden) == {*(NAMES[grain] if kd1 else ()), *(["image"] if kd2 else ())}
    assert set(method.needs.teacher_hidden) == {*(NAMES[grain] if kd1 else ()), *(NAMES[grain][1:] if kd2 else ())}
    student, real = generated_maps(teacher, 3), real_maps(teacher, 3)
    # Maps that it says it does not need are not there.
    terms = method(
        Signals(hidden={name: student[name] for name in method.needs.student_hidden}),
        Signals(hidden={name: real[name] for name in method.needs.teacher_hidden}),
        {},
    )
    assert terms.keys() == method.weights.keys()
    assert all(float(term.count) == 3 for term in terms.values())


def test_terms_by_hand() -> None:
    teacher = vision()
    student, real = generated_maps(teacher, 3), real_maps(teacher, 3)
    terms = InversionDistillation(teacher.maps, teacher, grain="layer")(
        Signals(hidden=student), Signals(hidden=real), {}
    )
    mean, std = (teacher.get_buffer(f"{which}_0") for which in ("mean", "std"))
    pixels = student["image"] * std + mean
    for stage, name in enumerate(("stage1", "stage2"), 1):
        pixels = teacher.model.stages[stage - 1](pixels)  # type: ignore[index, operator]
        index = [spec.name for spec in teacher.maps].index(name)
        mean, std = (teacher.get_buffer(f"{which}_{index}") for which in ("mean", "std"))
        expected = (((pixels - mean) / std - real[name]) ** 2).mean((1, 2, 3)).sum()
        torch.testing.assert_close(terms[f"kd2/{name}"].total, expected)
    for name, value in real.items():
        torch.testing.assert_close(terms[f"kd1/{name}"].total, ((student[name] - value) ** 2).mean((1, 2, 3)).sum())


def test_other_distances() -> None:
    teacher = vision()
    student, real = generated_maps(teacher, 2), real_maps(teacher, 2)
    method = InversionDistillation(teacher.maps, None, distance_name="l1", kd2=0)
    terms = method(Signals(hidden=student), Signals(hidden=real), {})
    expected = (student["stage2"] - real["stage2"]).abs().mean((1, 2, 3)).sum()
    torch.testing.assert_close(terms["kd1/stage2"].total, expected)


def test_gradient_goes_through_the_critic_into_the_picture_alone() -> None:
    teacher = vision()
    method = InversionDistillation(teacher.maps, teacher, grain="block", kd1=0).train()
    student = generated_maps(teacher, 3)
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    terms = method(Signals(hidden=student), Signals(hidden=real_maps(teacher, 3)), {})
    torch.stack([term.mean() for term in terms.values()]).sum().backward()
    assert student["image"].grad is not None
    assert (student["image"].grad.flatten(1).abs().amax(1) > 0).all()
    assert all(student[name].grad is None for name in student if name != "image")
    assert all(value.grad is None and not value.requires_grad for value in teacher.parameters())
    assert method.training
    assert not any(module.training for module in teacher.modules())
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())


def test_gradient_of_kd2_is_that_of_its_equation() -> None:
    teacher = vision()
    method = InversionDistillation(teacher.maps, teacher, grain="model", kd1=0)
    real = Signals(hidden=real_maps(teacher, 1))
    image = generated_maps(teacher, 1)["image"].detach()
    direction = torch.randn(image.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def value(step: float) -> torch.Tensor:
        return method(Signals(hidden={"image": image + step * direction}), real, {})["kd2/stage2"].total

    image.requires_grad_()
    (gradient,) = torch.autograd.grad(value(0.0), image)
    slope = (value(1e-6) - value(-1e-6)) / 2e-6
    torch.testing.assert_close((gradient * direction).sum(), slope, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", ["l2", "l1", "linf", "kl", "cosine"])
def test_a_perfect_generator_has_no_loss(name: str) -> None:
    teacher = vision()
    real = real_maps(teacher, 3)
    method = InversionDistillation(teacher.maps, teacher, grain="layer", distance_name=name)
    for term in method(Signals(hidden=real), Signals(hidden=real), {}).values():
        assert float(term.total) == pytest.approx(0.0, abs=1e-9)


def test_guessing_the_mean_costs_one() -> None:
    """All maps are standardised, so distances of different maps are on one scale."""
    teacher = vision()
    real = real_maps(teacher, 24)
    blank = {name: torch.zeros_like(value) for name, value in real.items()}
    method = InversionDistillation(teacher.maps, None, grain="layer", kd2=0)
    for term in method(Signals(hidden=blank), Signals(hidden=real), {}).values():
        assert float(term.mean()) == pytest.approx(1.0, abs=1e-6)


def test_no_pictures() -> None:
    teacher = vision()
    method = InversionDistillation(teacher.maps, teacher, grain="layer")
    terms = method(Signals(hidden=generated_maps(teacher, 0)), Signals(hidden=real_maps(teacher, 0)), {})
    assert terms.keys() == method.weights.keys()
    assert all((float(term.total), float(term.count)) == (0.0, 0.0) for term in terms.values())


def test_fewer_lower_maps_belong_to_the_first_pictures() -> None:
    teacher = vision()
    method = InversionDistillation(teacher.maps, teacher, grain="block")
    student, real = generated_maps(teacher, 5), real_maps(teacher, 5)
    fewer = {name: value if name == "stage2" else value[:2] for name, value in student.items()}
    terms = method(Signals(hidden=fewer), Signals(hidden=real), {})
    counts = {name: float(term.count) for name, term in terms.items()}
    assert counts == {"kd1/image": 2, "kd1/stage1": 2, "kd1/stage2": 5, "kd2/stage1": 2, "kd2/stage2": 2}
    first = method(
        Signals(hidden={name: value[:2] for name, value in student.items()}),
        Signals(hidden={name: value[:2] for name, value in real.items()}),
        {},
    )
    for name in ("kd1/image", "kd1/stage1", "kd2/stage1", "kd2/stage2"):
        torch.testing.assert_close(terms[name].total, first[name].total)


def test_stored_halves_are_compared_in_the_generators_type() -> None:
    spec = MapSpec("pooled", 4, 1, 1, "model")
    method = InversionDistillation([spec], None, kd2=0)
    term = method(
        Signals(hidden={"pooled": torch.full((2, 4, 1, 1), 3.0)}),
        Signals(hidden={"pooled": torch.ones(2, 4, 1, 1, dtype=torch.float16)}),
        {},
    )["kd1/pooled"]
    assert (term.total.dtype, float(term.mean())) == (torch.float32, 4.0)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"kd1": -1.0}, "must not be negative, got -1.0 and 1.0"),
        ({"kd2": -0.5}, "must not be negative, got 1.0 and -0.5"),
        ({"grain": "pixel"}, "grain must be one of"),
        ({"distance_name": "l3"}, "distance must be one of"),
        ({"critic": None}, "KD-2 needs pictures and the vision network"),
        ({"maps": [MapSpec("pooled", 4, 1, 1, "model")]}, "KD-2 needs pictures and the vision network"),
    ],
)
def test_wrong_choices(choices: dict[str, Any], message: str) -> None:
    teacher = vision()
    arguments: dict[str, Any] = {"maps": teacher.maps, "critic": teacher} | choices
    with pytest.raises(ValueError, match=message):
        InversionDistillation(**arguments)
