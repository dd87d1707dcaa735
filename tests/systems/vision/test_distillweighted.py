"""Weights of sources, heads and mixtures, who has labels, and a small run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from limbeck.batch import IGNORED
from limbeck.cli.app import execute
from limbeck.errors import LimbeckError
from limbeck.methods.pseudo_labels import PseudoLabels
from limbeck.signals import Signals
from limbeck.systems.findings import Findings
from limbeck.systems.vision.data import Sizes, image_set
from limbeck.systems.vision.distillweighted import POWERS, weights_of
from limbeck.systems.vision.models import Shape
from limbeck.systems.vision.pretrained import Pretrained
from limbeck.systems.vision.semi_supervised import FixMatchTask, Labeller, Mixture, few_labels, linear_head, spoilt
from limbeck.systems.vision.zoo import SOURCES, source_data

TINY = Shape("resnet", (4, 8))


def test_powers_lead_from_even_weights_to_the_nearest() -> None:
    fits = [0.2, 0.6, 0.5, -0.2]
    assert weights_of(fits, 0.0) == [0.25] * 4
    assert weights_of(fits, 500.0) == pytest.approx([0, 1, 0, 0], abs=1e-9)
    scaled = (np.array(fits) + 0.2) / 0.8
    assert weights_of(fits, 4.0) == pytest.approx(scaled**4 / (scaled**4).sum())
    assert weights_of([0.3, 0.3], 4.0) == [0.5, 0.5]


def test_one_mixed_target_gives_the_gradient_of_all_sources() -> None:
    torch.manual_seed(0)
    sources, shares = [nn.Linear(4, 3).double() for _ in range(3)], [0.5, 0.2, 0.3]
    pixels, labels = torch.randn(5, 4).double(), torch.tensor([IGNORED, 2, IGNORED, IGNORED, 0])
    logits = torch.randn(5, 3).double().requires_grad_()
    with torch.no_grad():
        told = Mixture(sources, shares)(pixels)
    term = PseudoLabels()(Signals(logits=logits), Signals(logits=told), {"labels": labels})["pseudo_labels"]
    assert float(term.count) == 3
    (ours,) = torch.autograd.grad(term.mean(), logits)
    free = labels == IGNORED
    each = [-(source(pixels).softmax(-1) * logits.log_softmax(-1)).sum(-1)[free].mean() for source in sources]
    (theirs,) = torch.autograd.grad(sum(share * one for share, one in zip(shares, each, strict=True)), logits)
    torch.testing.assert_close(ours, theirs)
    assert (ours[~free] == 0).all()
    assert len(Mixture(sources, [0.0, 1.0, 0.0]).networks) == 1


def test_a_head_is_at_its_minimum_and_reads_features_as_they_are() -> None:
    torch.manual_seed(0)
    labels = torch.arange(40) % 3
    features = torch.randn(40, 5) * 7 + 3 + 4 * F.one_hot(labels, 5)
    weight, bias = linear_head(features, labels, 4)
    assert ((features @ weight.T + bias).argmax(-1) == labels).float().mean() > 0.6
    scale, mean = features.std(0), features.mean(0)
    free = (weight * scale).double().requires_grad_(), (bias + weight @ mean).double().requires_grad_()
    value = F.cross_entropy((features - mean).div(scale).double() @ free[0].T + free[1], labels)
    slopes = torch.autograd.grad(value + 0.01 * free[0].square().sum(), free)
    assert max(float(slope.abs().max()) for slope in slopes) < 1e-3
    network, pixels = TINY.build(9).eval(), torch.randn(2, 3, 32, 32)
    head = torch.randn(4, 8), torch.randn(4)
    torch.testing.assert_close(
        Labeller(network, *head)(pixels),
        F.linear(network.features(network.before(pixels, 2)), *head),
    )


def test_few_have_labels() -> None:
    data, labelled = few_labels(image_set(sizes=Sizes(240, 1, 1, 1)), 2)
    assert labelled.labels.bincount().tolist() == [2] * 12
    assert (data.train.labels[:240] == IGNORED).all()
    assert len(data.train) == 240 + 2 * 24
    assert torch.equal(data.train.images[240:264], labelled.images)
    assert torch.equal(data.train.labels[264:], labelled.labels)


def test_sources_are_what_they_say() -> None:
    sizes = Sizes(pool=60)
    whole = image_set(sizes=Sizes(1, 1, 1, 60)).pool
    half = source_data(SOURCES["kinds-b"], sizes)
    assert half.classes[0] == "suitcase"
    assert torch.equal(half.pool.labels + 6, whole.labels[whole.labels >= 6])
    turned = source_data(SOURCES["kinds-inverted"], sizes)
    assert turned.pool.labels.max() == 5
    assert (turned.pool.images[0] == 255 - whole.images[(whole.labels < 3) | (whole.labels // 3 == 2)][0]).all()
    senseless = source_data(SOURCES["nonsense"], sizes).pool.labels
    assert torch.equal(senseless.sort().values, whole.labels.sort().values)
    assert not torch.equal(senseless, whole.labels)


def test_fixmatch_asks_only_of_those_without_labels_and_only_where_it_is_sure() -> None:
    torch.manual_seed(0)
    student = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 4))
    batch = {"pixels": torch.rand(6, 3, 8, 8) * 2 - 1, "labels": torch.tensor([0, 1, *[IGNORED] * 4])}
    doubtful, sure = (FixMatchTask(student, sure=level)(batch)["consistency"] for level in (1.1, 0.0))
    assert (float(doubtful.total.detach()), float(doubtful.count)) == (0.0, 4.0)
    assert float(sure.total.detach()) > 0
    assert spoilt(batch["pixels"]).abs().max() <= 1


def test_weights_of_another_training() -> None:
    torch.manual_seed(0)
    weights = TINY.build(5).state_dict()
    warm = Pretrained.of(TINY, weights, leave=("head.",)).build(7)
    assert torch.equal(warm.state_dict()["stem.0.weight"], weights["stem.0.weight"])
    assert warm.head.out_features == 7
    with pytest.raises(LimbeckError, match=r"the network has no nose\.weight"):
        Pretrained.of(TINY, {"nose.weight": torch.zeros(1)}).build(5)


def test_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    out = str(tmp_path / "run")
    more = ["--scale", "smoke", "--labels", "1", "--steps", "1", "--workers", "1", "--out", out, "--device", "cpu"]
    assert execute(["run", "distillweighted", *more]) == 0
    found = Findings.load(tmp_path / "run")
    assert {"labels", "generic", "fixmatch", "equal", "random", "worst", "oracle", "nearest-cka", *POWERS} < set(
        found.arms
    )
    assert not found.unequal_budgets()
    sources = [found.score(f"source-{name}", "accuracy") for name in SOURCES]
    assert found.score("random", "accuracy") == pytest.approx(sum(sources) / len(sources))
    assert found.score("nearest-parc", "accuracy") in sources
