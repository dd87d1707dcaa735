"""Classified pictures in splits: views of the world, CIFAR-10 and Fashion-MNIST, read into one form."""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import DataLoader

from limbeck.data.images import load_arrays
from limbeck.errors import LimbeckError
from limbeck.systems.lab import Split
from limbeck.systems.tables import Table
from limbeck.world.views import CLASSES, LabelSet, Shift, ViewSplit, shifted, views

DataName = Literal["world", "cifar10", "fashion-mnist"]
FASHION = Path("/usr/share/dataset-fashion-mnist")
FASHION_CLASSES = (
    "t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip


@dataclass(frozen=True)
class Pictures:
    """Pictures with the numbers of their classes.

    Args:
        images: RGB, 32 x 32.
        labels: The number of the class.
    """

    images: UInt8[Tensor, "items 3 size size"]
    labels: Int[Tensor, " items"]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def size(self) -> int:
        """Their side in pixels."""
        return self.images.shape[-1]

    @property
    def pixels(self) -> Float[Tensor, "items 3 size size"]:
        """From -1 to 1, as networks take them."""
        return self.images.float() / 127.5 - 1.0

    def batches(self, size: int, *, shuffle: bool = True, **more: Tensor) -> DataLoader[dict[str, Tensor]]:
        """Batches of ``pixels``, ``labels``, ``row`` (the number of the picture) and other columns.

        The order of an epoch is drawn by :func:`~limbeck.training.loop.fit` from the plan's seed.
        """
        rows = torch.arange(len(self))
        return Table(pixels=self.pixels, labels=self.labels, row=rows, **more).batches(size, shuffle=shuffle)

    def at(self, rows: Tensor | slice) -> Pictures:
        """Some of them, by number or by mask."""
        return Pictures(self.images[rows], self.labels[rows])

    def per_class(self, count: int, *, start: int = 0, option: str = "") -> Pictures:
        """So many of each class, in their order.

        Args:
            count: How many.
            start: After the first so many of each class.
            option: What asked for them, for the message.

        Raises:
            LimbeckError: A class has too few, or none are asked for.
        """
        if count < 1:
            raise LimbeckError(f"{option or 'pictures of each class'}: got {count}, expected 1 or more")
        return self._first_of(dict.fromkeys(range(int(self.labels.max()) + 1), count), start, option)

    def long_tailed(self, factor: float, classes: int) -> Pictures:
        """Class 0 keeps all that each class can have, the last a share of 1 / factor, those between fall evenly in log.

        Args:
            factor: How many times the last class is rarer than the first.
            classes: How many there are.

        Raises:
            LimbeckError: The factor is less than 1, or a class has no pictures.
        """
        if not factor >= 1:
            raise LimbeckError(f"factor: got {factor:g}, expected 1 or more")
        most = int(self.labels.bincount(minlength=classes).min())
        return self._first_of(
            {label: max(1, round(most * factor ** (-label / max(1, classes - 1)))) for label in range(classes)}
        )

    def shifted(self, shift: Shift, *, seed: int = 0) -> Pictures:
        """The same pictures under other conditions (:func:`limbeck.world.views.shifted`)."""
        turned = shifted(self.images.permute(0, 2, 3, 1).numpy(), shift, seed=seed)
        return replace(self, images=torch.from_numpy(turned.copy()).permute(0, 3, 1, 2).contiguous())

    def _first_of(self, counts: dict[int, int], start: int = 0, option: str = "") -> Pictures:
        ends = {label: start + count for label, count in counts.items()}
        for label, end in ends.items():
            if (there := int((self.labels == label).sum())) < end:
                asked = f"{option}: " if option else ""
                raise LimbeckError(f"{asked}class {label} has {there} pictures, {end} are asked for")
        rows = [torch.nonzero(self.labels == label).squeeze(1)[start:end] for label, end in ends.items()]
        return self.at(torch.cat(rows).sort().values)


@dataclass(frozen=True)
class ImageSet:
    """Classified pictures in splits that share none.

    Args:
        name: What tables and recipes call it.
        classes: Their names.
        train: To learn from.
        val: To choose by.
        test: To judge by, once.
        pool: More of the kind of ``train``, which students do not see; teachers learn from it.
        judged_by: The split that arms are judged by.
    """

    name: str
    classes: tuple[str, ...]
    train: Pictures
    val: Pictures
    test: Pictures
    pool: Pictures
    judged_by: Split = "test"

    @property
    def judges(self) -> Pictures:
        """The pictures that arms are judged by."""
        return self.test if self.judged_by == "test" else self.val

    def without_pool(self) -> ImageSet:
        """For jobs, which need not carry it."""
        return replace(self, pool=self.pool.at(slice(0, 0)))


@dataclass(frozen=True)
class Sizes:
    """How many pictures each split has; the pool of real data may have fewer."""

    train: int = 2000
    val: int = 1000
    test: int = 2000
    pool: int = 8000


def image_set(
    name: DataName = "world",
    sizes: Sizes | None = None,
    *,
    seed: int = 1,
    data_dir: str = "",
    labels: LabelSet = "kind",
    judged_by: Split = "test",
    **world: Any,
) -> ImageSet:
    """Pictures by the name of the data.

    The training split differs from seed to seed; pool, validation and test split do not.

    Args:
        name: Which.
        sizes: Of the splits.
        seed: Which part of the data the training split is.
        data_dir: Folder of real data: ``train.npz`` and ``test.npz`` of CIFAR-10, or the four files of Fashion-MNIST,
            for which the default is where Debian's package ``dataset-fashion-mnist`` puts them.
        labels: What the world's pictures are classified by.
        judged_by: What arms are judged by.
        world: Knobs of :func:`limbeck.world.views.views`.

    Raises:
        LimbeckError: A file is missing or malformed, or there are too few pictures.
    """
    sizes = sizes or Sizes()
    if name == "world":

        def part(split: ViewSplit, count: int, start: int = 0) -> Pictures:
            seen = views(split, count, start=start, **world)
            images = torch.from_numpy(seen.images).permute(0, 3, 1, 2).contiguous()
            return Pictures(images, torch.from_numpy(seen.labels[labels]))

        return ImageSet(
            f"world-{labels}",
            CLASSES[labels],
            part("train", sizes.train, seed * sizes.train),
            part("val", sizes.val),
            part("test", sizes.test),
            part("pool", sizes.pool),
            judged_by,
        )
    read = _read_cifar10 if name == "cifar10" else _read_fashion
    classes, learning, judging = read(data_dir)
    needed = sizes.val + sizes.train + 1
    if len(learning) < needed or len(judging) < sizes.test:
        raise LimbeckError(
            f"{name}: {len(learning)} and {len(judging)} pictures, at least {needed} and {sizes.test} are needed"
        )
    order = torch.randperm(len(learning), generator=torch.Generator().manual_seed(0))
    pooled = min(sizes.pool, len(learning) - sizes.val - sizes.train)
    val, pool, rest = order[: sizes.val], order[sizes.val : sizes.val + pooled], order[sizes.val + pooled :]
    mine = rest[torch.randperm(len(rest), generator=torch.Generator().manual_seed(seed))[: sizes.train]]
    tests = torch.randperm(len(judging), generator=torch.Generator().manual_seed(0))[: sizes.test]
    return ImageSet(name, classes, learning.at(mine), learning.at(val), judging.at(tests), learning.at(pool), judged_by)


@lru_cache(maxsize=1)  # every seed asks for them again
def _read_cifar10(data_dir: str) -> tuple[tuple[str, ...], Pictures, Pictures]:
    if not data_dir:
        raise LimbeckError("cifar10 needs --data-dir: the folder of train.npz and test.npz")
    folder = Path(data_dir)
    names = load_arrays(folder / "train.npz", ("classes",))["classes"]
    learning, judging = (_read_archive(folder / f"{part}.npz", len(names)) for part in ("train", "test"))
    return tuple(str(one) for one in names), learning, judging


def _read_archive(path: Path, classes: int) -> Pictures:
    """JPEG pictures joined in one array; picture i lies from ``offsets[i]`` to ``offsets[i + 1]``."""
    arrays = load_arrays(path, ("jpeg", "offsets", "labels"))
    jpeg, offsets, labels = arrays["jpeg"], arrays["offsets"], arrays["labels"]
    whole = len(labels) and len(offsets) == len(labels) + 1 and offsets[0] == 0 and offsets[-1] == len(jpeg)
    if not whole or (np.diff(offsets) <= 0).any():
        raise LimbeckError(f"{path}: offsets do not fit the pictures; is the file whole?")
    if labels.min() < 0 or labels.max() >= classes:
        raise LimbeckError(f"{path}: labels from {labels.min()} to {labels.max()}, and {classes} classes")
    images = np.empty((len(labels), 32, 32, 3), np.uint8)
    for row in range(len(labels)):
        try:
            picture = Image.open(io.BytesIO(jpeg[offsets[row] : offsets[row + 1]].tobytes())).convert("RGB")
        except (UnidentifiedImageError, OSError) as error:
            raise LimbeckError(f"{path}, picture {row}: {error}") from None
        if picture.size != (32, 32):
            raise LimbeckError(f"{path}, picture {row}: {picture.width} x {picture.height} pixels, expected 32 x 32")
        images[row] = np.asarray(picture)
    return Pictures(
        torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels.astype(np.int64))
    )


