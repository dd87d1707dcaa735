"""Experts, hybrids in which only a module learns, and a small run."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from limbeck.cli.app import execute
from limbeck.methods.logits import LogitDistillation
from limbeck.models.vision.experts import Experts
from limbeck.systems.findings import Findings
from limbeck.systems.vision.data import Sizes, image_set
from limbeck.systems.vision.hybrids import Hybrid, Modular, learn, load_entropy
from limbeck.systems.vision.m2mkd import ARMS
from limbeck.systems.vision.models import Shape
from limbeck.systems.vision.training import Budget

META, STUDENT = Shape("vit", (8,) * 3, patch=8), Modular("vit", (12,) * 3, patch=8)


def pixels() -> torch.Tensor:
    return torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_experts_token_by_token() -> None:
    torch.manual_seed(0)
    layer, tokens = Experts(6, 5, count=4, top=2).double(), torch.randn(2, 3, 6).double()
    said = layer(tokens)
    for row, token in zip(said.flatten(0, 1), tokens.flatten(0, 1), strict=True):
        scores = layer.router.weight @ token
        first, second = sorted(range(4), key=lambda one: -float(scores[one].detach()))[:2]
        share = 1 / (1 + (scores[second] - scores[first]).exp())
        torch.testing.assert_close(
            row, share * layer.experts[first](token) + (1 - share) * layer.experts[second](token)
        )
    inputs = tokens.requires_grad_()
    assert torch.autograd.gradcheck(layer, (inputs,), fast_mode=True)
    every = Experts(6, 5, count=3, top=3).double()
    torch.testing.assert_close(
        every(tokens),
        sum(
            share.unsqueeze(-1) * expert(tokens)
            for share, expert in zip(every.router(tokens).softmax(-1).unbind(-1), every.experts, strict=True)
        ),
    )


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_only_the_module_and_its_stitches_learn(stage: int) -> None:
    torch.manual_seed(0)
    data = image_set(sizes=Sizes(24, 1, 1, 1))
    meta, teacher, student = META.build(12), Shape("vit", (8,) * 3, depth=2, patch=8).build(12), STUDENT.build(12)
    guide = Hybrid(meta, teacher, stage)
    hybrid = Hybrid(meta, student, stage)
    before = {
        name: {key: value.clone() for key, value in network.state_dict().items()}
        for name, network in (("meta", meta), ("inside", hybrid.meta), ("guide", guide), ("student", student))
    }
    learn(
        hybrid, data.train, Budget(2, batch_size=8), 1, teacher=guide, methods=[LogitDistillation(weight=0.5)],
        label_weight=0.5,
    )  # fmt: skip
    for name, network in (("meta", meta), ("inside", hybrid.meta), ("guide", guide)):
        assert all(torch.equal(value, before[name][key]) for key, value in network.state_dict().items()), name
        frozen = network if name != "meta" else hybrid.meta
        assert all(value.grad is None for value in frozen.parameters()), name
    moved = {key for key, value in student.state_dict().items() if not torch.equal(value, before["student"][key])}
    places = {key.split(".")[0] if not key.startswith("stages") else key[:8] for key in moved}
    expected = [{"stem", "stages.0"}, {"stages.1"}, {"stages.2", "features", "head"}][stage]
    assert places == expected
    assert not hybrid.train().meta.training


def test_hybrids_are_the_meta_network_around_a_stage() -> None:
    torch.manual_seed(0)
    meta, other = META.build(5).eval(), META.build(5).eval()
    for stage in range(3):
        hybrid = Hybrid(meta, other, stage).eval()
        assert isinstance(hybrid.enter, nn.Identity)
        torch.testing.assert_close(Hybrid(meta, meta, stage).eval()(pixels()), meta(pixels()))
        state = meta.before(pixels(), stage) if stage else other.stem(pixels())
        state = other.stages[stage](state)
        expected = other.after(state, 3) if stage == 2 else meta.after(state, stage + 1)
        torch.testing.assert_close(hybrid(pixels()), expected)
    wide = Hybrid(meta, STUDENT.build(5), 1)
    assert [type(one) for one in (wide.enter, wide.leave)] == [nn.Linear, nn.Linear]


def test_modules_are_the_student_s_first_weights() -> None:
    torch.manual_seed(0)
    weights = STUDENT.build(5).state_dict()
    again = Modular("vit", (12,) * 3, patch=8, weights=weights).build(5)
    assert all(torch.equal(value, weights[name]) for name, value in again.state_dict().items())


def test_evenness() -> None:
    pictures = image_set(sizes=Sizes(12, 1, 1, 1)).train
    torch.manual_seed(0)
    network = Modular("vit", (12,) * 2, patch=8, top=1).build(5)
    experts = [one for one in network.modules() if isinstance(one, Experts)]
    for layer in experts:
        layer.router.weight.data.zero_()
        layer.experts = nn.ModuleList(nn.Identity() for _ in range(4))
    assert load_entropy(network, pictures) == 0.0
    network = Modular("vit", (12,) * 2, patch=8, experts=2, top=2).build(5)
    assert load_entropy(network, pictures) == pytest.approx(1.0)
    assert math.isfinite(load_entropy(STUDENT.build(5), pictures))


def test_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    out = str(tmp_path / "run")
    more = ["--scale", "smoke", "--before", "1", "--steps", "4", "--workers", "1", "--out", out, "--device", "cpu"]
    assert execute(["run", "m2mkd", *more]) == 0
    found = Findings.load(tmp_path / "run")
    assert set(found.arms) == {"teacher", *ARMS}
    assert set(found.metrics) == {"accuracy", "shifted accuracy", "early accuracy", "evenness of experts"}
    assert len({found.arms[arm].parameters for arm in ARMS}) == 1
    steps = {arm: found.spent[arm][1]["steps"] for arm in ARMS}
    # Three modules of a step each come before the four steps from end to end.
    assert steps == {**dict.fromkeys(ARMS, 7.0), "scratch": 4.0, "kd": 4.0}
    assert (found.claims[1].arm, found.claims[1].baseline) == ("m2mkd", "kd")
