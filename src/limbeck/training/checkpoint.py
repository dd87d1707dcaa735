"""Checkpoints on disk: safetensors and JSON, written whole or not at all."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.files import sync, write_json, write_tensors

STATE = "state.json"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose files are all there in their full lengths.

    Args:
        path: Its folder.
        state: What its ``state.json`` holds.
    """

    path: Path
    state: dict[str, Any]

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Read ``<name>.safetensors``.

        Raises:
            LimbeckError: The file cannot be read.
        """
        return read_tensors(self.path / f"{name}.safetensors")


def folder_name(step: int) -> str:
    """What the checkpoint of a step is called; names sort as steps do.

    Example:
        >>> folder_name(1200)
        'step-0000001200'
    """
    return f"step-{step:010d}"


def write_checkpoint(
    folder: Path, step: int, files: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]
) -> Path:
    """Write a checkpoint under another name, see it onto the disk, and only then give it its name.

    Args:
        folder: The run's checkpoints.
        step: Optimiser steps done.
        files: The tensors of each ``.safetensors`` file, on the CPU and contiguous.
        state: Everything else, in what JSON can hold.

    Returns:
        The checkpoint's folder. Where there is a checkpoint of this step already, from which an epoch without further
        batches was resumed, the optimiser's tensors are those of now; model and state are written anew, each at once
        and in the same length: at no moment is there less than one complete checkpoint.
    """
    path = folder / folder_name(step)
    if path.exists():
        sizes = read_checkpoint(path).state["bytes"]
        sizes["model"] = write_tensors(path / "model.safetensors", files["model"])
        write_json(path / STATE, {**state, "step": step, "bytes": sizes})
        return path
    unfinished = folder / f".unfinished-{path.name}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    sizes = {name: write_tensors(unfinished / f"{name}.safetensors", tensors) for name, tensors in files.items()}
    write_json(unfinished / STATE, {**state, "step": step, "bytes": sizes})
    sync(unfinished)
    unfinished.rename(path)
    sync(folder)
    return path


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read one safetensors file onto the CPU.

    Raises:
        LimbeckError: It is absent, or damaged.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise LimbeckError(f"{path}: cannot be read: {error}") from None


def newest_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest complete checkpoint; damaged ones are passed over with a warning.

    Args:
        folder: The run's checkpoints.

    Returns:
        The checkpoint; None where there never was one.

    Raises:
        LimbeckError: There are checkpoints, and all are damaged.
    """
    faults = []
    for path in sorted(folder.glob("step-*"), reverse=True):
        try:
            found = read_checkpoint(path)
        except LimbeckError as error:
            faults.append(str(error))
            continue
        for fault in faults:
            warnings.warn(f"{fault}; going on from {path.name}", stacklevel=2)
        return found
    if faults:
        raise LimbeckError(f"no checkpoint is complete: {'; '.join(faults)}")
    return None


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint's state, and see that all its files are there in their full lengths.

    Raises:
        LimbeckError: A file is absent, cut short or not what it should be.
    """
    try:
        state = json.loads((path / STATE).read_text(encoding="utf-8"))
        sizes = dict(state["bytes"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LimbeckError(f"{path / STATE}: cannot be read: {error!r}") from None
    for name, size in sizes.items():
        file = path / f"{name}.safetensors"
        if not file.exists():
            raise LimbeckError(f"{file}: is absent")
        if (found := file.stat().st_size) != size:
            raise LimbeckError(f"{file}: has {found} bytes, was written with {size}")
    return Checkpoint(path, state)


def point(folder: Path, pointer: Literal["latest", "best"], step: int) -> None:
    """Let ``latest.json`` or ``best.json`` name the checkpoint of a step."""
    write_json(folder / f"{pointer}.json", {"checkpoint": folder_name(step)})


def pointed(folder: Path, pointer: Literal["latest", "best"]) -> Path:
    """The checkpoint that ``latest.json`` or ``best.json`` names.

    Raises:
        LimbeckError: There is no such pointer.
    """
    try:
        return folder / str(json.loads((folder / f"{pointer}.json").read_text(encoding="utf-8"))["checkpoint"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LimbeckError(f"{folder / pointer}.json: cannot be read: {error!r}") from None


def remove_others(folder: Path, keep: Collection[str]) -> None:
    """Remove the checkpoints whose folder names are not in ``keep``, and what a kill left unfinished."""
    for path in [*folder.glob("step-*"), *folder.glob(".unfinished-*")]:
        if path.name not in keep:
            shutil.rmtree(path)
