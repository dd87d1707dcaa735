from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from limbeck.data.batching import TokenBatchSampler, pad_ids
from limbeck.errors import LimbeckError
from limbeck.training.feed import batches_of_epoch

LENGTHS = np.random.default_rng(0).integers(1, 40, size=(500, 2))


def padded(batch: list[int]) -> int:
    return int(LENGTHS[batch].max()) * len(batch)


@pytest.mark.parametrize("shuffle", [False, True])
def test_every_sentence_once_within_the_bound(shuffle: bool) -> None:
    sampler = TokenBatchSampler(LENGTHS, 200, seed=1, shuffle=shuffle, pool=100)
    batches = list(sampler)
    assert sorted(index for batch in batches for index in batch) == list(range(500))
    assert max(map(padded, batches)) <= 200
    assert len(sampler) == len(batches)


def test_little_is_padded() -> None:
    batches = list(TokenBatchSampler(LENGTHS, 400, seed=1))
    real = int(LENGTHS.max(axis=1).sum())
    assert real / sum(map(padded, batches)) > 0.9


def test_order_depends_on_seed_and_epoch_alone() -> None:
    one, two, other = (TokenBatchSampler(LENGTHS, 200, seed=seed) for seed in (1, 1, 2))
    first = list(one)
    assert first == list(one) == list(two)
    assert first != list(other)
    one.set_epoch(3)
    two.set_epoch(3)
    assert list(one) == list(two) != first
    one.set_epoch(0)
    assert list(one) == first


def test_processes_get_disjoint_shares_of_one_size() -> None:
    whole = list(TokenBatchSampler(LENGTHS, 200, seed=1))
    shares = [list(TokenBatchSampler(LENGTHS, 200, seed=1, rank=rank, world=3)) for rank in range(3)]
    assert {len(share) for share in shares} == {len(whole) // 3}
    assert [batch for group in zip(*shares, strict=True) for batch in group] == whole[: len(whole) // 3 * 3]


def test_sentences_of_a_batch_are_bounded() -> None:
    assert max(map(len, TokenBatchSampler(LENGTHS, 10_000, max_sentences=7))) == 7


def test_long_sentence_is_refused_or_dropped() -> None:
    lengths = [[3, 4], [5, 60], [2, 2]]
    with pytest.raises(LimbeckError, match=r"sentence 1 has 60 tokens, and a batch holds 50"):
        TokenBatchSampler(lengths, 50)
    sampler = TokenBatchSampler(lengths, 50, drop_long=True)
    assert sampler.dropped == [1]
    assert sorted(index for batch in sampler for index in batch) == [0, 2]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_tokens": 0}, "max_tokens: got 0"),
        ({"pool": 0}, "pool: got 0"),
        ({"lengths": []}, "lengths: got shape"),
        ({"lengths": [1.5]}, "expected integers"),
        ({"rank": 2, "world": 2}, "rank: got 2"),
    ],
)
def test_wrong_values_are_told(values: dict[str, Any], message: str) -> None:
    with pytest.raises(LimbeckError, match=message):
        TokenBatchSampler(**{"lengths": [1, 2], "max_tokens": 9, **values})


def test_loader_and_feed_take_it() -> None:
    data: Any = [{"index": torch.tensor(index)} for index in range(500)]
    loader: DataLoader[Any] = DataLoader(data, batch_sampler=TokenBatchSampler(LENGTHS, 200, seed=1))
    assert len(loader) == len(list(loader))
    epoch = [batch["index"].tolist() for batch in batches_of_epoch(loader, 2, seed=0)]
    later = [batch["index"].tolist() for batch in batches_of_epoch(loader, 2, seed=0, skip=5)]
    assert later == epoch[5:]
    sampler = TokenBatchSampler(LENGTHS, 200, seed=1)
    sampler.set_epoch(2)
    assert epoch == list(sampler)


def test_padding_keeps_real_ids_that_equal_the_pad() -> None:
    ids, mask = pad_ids([[1, 0, 0], [2], []], pad=0)
    assert ids.tolist() == [[1, 0, 0], [2, 0, 0], [0, 0, 0]]
    assert mask.sum(1).tolist() == [3, 1, 0]
    assert pad_ids([], pad=0)[0].shape == (0, 0)
