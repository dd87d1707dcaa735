"""Teachers are trained once, whatever happens to the cache or to the random numbers around them."""

from __future__ import annotations

import json
import random
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from limbeck.errors import LimbeckError
from limbeck.systems.lab import Lab, default_cache


class School:
    """Builds and trains a small network, and counts how often it was asked to."""

    def __init__(self) -> None:
        self.trained = 0

    def build(self) -> nn.Module:
        return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))

    def train(self, model: nn.Module) -> None:
        assert model.training
        self.trained += 1
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            model(torch.randn(8, 4)).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()


def lab(tmp_path: Path) -> Lab:
    return Lab(out=tmp_path / "out", cache=tmp_path / "cache", quiet=True)


def same(a: nn.Module, b: nn.Module) -> bool:
    one, two = a.state_dict(), b.state_dict()
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_trained_once_and_shared(tmp_path: Path) -> None:
    school = School()
    first = lab(tmp_path).teacher("cnn", {"width": 3}, school.build, school.train)
    second = lab(tmp_path).teacher("cnn", {"width": 3}, school.build, school.train)
    assert school.trained == 1
    assert same(first, second)
    for teacher in (first, second):
        assert not teacher.training
        assert not any(p.requires_grad for p in teacher.parameters())
    third = lab(tmp_path).teacher("cnn", {"width": 4}, school.build, school.train)
    assert school.trained == 2
    assert not same(first, third)


def test_random_numbers_are_the_same_with_and_without_the_cache(tmp_path: Path) -> None:
    school = School()

    def after() -> tuple[float, float, float]:
        torch.manual_seed(1)
        np.random.seed(1)  # noqa: NPY002
        random.seed(1)
        lab(tmp_path).teacher("cnn", {}, school.build, school.train)
        return float(torch.rand(1)), float(np.random.rand()), random.random()  # noqa: NPY002

    assert after() == after()
    assert school.trained == 1


def test_a_teacher_does_not_depend_on_what_ran_before(tmp_path: Path) -> None:
    school = School()
    torch.manual_seed(1)
    first = lab(tmp_path / "a").teacher("cnn", {}, school.build, school.train)
    torch.manual_seed(2)
    second = lab(tmp_path / "b").teacher("cnn", {}, school.build, school.train)
    assert same(first, second)


@pytest.mark.parametrize("harm", ["truncate", "flip", "no json", "bad json", "no weights"])
def test_corrupt_cache_is_trained_again_with_a_warning(tmp_path: Path, harm: str) -> None:
    school = School()
    first = lab(tmp_path).teacher("cnn", {}, school.build, school.train)
    (place,) = (tmp_path / "cache" / "teachers").iterdir()
    weights, noted = place / "model.safetensors", place / "teacher.json"
    raw = weights.read_bytes()
    if harm == "truncate":
        weights.write_bytes(raw[:-5])
    elif harm == "flip":
        weights.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    elif harm == "no json":
        noted.unlink()
    elif harm == "bad json":
        noted.write_text("{")
    else:
        weights.unlink()
    with pytest.warns(UserWarning, match="training it again"):
        second = lab(tmp_path).teacher("cnn", {}, school.build, school.train)
    assert school.trained == 2
    assert same(first, second)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lab(tmp_path).teacher("cnn", {}, school.build, school.train)


def test_another_architecture_under_the_same_recipe_is_noticed(tmp_path: Path) -> None:
    school = School()
    lab(tmp_path).teacher("cnn", {}, school.build, school.train)
    with pytest.warns(UserWarning, match="unusable"):
        teacher = lab(tmp_path).teacher("cnn", {}, lambda: nn.Linear(4, 2), school.train)
    assert isinstance(teacher, nn.Linear)


def test_an_interrupted_training_leaves_nothing(tmp_path: Path) -> None:
    school = School()

    def interrupted(model: nn.Module) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lab(tmp_path).teacher("cnn", {}, school.build, interrupted)
    lab(tmp_path).teacher("cnn", {}, school.build, school.train)
    assert school.trained == 1
    assert [path.name.startswith("cnn-") for path in (tmp_path / "cache" / "teachers").iterdir()] == [True]


def test_the_recipe_is_kept_to_be_read(tmp_path: Path) -> None:
    school = School()
    lab(tmp_path).teacher("a cnn/50", {"width": 3, "data": ["x", 1.5]}, school.build, school.train)
    (place,) = (tmp_path / "cache" / "teachers").iterdir()
    assert place.name.startswith("a-cnn-50-")
    assert json.loads((place / "teacher.json").read_text())["recipe"] == {"width": 3, "data": ["x", 1.5]}


@pytest.mark.parametrize("value", [Path("x"), float("nan"), object()])
def test_recipes_that_json_cannot_hold_are_refused(tmp_path: Path, value: object) -> None:
    school = School()
    with pytest.raises(LimbeckError, match="plain JSON"):
        lab(tmp_path).teacher("cnn", {"x": value}, school.build, school.train)


def test_scale_seeds_and_folders(tmp_path: Path) -> None:
    made = Lab(seeds=(1, 2), scale="full", out=tmp_path / "run", quiet=True)
    assert made.pick(smoke=1, default=2, full=3) == 3
    assert made.folder("a", "b").is_dir()
    with pytest.raises(LimbeckError, match="distinct"):
        Lab(seeds=(1, 1))
    with pytest.raises(LimbeckError, match="distinct"):
        Lab(seeds=())


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("LIMBECK_CACHE", raising=False)
    assert default_cache() == tmp_path / "limbeck"
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "mine"))
    assert default_cache() == tmp_path / "mine"
