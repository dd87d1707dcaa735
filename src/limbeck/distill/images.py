"""Rows with pictures, as examples and as batches of pixels."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor, nn

from limbeck.batch import Batch
from limbeck.distill.classes import as_class, numbers_of
from limbeck.distill.config import Data
from limbeck.distill.rows import Row
from limbeck.errors import LimbeckError
from limbeck.methods.base import Networks


@dataclass(frozen=True)
class ImageExample:
    """One picture with its class.

    Args:
        image: A file, or what a data set holds.
        targets: Its class, alone in a list.
        where: Its row, for messages.
    """

    image: Any
    targets: list[int]
    where: str

    @property
    def length(self) -> int:
        """Pictures are of one size once they are read."""
        return 1

    def read(self) -> Image.Image:
        """The picture in RGB.

        Raises:
            LimbeckError: It cannot be read.
        """
        try:
            if isinstance(self.image, Image.Image):
                return self.image.convert("RGB")
            with Image.open(self.image) as opened:
                return opened.convert("RGB")
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError) as error:
            raise LimbeckError(f"{self.where}: the picture cannot be read: {' '.join(str(error).split())}") from None


def encode_images(rows: Sequence[Row], data: Data, labels: Sequence[str]) -> list[ImageExample]:
    """Rows as examples; pictures are opened, so that a missing or foreign file is told now, but not yet decoded.

    Args:
        rows: With a picture (a file's name, or what `datasets` makes of one) and a class each.
        data: Tells the columns.
        labels: The classes' names, in order.

    Raises:
        LimbeckError: A row lacks a column, or holds something else than it should.
    """
    image, label = data.columns.get("image", "image"), data.columns.get("label", "label")
    numbers = numbers_of(labels)
    return [
        ImageExample(
            _picture(row, image),
            [as_class(row.get(label, (str, int)), numbers, row.where, label)],
            f"{row.where}, {image}",
        )
        for row in rows
    ]


def _picture(row: Row, column: str) -> Any:
    value = row.get(column, (str, Mapping, Image.Image))
    if isinstance(value, Mapping):  # as Parquet files of `datasets` have it
        if value.get("bytes") is not None:
            return io.BytesIO(value["bytes"])
        value = value.get("path")
    if not isinstance(value, str):
        return value
    path = row.folder / value
    try:
        with Image.open(path):
            return path
    except (OSError, UnidentifiedImageError) as error:
        raise LimbeckError(f"{row.where}: column {column!r}: {' '.join(str(error).split())}") from None


def networks_of(student: nn.Module, teacher: nn.Module | None, held: Iterable[Batch] = ()) -> Networks:
    """Both models as functions of pixels, for methods that call them.

    Args:
        student: An image classifier of `transformers`.
        teacher: Another; None where a store stands for it.
        held: Batches of pictures that the student does not learn from.
    """
    parts = list(held)
    columns = (
        {name: torch.cat([part[name] for part in parts]) for name in ("pixel_values", "labels")} if parts else None
    )
    frozen = None if teacher is None else _OfPixels(teacher)
    return Networks(_OfPixels(student), frozen, lambda batch: batch["pixel_values"], columns)


class _OfPixels(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.model(pixel_values=pixels).logits
        return logits


class ImageCollator:
    """Puts pictures into one batch: ``pixel_values`` ``(batch, channels, height, width)``, ``labels`` and ``row``.

    Args:
        processor: An image processor of `transformers`: size, crop and normalisation.
    """

    def __init__(self, processor: Any) -> None:
        self.processor = processor

    def __call__(self, items: Sequence[tuple[int, ImageExample]]) -> Batch:
        """Read numbered examples."""
        pixels = self.processor([example.read() for _, example in items], return_tensors="pt")["pixel_values"]
        return {
            "pixel_values": pixels,
            "labels": torch.tensor([example.targets[0] for _, example in items]),
            "row": torch.tensor([number for number, _ in items]),
        }
