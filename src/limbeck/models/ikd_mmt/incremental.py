"""Translating a batch a token at a time: all that the search knows of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck.models.ikd_mmt.decoder import BeamCache
from limbeck.models.ikd_mmt.encoder import EncoderOutput

if TYPE_CHECKING:
    from limbeck.models.ikd_mmt.modeling import IKDMMTForTranslation


Best = tuple[Float[Tensor, "rows count"], Int[Tensor, "rows count"]]
"""Log-probabilities and tokens, best first."""

PROJECTED_ROWS = 256
BLOCK = 64


def best_tokens(logits: Float[Tensor, "rows vocab"], count: int) -> Best:
    """The ``count`` likeliest tokens of each row; the logits are overwritten.

    Sorting reads the vocabulary slowly, a maximum reads it fast: so the best are looked for in those blocks of the
    vocabulary alone that have the largest maxima. None of them can be in another block.

    Args:
        logits: Unnormalised scores, which serve as working memory for their logsumexp.
        count: How many, at most as many as there are tokens.

    Example:
        >>> scores, tokens = best_tokens(torch.tensor([[0.0, 2.0, 1.0]]), 2)
        >>> tokens.tolist(), [round(score, 3) for score in scores[0].exp().tolist()]
        ([[1, 2]], [0.665, 0.245])
    """
    blocks = logits.shape[-1] // BLOCK
    if blocks <= 2 * count:
        best, tokens = logits.topk(count, dim=-1)
    else:
        whole = logits[:, : blocks * BLOCK].unflatten(1, (blocks, BLOCK))
        _, chosen = whole.amax(dim=2).topk(count, dim=1)
        rest = logits[:, blocks * BLOCK :]
        found = whole.gather(1, chosen.unsqueeze(-1).expand(-1, -1, BLOCK)).flatten(1)
        best, places = torch.cat([found, rest], dim=1).topk(count, dim=1)
        block = chosen.gather(1, (places // BLOCK).clamp(max=count - 1))
        in_rest = places >= count * BLOCK
        tokens = torch.where(in_rest, places + (blocks - count) * BLOCK, block * BLOCK + places % BLOCK)
    largest = best[:, :1].clone()
    return best - logits.sub_(largest).exp_().sum(dim=-1, keepdim=True).log_().add_(largest), tokens


class Decoding(Protocol):
    """A batch in translation; its rows are the beams of its sentences, sentence by sentence."""

    def step(self, newest: Int[Tensor, "sentences beams"], count: int) -> Best:
        """Add a token to every row; gives the ``count`` best tokens to follow each."""

    def select(self, parents: Int[Tensor, "kept beams"], kept: Int[Tensor, " kept"] | None) -> None:
        """Go on with other rows.

        Args:
            parents: For each row of the next step, the row of the last one that it continues.
            kept: The sentences that stay in the batch; ``None`` keeps all.
        """


class Searchable(Protocol):
    """A model that a translation can be searched with, whatever computes it."""

    config: Any  # an IKDMMTConfig; `transformers` declares a wider type
    training: bool

    @property
    def device(self) -> torch.device:
        """Where inputs belong."""

    def eval(self) -> object:
        """Leave training mode."""

    def begin(
        self,
        input_ids: Int[Tensor, "b s"],
        visual_features: Tensor | None = None,
        visual_mask: Tensor | None = None,
    ) -> Decoding:
        """Encode sentences, padded on the right; nothing of their translations is there yet."""


class TorchDecoding:
    """The model's own decoder with its cache.

    Args:
        model: The model, in eval mode.
        encoded: The batch's sentences.
    """

    def __init__(self, model: IKDMMTForTranslation, encoded: EncoderOutput) -> None:
        self.model, self.encoded = model, encoded
        self.cache = BeamCache()
        self.length = 0

    def step(self, newest: Int[Tensor, "sentences beams"], count: int) -> Best:
        """Add a token to every row; gives the ``count`` best tokens to follow each."""
        states = self.states(newest)
        # Some rows at a time: logits that stay in the processor's cache are projected and read three times as fast.
        parts = [best_tokens(self.model.project(part).float(), count) for part in states.split(PROJECTED_ROWS)]
        if len(parts) == 1:
            return parts[0]
        return torch.cat([scores for scores, _ in parts]), torch.cat([tokens for _, tokens in parts])

    def states(self, newest: Int[Tensor, "sentences beams"]) -> Float[Tensor, "rows d"]:
        """Add a token to every row; gives the states that the next is chosen from."""
        states = self.model.decode(newest.view(-1, 1), self.encoded, self.cache, self.length)[:, -1]
        self.length += 1
        return states

    def select(self, parents: Int[Tensor, "kept beams"], kept: Int[Tensor, " kept"] | None) -> None:
        """Go on with other rows; see :class:`Decoding`."""
        self.cache.reorder(parents.flatten())
        if kept is None:
            return
        self.cache.keep_sentences(kept)
        assert self.encoded.last_hidden_state is not None
        assert self.encoded.mask is not None
        self.encoded = EncoderOutput(
            last_hidden_state=self.encoded.last_hidden_state[kept],
            mask=self.encoded.mask[kept],
        )
