"""Batches for translation: token ids, and the pictures' maps for those sentences that have one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from transformers import PreTrainedTokenizerFast

from limbeck.batch import IGNORED, Batch
from limbeck.data.batching import TokenBatchSampler, pad_ids
from limbeck.errors import LimbeckError


class PictureMaps:
    """The vision teacher's maps of all pictures, computed once, and which sentence has which.

    Args:
        maps: By name, ``(pictures, channels, height, width)``; halves save memory.
        rows: For each sentence the row of its picture, -1 where it has none.
    """

    def __init__(self, maps: Mapping[str, Tensor], rows: Sequence[int]) -> None:
        self.maps = dict(maps)
        self.rows = torch.tensor(rows, dtype=torch.long)

    def of(self, sentences: Sequence[int]) -> tuple[dict[str, Tensor], Tensor]:
        """The maps of those sentences that have a picture, and which these are, ``(sentences,)``."""
        rows = self.rows[list(sentences)]
        present = rows >= 0
        return {name: value[rows[present]].float() for name, value in self.maps.items()}, present

    def shuffled(self, generator: torch.Generator) -> PictureMaps:
        """The same pictures given to other sentences: what image-must translation gets with a wrong picture.

        Raises:
            LimbeckError: If more than half of the sentences have one and the same picture, so that not all can get
                another.
        """
        turned = PictureMaps(self.maps, self.rows.tolist())
        present = (self.rows >= 0).nonzero().flatten()
        if not len(present):
            return turned
        pictures = self.rows[present]
        most = int(pictures.bincount().max())
        if 2 * most > len(present):
            raise LimbeckError(
                f"{most} of {len(present)} sentences have the same picture: no other can be given to all"
            )
        # Pictures in a random order, the sentences of one side by side; turned by as many as the most that share one,
        # no sentence meets its own picture again.
        places = torch.randperm(int(pictures.max()) + 1, generator=generator)[pictures]
        order = present[places.argsort(stable=True)]
        turned.rows[order] = self.rows[order.roll(most)]
        return turned


class TranslationData(Dataset[int]):
    """Sentence pairs as token ids.

    Args:
        source: Sentences.
        target: Their translations.
        tokenizer: The joint tokenizer; each side ends with its end-of-sentence token.
        pictures: Their pictures' maps.

    Raises:
        LimbeckError: If a sentence is empty (its line is named), or sentences, translations and pictures are not as
            many.
    """

    def __init__(
        self,
        source: Sequence[str],
        target: Sequence[str],
        tokenizer: PreTrainedTokenizerFast,
        pictures: PictureMaps | None = None,
    ) -> None:
        shown = len(source) if pictures is None else len(pictures.rows)
        if not len(source) == len(target) == shown:
            raise LimbeckError(
                f"{len(source)} source sentences, {len(target)} target sentences"
                + ("" if pictures is None else f", rows of pictures for {shown}")
                + ": they must be parallel"
            )
        for side, lines in (("source", source), ("target", target)):
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    raise LimbeckError(f"{side}, line {number}: the sentence is empty")
        self.tokenizer = tokenizer
        self.texts = list(source), list(target)
        self.pictures = pictures
        self.source: list[list[int]] = tokenizer(self.texts[0]).input_ids
        self.target: list[list[int]] = tokenizer(self.texts[1]).input_ids

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> int:
        return index

    def lengths(self) -> list[tuple[int, int]]:
        """Tokens of both sides of each pair."""
        return [(len(s), len(t)) for s, t in zip(self.source, self.target, strict=True)]

    def collate(self, indices: Sequence[int]) -> Batch:
        """One batch: ``input_ids``, ``labels`` (-100 at padding) and, with pictures, ``maps`` and ``present``."""
        pad = int(self.tokenizer.pad_token_id)
        batch: dict[str, object] = {
            "input_ids": pad_ids([self.source[i] for i in indices], pad)[0],
            "labels": pad_ids([self.target[i] for i in indices], IGNORED)[0],
        }
        if self.pictures is not None:
            batch["maps"], batch["present"] = self.pictures.of(indices)
        return batch

    def loader(self, max_tokens: int, *, seed: int = 0, shuffle: bool = True) -> DataLoader[int]:
        """Batches of sentences of like length, bounded by padded tokens."""
        sampler = TokenBatchSampler(self.lengths(), max_tokens, seed=seed, shuffle=shuffle)
        return DataLoader(self, batch_sampler=sampler, collate_fn=self.collate)
