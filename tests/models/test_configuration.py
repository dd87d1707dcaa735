from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from limbeck.models.ikd_mmt.configuration import IKDMMTConfig
from limbeck.models.vision.maps import MapSpec, maps_from_json, maps_to_json, names_at
from tests.models.toys import MAPS, config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kv": "both"}, "kv must be one of previous, input, got 'both'"),
        ({"visual": "dreamt"}, "visual must be one of none, given, generated, predicted, got 'dreamt'"),
        ({"unpool": "half"}, "unpool must be one of factored, full, got 'half'"),
        ({"d_model": 10, "num_heads": 4}, "d_model must be even and divide by num_heads=4, got 10"),
        ({"d_model": 9, "num_heads": 3}, "d_model must be even and divide by num_heads=3, got 9"),
        ({"visual": "given"}, "visual='given' needs the vision teacher's maps"),
        ({"visual": "generated"}, "visual='generated' needs the vision teacher's maps"),
        ({"visual": "predicted"}, "visual='predicted' needs the vision teacher's maps"),
    ],
)
def test_wrong_choices(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        IKDMMTConfig(vocab_size=10, **changes)


@pytest.mark.parametrize(
    ("visual", "grid", "tokens"),
    [
        ("none", None, 0),
        ("predicted", None, 0),
        ("given", None, 6),
        ("generated", 2, 4),
        ("given", 1, 1),
        ("given", 9, 6),
    ],
)
def test_visual_tokens(visual: str, grid: int | None, tokens: int) -> None:
    assert config(visual, visual_grid=grid).visual_tokens == tokens


def test_saved_and_loaded(tmp_path: Path) -> None:
    written = config("generated", kv="input", visual_grid=1)
    written.save_pretrained(tmp_path)
    read = IKDMMTConfig.from_pretrained(tmp_path)
    assert (read.maps, read.kv, read.visual_grid) == (tuple(MAPS), "input", 1)


def test_maps() -> None:
    assert maps_from_json(maps_to_json(MAPS)) == tuple(MAPS)
    maps = [*MAPS[:2], MapSpec("inner", 4, 3, 3, "layer"), MAPS[2]]
    assert names_at(maps, "model") == ("image", "top")
    assert names_at(maps, "block") == ("image", "stage1", "top")
    assert names_at(maps, "layer") == ("image", "stage1", "inner", "top")
    with pytest.raises(ValueError, match="grain must be one of model, block, layer, got 'pixel'"):
        names_at(maps, "pixel")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="map 'x': sizes must be positive, got 3x0x2"):
        MapSpec("x", 3, 0, 2)
    with pytest.raises(ValueError, match="map 'x': grain must be one of"):
        MapSpec("x", 3, 1, 2, "pixel")  # type: ignore[arg-type]