@lru_cache(maxsize=1)  # every seed asks for them again
def _read_fashion(data_dir: str) -> tuple[tuple[str, ...], Pictures, Pictures]:
    folder = Path(data_dir) if data_dir else FASHION
    if not folder.is_dir():
        raise LimbeckError(
            f"fashion-mnist: no folder {folder}; install Debian's package dataset-fashion-mnist, or give --data-dir"
        )
    return FASHION_CLASSES, _read_idx_pair(folder, "train"), _read_idx_pair(folder, "t10k")


def _read_idx_pair(folder: Path, part: str) -> Pictures:
    images = read_idx(folder / f"{part}-images-idx3-ubyte", axes=3)
    labels = read_idx(folder / f"{part}-labels-idx1-ubyte", axes=1)
    if len(images) != len(labels) or images.shape[1:] != (28, 28) or labels.max(initial=0) >= len(FASHION_CLASSES):
        raise LimbeckError(f"{folder}: {part} has pictures {images.shape} and labels {labels.shape} that do not fit")
    # Two pixels of black around, and the same in all three colours, as the other data are.
    padded = torch.nn.functional.pad(torch.from_numpy(images.copy()), (2, 2, 2, 2)).unsqueeze(1)
    return Pictures(padded.repeat(1, 3, 1, 1), torch.from_numpy(labels.astype(np.int64)))


def read_idx(path: Path, axes: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """An array of bytes in the IDX format; the file may be compressed, with ``.gz`` at its name's end.

    Args:
        path: Without ``.gz``.
        axes: How many the array must have.

    Raises:
        LimbeckError: The file is missing, or holds no such array.
    """
    found = next((one for one in (path, path.with_name(path.name + ".gz")) if one.is_file()), None)
    if found is None:
        raise LimbeckError(f"{path}: no such file, nor with .gz")
    try:
        content = gzip.decompress(found.read_bytes()) if found.suffix == ".gz" else found.read_bytes()
    except (OSError, EOFError) as error:
        raise LimbeckError(f"{found}: {error}") from None
    head = 4 + 4 * axes
    if len(content) < head or content[:4] != bytes([0, 0, 8, axes]):
        raise LimbeckError(f"{found}: no IDX file of bytes with {axes} axes")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", axes, 4))
    if len(content) - head != int(np.prod(shape)):
        raise LimbeckError(f"{found}: {len(content) - head} bytes for an array of {shape}; is the file whole?")
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)
