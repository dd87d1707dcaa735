"""The inverse network: every map in its size, one sentence at a time."""

from __future__ import annotations

import pytest
import torch

from limbeck.models.ikd_mmt.inverse import InverseNetwork
from limbeck.models.vision.maps import MapSpec, maps_to_json
from tests.models.toys import config

SQUARE = [MapSpec("image", 3, 16, 16), MapSpec("a", 8, 8, 8), MapSpec("b", 8, 8, 8), MapSpec("top", 12, 2, 2)]
ODD = [MapSpec("image", 3, 13, 14), MapSpec("a", 5, 7, 7), MapSpec("b", 8, 4, 3), MapSpec("top", 12, 4, 1)]
VECTOR = [MapSpec("top", 20, 1, 1)]
BIG = [MapSpec("image", 3, 30, 30), MapSpec("top", 8, 4, 4)]


def inverse(maps: list[MapSpec], *, unpool: str = "factored", rank: int = 4) -> InverseNetwork:
    torch.manual_seed(0)
    return InverseNetwork(config("generated", vision_maps=maps_to_json(maps), unpool=unpool, unpool_rank=rank)).double()


@pytest.mark.parametrize("maps", [SQUARE, ODD, VECTOR, BIG], ids=["square", "odd", "vector", "big"])
@pytest.mark.parametrize("unpool", ["factored", "full"])
def test_every_map_has_the_teachers_size(maps: list[MapSpec], unpool: str) -> None:
    network = inverse(maps, unpool=unpool)
    found = network.down(network.top(torch.randn(2, 8).double()))
    assert list(found) == [spec.name for spec in reversed(maps)]
    for spec in maps:
        assert found[spec.name].shape == (2, spec.channels, spec.height, spec.width)


@pytest.mark.parametrize("maps", [SQUARE, ODD], ids=["square", "odd"])
@pytest.mark.parametrize("training", [True, False])
def test_a_sentence_alone_is_as_in_a_batch(maps: list[MapSpec], training: bool) -> None:
    network = inverse(maps).train(training)
    sentences = torch.randn(5, 8, dtype=torch.float64)
    together = network.down(network.top(sentences))
    alone = network.down(network.top(sentences[3:4]))
    for name, value in alone.items():
        torch.testing.assert_close(value[0], together[name][3], rtol=1e-9, atol=1e-9)


def test_every_parameter_learns_and_every_place_can_differ() -> None:
    network = inverse(ODD)
    maps = network.down(network.top(torch.randn(3, 8).double()))
    sum(value.square().sum() for value in maps.values()).backward()  # type: ignore[union-attr]
    assert all(value.grad is not None and value.grad.abs().sum() > 0 for value in network.parameters())
    assert len(maps["image"][0, 0].flatten().unique()) == 13 * 14


def test_parameters_of_both_unpoolings() -> None:
    """Full: a linear layer and all channel pairs at all places. Factored: few channels in between."""
    width, channels, places, rank = 8, 12, 4, 4
    full = sum(value.numel() for value in inverse(SQUARE, unpool="full").unpool.parameters())
    assert full == (width + 1) * channels + channels * channels * places + channels
    factored = sum(value.numel() for value in inverse(SQUARE, rank=rank).unpool.parameters())
    assert factored == (width + 1) * rank * places + 2 * rank + (rank + 1) * channels
