"""A task's own weights: everything in it that is state, without the frozen teachers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from limbeck.errors import LimbeckError, near_matches
from limbeck.teachers.live import LiveTeacher


def own_state(module: nn.Module) -> dict[str, Tensor]:
    """The parameters and persistent buffers, without those of any :class:`~limbeck.teachers.live.LiveTeacher`.

    Args:
        module: A task, or any module.

    Returns:
        The tensors themselves, by name; tied ones under each of their names.

    Raises:
        LimbeckError: A module keeps state that is not a tensor.

    Example:
        >>> sorted(own_state(nn.Linear(2, 1)))
        ['bias', 'weight']
    """
    teachers = tuple(
        f"{name}." if name else ""
        for name, part in module.named_modules(remove_duplicate=False)
        if isinstance(part, LiveTeacher)
    )
    state: dict[str, Any] = module.state_dict()
    own = {name: value for name, value in state.items() if not name.startswith(teachers)} if teachers else dict(state)
    for name, value in own.items():
        if not isinstance(value, Tensor):
            raise LimbeckError(
                f"the state {name!r} is a {type(value).__name__}; keep it as a buffer, so that it is saved"
            )
    return own


def untied(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Split the state into tensors that share no memory, and the names tied to them.

    Args:
        state: What :func:`own_state` gives.

    Returns:
        The tensors under the first of their names, and each other name with the name that it stands for.

    Example:
        >>> weight = torch.zeros(2)
        >>> tensors, ties = untied({"embed.weight": weight, "head.weight": weight})
        >>> sorted(tensors), ties
        (['embed.weight'], {'head.weight': 'embed.weight'})
    """
    tensors: dict[str, Tensor] = {}
    ties: dict[str, str] = {}
    first: dict[tuple[Any, ...], str] = {}
    for name, value in state.items():
        place = (value.device, value.data_ptr(), value.dtype, value.shape, value.stride())
        if value.numel() and place in first:
            ties[name] = first[place]
        else:
            first[place] = name
            tensors[name] = value
    return tensors, ties


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    """A copy on the CPU of what :func:`own_state` gives, tied tensors once."""
    tensors, _ = untied(own_state(module))
    return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in tensors.items()}


@torch.no_grad()
def load_own_state(module: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Copy the tensors into the module, in place.

    Args:
        module: A task, or any module.
        tensors: What :func:`snapshot` gave.
        where: Where the tensors are from, for messages.

    Raises:
        LimbeckError: Names, shapes or types differ; nothing is copied then.
    """
    own, _ = untied(own_state(module))
    for name in own:
        if name not in tensors:
            raise LimbeckError(f"{where}: the task has {name!r}, which is not saved; {near_matches(name, tensors)}")
    for name, value in tensors.items():
        if name not in own:
            raise LimbeckError(f"{where}: {name!r} is saved, and the task has no such state; {near_matches(name, own)}")
        if own[name].shape != value.shape or own[name].dtype != value.dtype:
            raise LimbeckError(
                f"{where}: {name!r} is {_told(value)} where it was saved, and {_told(own[name])} in the task"
            )
    for name, value in tensors.items():
        own[name].copy_(value)


def _told(value: Tensor) -> str:
    return f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
