"""What a system is given to work with: seeds, scale, device, folders, and teachers that are trained only once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

import limbeck
from limbeck.errors import LimbeckError
from limbeck.files import safe_name, sha256_of

if TYPE_CHECKING:
    from torch import nn

Scale = Literal["smoke", "default", "full"]
SCALES: tuple[Scale, ...] = get_args(Scale)
Split = Literal["val", "test"]
"""What arms are judged by: the test split, or validation data while something is still being chosen."""
Value = TypeVar("Value")


def as_scale(name: str) -> Scale:
    """A scale by its name.

    Raises:
        LimbeckError: There is none of that name.
    """
    for scale in SCALES:
        if scale == name:
            return scale
    raise LimbeckError(f"unknown scale {name!r}; possible: {', '.join(SCALES)}")


def default_cache() -> Path:
    """Where teachers are kept: ``$LIMBECK_CACHE``, or ``limbeck`` under the user's cache folder."""
    if chosen := os.environ.get("LIMBECK_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "limbeck"


@dataclass
class Lab:
    """What a system is given to work with.

    Args:
        seeds: One training of every arm for each.
        scale: ``"smoke"`` shows in seconds that all works; ``"default"`` is what the claim is made at; ``"full"`` is
            for a machine of one's own.
        device: A torch device.
        out: The run's folder.
        cache: Where teachers are kept between runs.
        resume: Whether to go on where an earlier run in the same folder stopped.
        quiet: Whether to say nothing.
    """

    seeds: tuple[int, ...] = (1,)
    scale: Scale = "default"
    device: str = "cpu"
    out: Path = Path("runs/lab")
    cache: Path = field(default_factory=default_cache)
    resume: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise LimbeckError(f"seeds must be distinct and at least one; got {self.seeds}")
        as_scale(self.scale)
        self._started = time.monotonic()

    def pick(self, *, smoke: Value, default: Value, full: Value) -> Value:
        """The value for this lab's scale.

        Example:
            >>> Lab(scale="smoke").pick(smoke=10, default=1000, full=100_000)
            10
        """
        return {"smoke": smoke, "default": default, "full": full}[self.scale]

    def folder(self, *parts: str) -> Path:
        """A folder inside the run's folder, made if it is not there."""
        path = self.out.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def say(self, message: str) -> None:
        """Tell the user where things stand, with the time since the start; on standard error, results go to output."""
        if not self.quiet:
            print(f"[{time.monotonic() - self._started:6.1f} s] {message}", file=sys.stderr, flush=True)

    def keeps(self, name: str, recipe: Mapping[str, Any]) -> bool:
        """Whether :meth:`teacher` was asked for this one before.

        Raises:
            LimbeckError: The recipe is not plain JSON.
        """
        return self._place(name, recipe)[2].exists()

    def teacher(
        self,
        name: str,
        recipe: Mapping[str, Any],
        build: Callable[[], nn.Module],
        train: Callable[[nn.Module], object],
    ) -> nn.Module:
        """A teacher that is trained once and kept, for every system that asks for the same recipe.

        It is built and trained with random states derived from the recipe, and the caller's random states are left
        alone: what follows is the same whether the teacher was trained now or found in the cache.

        Args:
            name: What the teacher is called in messages and in the cache.
            recipe: Everything that decides what the teacher becomes: architecture, data, steps, seed. Plain values
                that JSON can hold; any change trains a new teacher. Limbeck's version is added.
            build: Makes the untrained network.
            train: Trains it in place. It is on the lab's device by then.

        Returns:
            The network on the lab's device, in evaluation mode, without gradients.

        Raises:
            LimbeckError: The recipe is not plain JSON.
        """
        written, digest, place = self._place(name, recipe)
        seed = int(digest[:8], 16)
        if place.exists():
            try:
                with _own_randomness(seed):
                    model = build().to(self.device)
                _read(model, place)
                self.say(f"teacher {name}: kept in {place}")
                return model.eval().requires_grad_(False)
            except _Corrupt as reason:
                warnings.warn(f"the kept teacher {place} is unusable ({reason}); training it again", stacklevel=2)
                shutil.rmtree(place, ignore_errors=True)
        self.say(f"teacher {name}: training")
        start = time.monotonic()
        with _own_randomness(seed):
            model = build().to(self.device)
            model.train()
            train(model)
        _write(model, place, written)
        self.say(f"teacher {name}: trained in {time.monotonic() - start:.1f} s, kept in {place}")
        return model.eval().requires_grad_(False)

    def _place(self, name: str, recipe: Mapping[str, Any]) -> tuple[str, str, Path]:
        """A teacher's recipe as it is written, that text's digest, and the teacher's folder."""
        written = _recipe(name, recipe)
        digest = hashlib.sha256(written.encode()).hexdigest()
        return written, digest, self.cache / "teachers" / f"{safe_name(name)}-{digest[:16]}"


class _Corrupt(Exception):
    """A cache entry that cannot be used."""


def _recipe(name: str, recipe: Mapping[str, Any]) -> str:
    try:
        return json.dumps(
            {"name": name, "limbeck": limbeck.__version__, "recipe": dict(recipe)},
            sort_keys=True,
            indent=2,
            allow_nan=False,
        )
    except (TypeError, ValueError) as error:
        raise LimbeckError(f"the recipe of teacher {name!r} must be plain JSON values: {error}") from None


def _read(model: nn.Module, place: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_model

    weights = place / "model.safetensors"
    try:
        noted = json.loads((place / "teacher.json").read_text(encoding="utf-8"))
        if noted["sha256"] != sha256_of(weights):
            raise _Corrupt("its weights have changed since they were written")
        load_model(model, weights)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise _Corrupt(f"{type(error).__name__}: {error}") from None


def _write(model: nn.Module, place: Path, recipe: str) -> None:
    """Write into a folder beside, then rename it: a folder with the final name is complete."""
    from safetensors.torch import save_model

    place.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    try:
        save_model(model, str(partial / "model.safetensors"))
        noted = {**json.loads(recipe), "sha256": sha256_of(partial / "model.safetensors")}
        (partial / "teacher.json").write_text(json.dumps(noted, indent=2) + "\n", encoding="utf-8")
        try:
            partial.rename(place)
        except OSError:
            # Another process finished the same teacher first; its copy is as good.
            if not place.exists():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _own_randomness(seed: int) -> Iterator[None]:
    """Seed every generator inside the block and put the old states back after it."""
    from limbeck.training.seed import set_seed, undisturbed_randomness

    with undisturbed_randomness():
        set_seed(seed)
        yield
