"""Short texts by which a teacher, a tokenizer, a chat template and a data set are known again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from jaxtyping import Int
from torch import Tensor, nn

from limbeck.teachers.live import LiveTeacher

_WORDS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_SAMPLE = 4096
_NO_SETTINGS = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version")


class Tokenizer(Protocol):
    """What is read of a tokenizer of `transformers`."""

    @property
    def special_tokens_map(self) -> Mapping[str, Any]:
        """Tokens that are no text, by what they are for."""
        ...

    def get_vocab(self) -> dict[str, int]:
        """Tokens and their numbers."""
        ...


def teacher_fingerprint(teacher: nn.Module) -> str:
    """Know a model by names, shapes, types and weights of its state, and by the settings that its configuration has.

    It is cheap: of each tensor, the sum of its bits as integers (so that every weight has a part in it) and a few
    thousand weights spread over it are hashed. On a GPU only these leave the device.

    Args:
        teacher: The model, or the :class:`~limbeck.teachers.live.LiveTeacher` around it, which changes nothing.

    Example:
        >>> model = nn.Linear(2, 2)
        >>> before = teacher_fingerprint(model)
        >>> with torch.no_grad():
        ...     _ = model.weight[0, 0].add_(1e-3)
        >>> before == teacher_fingerprint(model), before == teacher_fingerprint(nn.Linear(2, 3))
        (False, False)
    """
    model = teacher.model if isinstance(teacher, LiveTeacher) else teacher
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        if not isinstance(value, Tensor):
            continue
        bits = value.detach().contiguous().flatten().view(_WORDS[value.element_size()])
        name = name.replace("_orig_mod.", "")  # by which torch.compile calls what it compiled
        digest.update(f"{name} {tuple(value.shape)} {value.dtype} {int(bits.sum(dtype=torch.int64))};".encode())
        digest.update(bits[:: max(1, bits.numel() // _SAMPLE)].cpu().numpy().tobytes())
    config: Any = getattr(model, "config", None)
    if hasattr(config, "to_dict"):
        settings = {name: value for name, value in config.to_dict().items() if name not in _NO_SETTINGS}
        digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def tokenizer_fingerprint(tokenizer: Tokenizer) -> str:
    """Know a tokenizer by its vocabulary and special tokens."""
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: (item[1], item[0]))
    return _text_hash(json.dumps([vocabulary, tokenizer.special_tokens_map], sort_keys=True, default=str))


def template_fingerprint(template: str) -> str:
    """Know a chat template by its text."""
    return _text_hash(template)


def data_fingerprint(rows: Int[Tensor, " rows"], hashes: Int[Tensor, " rows"]) -> str:
    """Know a data set by its rows, in whatever order they come.

    Args:
        rows: The rows' numbers.
        hashes: What :func:`~limbeck.teachers.store.seen.row_hashes` says of them.
    """
    order = rows.argsort()
    return hashlib.sha256(torch.stack([rows[order], hashes[order]]).numpy().tobytes()).hexdigest()


def _text_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
