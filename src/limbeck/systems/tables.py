"""Aligned tensors as a loader of batches."""

from __future__ import annotations

from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from limbeck.errors import LimbeckError


class Table(Dataset[dict[str, Tensor]]):
    """Named tensors whose first axes are the same rows.

    Args:
        columns: The tensors.

    Raises:
        LimbeckError: They have different numbers of rows, or there are none.

    Example:
        >>> import torch
        >>> table = Table(x=torch.tensor([1, 2, 3]), y=torch.tensor([4, 5, 6]))
        >>> [batch["y"].tolist() for batch in table.batches(2, shuffle=False)]
        [[4, 5], [6]]
    """

    def __init__(self, **columns: Tensor) -> None:
        rows = {name: len(column) for name, column in columns.items()}
        if len(set(rows.values())) != 1 or 0 in rows.values():
            raise LimbeckError(f"columns must have the same rows, at least one; got {rows}")
        self.columns = columns
        self._rows = next(iter(rows.values()))

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        return {name: column[row] for name, column in self.columns.items()}

    def __getitems__(self, rows: list[int]) -> dict[str, Tensor]:
        """A whole batch at once, which is what a `DataLoader` asks for first."""
        return {name: column[rows] for name, column in self.columns.items()}

    def batches(self, size: int, *, shuffle: bool = True) -> DataLoader[dict[str, Tensor]]:
        """A loader of batches; the last of an epoch may be smaller."""
        return DataLoader(self, batch_size=size, shuffle=shuffle, collate_fn=lambda batch: batch)
