"""What a teacher saw of each row, as a hash."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from limbeck.batch import Batch
from limbeck.errors import LimbeckError, near_matches

TEXT = ("input_ids", "token_type_ids", "position_ids", "targets", "labels")
"""Keys of a batch of text that are hashed where the user does not choose."""

_SELECTS = dict.fromkeys(("input_ids", "token_type_ids", "position_ids"), "attention_mask") | {"targets": "mask"}


def seen_keys(batch: Batch, asked: Sequence[str] = ()) -> tuple[str, ...]:
    """The keys of a batch that are hashed.

    Args:
        batch: Any batch.
        asked: The user's choice; by default those of :data:`TEXT` that there are, or every tensor but ``row`` where
            there are no ``input_ids``.

    Raises:
        LimbeckError: A key is not in the batch, or nothing is left to hash.
    """
    tensors = [name for name, value in batch.items() if isinstance(value, Tensor)]
    for name in asked:
        if name not in tensors:
            raise LimbeckError(f"seen: the batch has no tensor {name!r}; {near_matches(name, tensors)}")
    if asked:
        return tuple(asked)
    found = [name for name in TEXT if name in tensors] if "input_ids" in tensors else sorted({*tensors} - {"row"})
    if not found:
        raise LimbeckError("seen: the batch has no tensor beside 'row' that a row could be known by")
    return tuple(found)


def row_hashes(batch: Batch, keys: Sequence[str]) -> Int[Tensor, " b"]:
    """64 bits for each row, which do not depend on padding or on the other rows of the batch.

    Of ``input_ids``, ``token_type_ids`` and ``position_ids`` the attended tokens are hashed (packed sequences, which
    have no ``attention_mask``, up to the last position that counts), of ``targets`` the counted ones with their
    distances, of every other tensor the whole row.

    Args:
        batch: With ``row``, and with what ``keys`` names.
        keys: What :func:`seen_keys` gave when the store was written.

    Raises:
        LimbeckError: A key is not in the batch.

    Example:
        >>> one = {"input_ids": torch.tensor([[5, 6]]), "row": torch.tensor([0])}
        >>> padded = {"input_ids": torch.tensor([[5, 6, 0]]), "attention_mask": torch.tensor([[1, 1, 0]])}
        >>> bool(row_hashes(one, ["input_ids"]) == row_hashes(padded, ["input_ids"]))
        True
    """
    names = {*keys, "attention_mask", "mask"}
    arrays = {name: _array(batch[name]) for name in names if isinstance(batch.get(name), Tensor)}
    if "attention_mask" not in arrays and "mask" in arrays:
        # What comes after the last position that counts may be padding, and no counted distribution depends on it.
        arrays["attention_mask"] = np.flip(np.logical_or.accumulate(np.flip(arrays["mask"], 1), 1), 1)
    hashes = None
    for key in keys:
        if key not in arrays:
            raise LimbeckError(
                f"the batch has no tensor {key!r}, by which rows are compared; {near_matches(key, batch)}"
            )
        values, chosen = arrays[key], arrays.get(_SELECTS.get(key, ""))
        hashes = hashes or [hashlib.blake2b(digest_size=8) for _ in values]
        for number, digest in enumerate(hashes):
            row = values[number]
            if key in TEXT and row.dtype.kind in "iu":
                row = row.astype(np.int64)
            if chosen is not None and chosen.shape == values.shape:
                at = np.flatnonzero(chosen[number])
                row = row[at]
                if key == "targets":
                    digest.update((at - at[:1]).tobytes())
            digest.update(f"{key} {row.dtype} {row.shape};".encode())
            digest.update(row.tobytes())
    words = b"".join(digest.digest() for digest in hashes or ())
    return torch.from_numpy(np.frombuffer(words, dtype="<i8").astype(np.int64))


def _array(value: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    value = value.detach().cpu()
    return value.view(torch.int16).numpy() if value.dtype == torch.bfloat16 else value.numpy()
