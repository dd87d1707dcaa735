"""The batches of one epoch for one process: in an order that can be repeated, shared out, and entered midway."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from itertools import islice
from typing import Any, TypeGuard

from torch.utils.data import DataLoader, IterableDataset

from limbeck.batch import Batch
from limbeck.training.seed import set_seed


def batches_of_epoch(
    loader: Iterable[Batch], epoch: int, *, seed: int, skip: int = 0, rank: int = 0, world: int = 1
) -> Iterator[Batch]:
    """Start one epoch: seed everything random by (seed, epoch), and give this process its share of the batches.

    Of every ``world`` consecutive batches each process gets one; a last group that is not full is left out, so that
    all get equally many. A ``DataLoader`` over a map-style dataset is entered after ``skip`` batches without loading
    them; other iterables are iterated up to there.

    Args:
        loader: A ``DataLoader``, or anything that gives batches each time it is iterated.
        epoch: From 0.
        seed: The plan's seed.
        skip: How many batches of this process to leave out.
        rank: Which process this is.
        world: How many processes there are.

    Example:
        >>> list(batches_of_epoch([{"x": 0}, {"x": 1}, {"x": 2}, {"x": 3}, {"x": 4}], 0, seed=0, rank=1, world=2))
        [{'x': 1}, {'x': 3}]
    """
    _set_epoch(loader, epoch)
    if not _can_be_ordered(loader):
        set_seed(seed, epoch, rank)
        share = _full_groups(iter(loader), rank, world)
        # What is skipped is iterated now: the caller restores the random state after it.
        for _ in islice(share, skip):
            pass
        return share
    # The order is drawn whole and by a seed that all processes share, so that their shares are disjoint.
    set_seed(seed, epoch)
    for part in _parts(loader):
        if (generator := getattr(part, "generator", None)) is not None:
            generator.manual_seed(seed + epoch)
    batched = loader.batch_sampler is not None
    order: list[Any] = list(loader.sampler if loader.batch_sampler is None else loader.batch_sampler)
    order = order[rank : len(order) - len(order) % world : world][skip:]
    set_seed(seed, epoch, rank)
    return iter(_reordered(loader, order, batched=batched))


def batches_in_epoch(loader: Iterable[Batch], world: int = 1) -> int | None:
    """How many batches of the first epoch each process gets; None where the loader cannot tell."""
    _set_epoch(loader, 0)
    if not isinstance(loader, Sized):
        return None
    try:
        return len(loader) // world
    except TypeError:  # a DataLoader has a length in any case, and raises where its data has none
        return None


def _set_epoch(loader: Iterable[Batch], epoch: int) -> None:
    for part in _parts(loader):
        if callable(set_epoch := getattr(part, "set_epoch", None)):
            set_epoch(epoch)


def _parts(loader: Any) -> list[Any]:
    """Where an epoch or a generator may have to be set."""
    parts = [loader, *(getattr(loader, name, None) for name in ("batch_sampler", "sampler", "dataset"))]
    inner = getattr(parts[1], "sampler", None)
    return [part for part in [*parts, inner] if part is not None]


def _can_be_ordered(loader: object) -> TypeGuard[DataLoader[Any]]:
    """Whether the order can be drawn apart from the loading; a subclass may do anything, so it is left alone."""
    return type(loader) is DataLoader and not isinstance(loader.dataset, IterableDataset)


def _full_groups(batches: Iterator[Batch], rank: int, world: int) -> Iterator[Batch]:
    while len(group := list(islice(batches, world))) == world:
        yield group[rank]


def _reordered(loader: DataLoader[Any], order: list[Any], *, batched: bool) -> DataLoader[Any]:
    """The same loader over another order."""
    how: dict[str, Any] = {"batch_sampler": order} if batched else {"batch_size": None, "sampler": order}
    return DataLoader(
        loader.dataset,
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
        timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        generator=loader.generator,
        prefetch_factor=loader.prefetch_factor,
        **how,
    )
