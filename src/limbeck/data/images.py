"""Pictures and stored features that belong to captions."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from limbeck.errors import LimbeckError


class PhotoArchive:
    """JPEG pictures joined in one ``.npz``: ``jpeg`` (uint8), ``offsets`` (n + 1) and ``ids`` (n).

    Args:
        path: The archive.

    Raises:
        LimbeckError: If it is missing or is no such archive.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        arrays = load_arrays(self.path, ("jpeg", "offsets", "ids"))
        self._jpeg, self._offsets = arrays["jpeg"], arrays["offsets"]
        self.ids: NDArray[np.int64] = arrays["ids"]
        if len(self._offsets) != len(self.ids) + 1 or self._offsets[-1] != len(self._jpeg):
            raise LimbeckError(f"{self.path}: offsets do not fit the pictures; is the file whole?")
        self._rows = {int(number): row for row, number in enumerate(self.ids)}

    def __contains__(self, image_id: int) -> bool:
        return image_id in self._rows

    def read(self, image_id: int, size: int) -> NDArray[np.uint8]:
        """One picture, ``(3, size, size)``, scaled bilinearly.

        Raises:
            LimbeckError: If there is no such picture or it is damaged.
        """
        if image_id not in self._rows:
            raise LimbeckError(f"{self.path}: no picture {image_id}")
        row = self._rows[image_id]
        encoded = self._jpeg[self._offsets[row] : self._offsets[row + 1]].tobytes()
        try:
            picture = Image.open(io.BytesIO(encoded)).convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
        except (UnidentifiedImageError, OSError) as error:
            raise LimbeckError(f"{self.path}, picture {image_id}: {error}") from None
        return np.asarray(picture).transpose(2, 0, 1)


class StoredFeatures:
    """Vectors that stand for pictures: pooled features or label vectors.

    Args:
        ids: The pictures' numbers, ``(n,)``.
        vectors: Their vectors, ``(n, width)``; they get mean 0 a column and variance 1.
        name: What they are, for messages and the model's configuration.
        one_scale: Whether the variance is 1 over all columns, which keeps a column's share in it, or 1 a column.
    """

    def __init__(
        self, ids: NDArray[np.int64], vectors: NDArray[np.float32], name: str, *, one_scale: bool = False
    ) -> None:
        self.name = name
        self.rows = {int(number): row for row, number in enumerate(ids)}
        centred = vectors - vectors.mean(0)
        spread = np.sqrt(np.square(centred).mean(None if one_scale else 0))
        self.vectors = centred / np.where(spread > 0, spread, 1.0)

    @property
    def width(self) -> int:
        """Entries of a vector."""
        return int(self.vectors.shape[1])


def pooled_features(path: str | Path) -> StoredFeatures:
    """Pooled CNN features: ``ids`` and ``feats`` of an ``.npz``."""
    arrays = load_arrays(Path(path), ("ids", "feats"))
    return StoredFeatures(arrays["ids"], arrays["feats"].astype(np.float32), "pooled")


def region_labels(path: str | Path, condition: str = "VNC", *, most: int | None = None) -> StoredFeatures:
    """Labels of picture regions as 0/1 vectors, from an ``.npz`` of CSR rows.

    Labels share one scale: if each had variance 1, the many rare ones, which no sentence foretells, would outweigh the
    frequent ones.

    Args:
        path: The archive with ``labels``, ``ids_X``, ``indptr_X`` and ``indices_X`` for the condition X.
        condition: Which annotation: ``"VNC"`` (made without seeing a caption) or ``"VWC"`` (with one).
        most: Keep only the most frequent labels.
    """
    names = [f"{part}_{condition}" for part in ("ids", "indptr", "indices")]
    arrays = load_arrays(Path(path), ("labels", *names))
    ids, starts, indices = (arrays[name] for name in names)
    vectors = np.zeros((len(ids), len(arrays["labels"])), dtype=np.float32)
    vectors[np.repeat(np.arange(len(ids)), np.diff(starts)), indices] = 1.0
    return StoredFeatures(ids, vectors[:, :most], "labels", one_scale=True)


def load_arrays(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Read named arrays of an ``.npz``; pickled objects are refused.

    Raises:
        LimbeckError: If the file is missing, damaged, or lacks an array.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in names if name not in archive]
            if missing:
                raise LimbeckError(f"{path}: no array {missing[0]!r} in it; it has {', '.join(archive.files)}")
            return {name: archive[name] for name in names}
    except FileNotFoundError:
        raise LimbeckError(f"{path}: no such file") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise LimbeckError(f"{path}: not a readable .npz archive ({error})") from None
