"""`limbeck run topkld`, and rounding."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from limbeck.errors import LimbeckError
from limbeck.losses.decoupled import topk_split_kl
from limbeck.models.size import parameters_of
from limbeck.systems.lab import Lab
from limbeck.systems.language.models import Shape, tiny_gpt
from limbeck.systems.language.quantization import quantize, rounded, total_bits
from limbeck.systems.language.topkld import arms, topkld
from limbeck.world.language import vocabulary
from tests.systems.language.toys import smoke


@pytest.mark.parametrize("bits", [2, 3, 8])
def test_rounding_has_few_levels_and_errs_by_half_a_level(bits: int) -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(200, 5, generator=generator, dtype=torch.float64).requires_grad_()
    once = rounded(values, bits, 0)
    level = values.abs().amax(0) / (2 ** (bits - 1) - 1)
    assert bool(((once - values).abs() <= level / 2 + 1e-12).all())
    assert max(len(column.unique()) for column in once.detach().round(decimals=9).T) <= 2**bits - 1
    torch.testing.assert_close(rounded(once, bits, 0), once)
    once.sum().backward()
    assert values.grad is not None
    assert bool((values.grad == 1).all())


def test_many_bits_change_nothing_and_few_bits_much() -> None:
    torch.manual_seed(0)
    model = tiny_gpt(Shape(16), vocabulary()).eval()
    ids = torch.tensor([[1, 5, 9, 30]])
    with torch.no_grad():
        whole = model(input_ids=ids).logits
        gaps = []
        for bits in (16, 4, 2):
            copy = tiny_gpt(Shape(16), vocabulary()).eval()
            copy.load_state_dict(model.state_dict())
            gaps.append(float((quantize(copy, bits, activation_bits=16)(input_ids=ids).logits - whole).abs().max()))
    assert gaps[0] < 1e-3 < gaps[1] < gaps[2]


def test_a_quantised_model_learns_and_keeps_its_size() -> None:
    torch.manual_seed(0)
    model = quantize(tiny_gpt(Shape(16), vocabulary()), 3)
    assert parameters_of(model) == parameters_of(tiny_gpt(Shape(16), vocabulary()))
    model(input_ids=torch.tensor([[1, 5, 9]])).logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters() if parameter.requires_grad)
    blocks = 12 * 16**2
    assert total_bits(model, 3) == 3 * blocks + 16 * (parameters_of(model) - blocks)


def test_the_literal_loss_is_lowered_by_leaving_the_teacher() -> None:
    """Why the parts are generalised divergences."""
    teacher = torch.tensor([[2.0, 1.0, 0.0, -1.0]], dtype=torch.float64)
    for parts, is_minimum in (("generalised", True), ("literal", False)):
        student = teacher.clone().requires_grad_()
        topk_split_kl(student, teacher, k=2, parts=parts).total.backward()  # type: ignore[arg-type]
        assert student.grad is not None
        assert (float(student.grad.abs().max()) < 1e-12) == is_minimum


@pytest.mark.parametrize(("bits", "rounded_to"), [(2, [8, 3, 2]), (7, [8, 7, 6]), (3, [8, 4, 3, 2])])
def test_each_arm_is_rounded_once_and_never_to_one_bit(bits: int, rounded_to: list[int]) -> None:
    assert [arm.name for arm in arms(bits, 16) if arm.name.startswith("rounded")] == [
        f"rounded-{one}" for one in rounded_to
    ]


@pytest.mark.parametrize("bits", [1, 16])
def test_too_few_and_too_many_bits_are_refused(bits: int, tmp_path: Path) -> None:
    with pytest.raises(LimbeckError, match=f"--bits: got {bits}, expected 2 to 15"):
        topkld(Lab(cache=tmp_path, quiet=True), bits=bits)


@pytest.mark.slow
@pytest.mark.parametrize("bits", [2, 7])
def test_smoke_with_other_bits(bits: int, cache: Path, tmp_path: Path) -> None:
    found = smoke("topkld", tmp_path, "--bits", bits)
    assert found.score(f"rounded-{bits}", "kilobits") == found.score("topkld", "kilobits")


def test_smoke(cache: Path, tmp_path: Path) -> None:
    found = smoke("topkld", tmp_path)
    assert list(found.arms) == [arm.name for arm in arms(3, 16)]
    assert found.unequal_budgets() == {}
    assert found.score("rounded-2", "kilobits") < found.score("topkld", "kilobits") < found.score("teacher", "kilobits")
    assert found.score("rounded-8", "KL to the teacher") < found.score("rounded-2", "KL to the teacher")
